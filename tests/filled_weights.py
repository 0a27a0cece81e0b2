"""Deterministic weights of the networks, the same on every machine: what the published ones stand in for in tests."""

import importlib.util
from pathlib import Path
from types import ModuleType

from safetensors.torch import save_file

from seqmatte import networks, recipe
from seqmatte.methods.networked import Networked
from seqmatte.recognition import slot_of
from seqmatte.releases import forms_of

PARITY = Path(__file__).parent / "parity"
# Networks whose weights fill_b.py makes; fill.py makes the others'.
FILLED_B = {"gca", "fba", "dim", "context_aware", "tcvom"}
# Lighter forms than the usual ones, so that the suite stays quick.
LIGHT = {"context_motion": "mobilenetv2", "context_aware": "alpha"}
# Recipes that no guide is drawn for, and settings that keep others quick.
GUIDELESS = ("rvm", "amm", "context-motion", "bgm2")
SMALLER = {"bgm1": {"bgm1": {"side": 128}}}
RECIPES = tuple(name for name in recipe.RECIPES if name != "flow-closed-form")


def filled(network: str, folder: Path, form: str | None = None) -> str:
    """A file of weights for a network, written to the folder if it is not there."""
    form = LIGHT.get(network, forms_of(network)[0].name) if form is None else form
    path = folder / f"{slot_of(network, form)}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        built = networks.build(network, **next(f.facts for f in forms_of(network) if f.name == form))
        module_at(PARITY / ("fill_b.py" if network in FILLED_B else "fill.py")).fill_module(built, 1)
        arrays = {k: v.contiguous() for k, v in built.state_dict().items() if "num_batches" not in k}
        save_file(arrays, str(path))
    return str(path)


def filled_for(name: str, folder: Path) -> dict[str, str]:
    """Weights for every network of a recipe, by network."""
    kinds = [recipe.method_class(step) for step in recipe.RECIPES[name].methods]
    return {kind.network: filled(kind.network, folder) for kind in kinds if issubclass(kind, Networked)}


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
