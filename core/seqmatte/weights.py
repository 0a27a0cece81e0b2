"""Weights of networks: found and verified without torch, read without running anything that a file may hold.

A network's weights are, in this order: the file that the Shot names, one in the user's folder
(`seqmatte weights add FILE`), the one that this package ships. Beside each lies its card, a small JSON: source,
licence as its authors state it, sha256, and whether it was trained on composites made in linear light.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqmatte import whole_file
from seqmatte.errors import CacheError, OutputError, WeightsError
from seqmatte.file_faults import system_words, write_whole
from seqmatte.keys import FileDigests, home
from seqmatte.recognition import differences, every_form, nearest, recognised, shapes, slot_of, unlike
from seqmatte.releases import RELEASES, forms_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    Arrays = Mapping[str, torch.Tensor]

SHIPPED = Path(__file__).parent / "weights_shipped"
SUFFIXES = (".safetensors", ".pth", ".pt", ".npz")

# What the card of weights adapted to one shot says of them.
ONE_SHOT = "weights for this shot only"

# What trainers wrap the arrays in. "kept" is our own checkpoints' averaged network, better than the last one.
WRAPPERS = ("state_dict", "kept", "model", "network")


@dataclass(frozen=True)
class Weights:
    """A file of weights and its card. digest: the sha256 of the file. network: what it is asked to be for."""

    network: str
    path: str
    digest: str
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def correction(self) -> float:
        """How much of the linear-light correction a matte from it needs: 1 for training on gamma composites."""
        return 0.0 if self.card.get("linear_light") else 1.0

    @property
    def identity(self) -> str:
        """What results made with it depend on."""
        return f"{self.digest} {self.correction:g}"


def folder() -> Path:
    """The user's own weights."""
    return home() / "weights"


def find(network: str, variant: str = "", override: str | None = None) -> Weights:
    """The weights for a network, verified against their card. Loads no torch.

    variant: one of its forms by name ("resnet50"), empty for whichever is there, the usual one first. override: a
    file to use instead. Raises WeightsError: none, with which file to get and from whom; or not the card's file.
    """
    if override is not None:
        return _verified(network, Path(override))
    for place in _places():
        for slot in _slots(network, variant):
            for suffix in SUFFIXES:
                # Not is_file(), which raises for a home that may not be looked into.
                if os.path.isfile(path := place / f"{slot}{suffix}"):
                    return _verified(network, path)
    raise WeightsError(missing(network, variant))


def _places() -> tuple[Path, ...]:
    """Where weights lie: the user's own folder, for users who have a home, and the package's."""
    try:
        return folder(), SHIPPED
    except CacheError:
        return (SHIPPED,)


def missing(network: str, variant: str = "") -> str:
    """What to do about weights that are not there, as sentences."""
    wanted = f"{network} ({variant})" if variant else network
    releases = [r for r in RELEASES if r.network == network and r.variant.startswith(variant)]
    if not releases:
        trained = f"seqmatte train {network}, then: seqmatte weights add training/weights.safetensors"
        return f"there are no weights for {wanted}; its authors published none. Train it: {trained}"
    said = "; or ".join(f"{r.files} from {r.origin} ({r.licence})" for r in releases)
    return f"there are no weights for {wanted}. Get {said}. Then: seqmatte weights add FILE"


def load(network: str, path: str, **facts: object) -> nn.Module:
    """The network with the file's weights, in float32, on the CPU, ready for inference.

    Of the network's forms (backbones, heads) the one is built whose keys and shapes are the file's. facts: what the
    form must have, and what cannot be read from a file. Raises WeightsError which names the first keys that differ.
    """
    from seqmatte import networks

    arrays = read(path)
    forms = [form for form in forms_of(network) if all(facts.get(k, v) == v for k, v in form.facts.items())]
    for form in forms:
        if not differences(shapes(network, form.name), arrays):
            built = networks.build(network, **{**form.facts, **facts})
            built.load_state_dict({name: array.float() for name, array in arrays.items()}, strict=False)
            return built
    raise WeightsError(unlike(network, [form.name for form in forms], arrays), path=path)


def read(path: str) -> Arrays:
    """The arrays of a file by name: wrappers and a leading "module." taken off, counters of batches left out.

    Raises WeightsError for what holds anything but arrays.
    """
    found = _plain(path)
    for name in WRAPPERS:
        if isinstance(found.get(name), Mapping):
            found = found[name]
            break
    found = {str(k): v for k, v in found.items() if hasattr(v, "shape") and not str(k).endswith("num_batches_tracked")}
    if not found:
        raise WeightsError("this file holds no arrays by name", path=path)
    while all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): array for name, array in found.items()}
    return found


def add(path: str, name: str = "") -> Weights:
    """Copies a file into the user's folder under its network's name, with a card; replaces what was there.

    name: the network it is for, where that should be checked. Raises WeightsError for a file of no network we know.
    """
    if not os.path.isfile(path):
        raise WeightsError("there is no such file", path=path)
    arrays = read(path)
    known = recognised(arrays)
    if known is None or (name and name not in (known[0], slot_of(*known))):
        wanted = name.partition("-")[0] if name and name not in {n for n, _ in every_form()} else name
        raise WeightsError(unlike(wanted or nearest(arrays)[0], None, arrays), path=path)
    network, form = known
    slot = slot_of(network, form)
    beside = card_beside(Path(path))
    _refuse_one_shots(beside, network, path)
    card = {**_release_card(network, form), **beside, "network": network, "form": form}
    place = folder() / f"{slot}{Path(path).suffix if Path(path).suffix in SUFFIXES else '.pth'}"
    _copied(Path(path), place)
    card |= {"file": Path(path).name, "sha256": _digest(place)}
    write_whole(place.with_suffix(".json"), (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())
    for old in folder().glob(f"{slot}.*"):
        if old.suffix in set(SUFFIXES) - {place.suffix}:
            old.unlink()
    return Weights(network, str(place), str(card["sha256"]), card)


def _slots(network: str, variant: str) -> list[str]:
    names = [form.name for form in forms_of(network) if form.name.startswith(variant)]
    return list(dict.fromkeys([slot_of(network, variant), *(slot_of(network, name) for name in names)]))


def _verified(network: str, path: Path) -> Weights:
    if not path.is_file():
        raise WeightsError(f"the weights for {network} are not there", path=path)
    digest, card = _digest(path), card_beside(path)
    if card.get("sha256") not in (None, digest):
        raise WeightsError("this is not the file that its card describes; add it again", path=path)
    return Weights(network, str(path), digest, card)


def _digest(path: Path) -> str:
    digests = FileDigests()
    try:
        return digests.of(path)
    finally:
        digests.close()


def _refuse_one_shots(card: Mapping[str, Any], network: str, path: str) -> None:
    """What is added stands in for every shot's weights."""
    if ONE_SHOT in str(card.get("licence", "")):
        advice = f"give them to that shot as --weights {network}={path}"
        raise WeightsError(f"these weights were adapted to one shot and would be every shot's: {advice}", path=path)


def card_beside(path: Path) -> dict[str, Any]:
    """The card of a file of weights; empty where there is none. Raises WeightsError for one that is not JSON."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return {}
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"the card beside the weights is not JSON: {error}", path=beside) from None
    return card if isinstance(card, dict) else {}


def _release_card(network: str, form: str) -> dict[str, Any]:
    for release in RELEASES:
        if release.network == network and release.variant == form:
            return {"origin": release.origin, "licence": release.licence, "linear_light": False}
    return {}


def _copied(path: Path, place: Path) -> None:
    """Also where the two are one file. Raises OutputError."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file.replacing(place) as beside:
            shutil.copyfile(path, beside)
    except OSError as error:
        raise OutputError(f"the weights cannot be copied: {system_words(error)}", path=place) from error


def _plain(path: str) -> dict[Any, Any]:
    """What a file holds, read without running any of it."""
    import pickle

    import torch

    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return dict(load_file(path))
        if path.endswith(".npz"):
            return _tensorflow_arrays(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        advice = "open it where it was trained and save model.state_dict()"
        raise WeightsError(f"this file holds more than arrays, and none of it is run: {advice}", path=path) from error
    except UnicodeDecodeError as error:
        # As some of DIM's releases; torch reads plain arrays of such files only where their texts are ASCII.
        raise WeightsError("this file was pickled by Python 2; save it again with Python 3", path=path) from error
    except Exception as error:
        raise WeightsError(f"this is not a file of weights{_said(error)}", path=path) from error
    return dict(found) if isinstance(found, Mapping) else {}


def _said(error: Exception) -> str:
    """The first line of a loader's error; nothing where it is a bare number, as of a pickle that is none."""
    lines = [] if isinstance(error, LookupError) else str(error).splitlines()
    return f": {lines[0]}" if lines else ""


def _tensorflow_arrays(path: str) -> dict[Any, Any]:
    """A TensorFlow graph's variables, saved by name, under our names."""
    import numpy as np

    from seqmatte.networks.context_aware import from_tensorflow

    with np.load(path, allow_pickle=False) as found:
        return dict(from_tensorflow({name: found[name] for name in found.files}))
