"""Whose weights a file holds, told by its keys and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from seqmatte.releases import forms_of

if TYPE_CHECKING:
    import torch

    Arrays = Mapping[str, torch.Tensor]

Shapes = Mapping[str, tuple[int, ...]]

# Keys that a mismatch names.
_NAMED = 3


def recognised(arrays: Arrays) -> tuple[str, str] | None:
    """The network and form whose keys and shapes these are."""
    for network, form in every_form():
        if not differences(shapes(network, form), arrays):
            return network, form
    return None


def slot_of(network: str, form: str) -> str:
    """The name that a form's weights go by in a folder: rvm-resnet50, fba."""
    return f"{network}-{form}" if form else network


@cache
def shapes(network: str, form: str) -> Shapes:
    """Keys and shapes of a form, built without memory."""
    import torch

    from seqmatte import networks

    facts = next(f.facts for f in forms_of(network) if f.name == form)
    with torch.device("meta"):
        built = networks.build(network, **facts)
    return {k: tuple(v.shape) for k, v in built.state_dict().items() if not k.endswith("num_batches_tracked")}


def every_form() -> list[tuple[str, str]]:
    """Every network with each of its forms."""
    from seqmatte import networks

    return [(name, form.name) for name in networks.names() for form in forms_of(name)]


def differences(wanted: Shapes, arrays: Arrays) -> list[str]:
    """The first keys that differ between a form and a file, in words; none if they are alike."""
    absent = [k for k in wanted if k not in arrays]
    strange = [k for k in arrays if k not in wanted]
    other = [k for k, s in wanted.items() if k in arrays and tuple(arrays[k].shape) != s]
    said = [f"missing: {', '.join(absent[:_NAMED])}"] if absent else []
    said += [f"unknown: {', '.join(strange[:_NAMED])}"] if strange else []
    return said + [f"{k} is {list(arrays[k].shape)}, not {list(wanted[k])}" for k in other[:_NAMED]]


def _likeness(wanted: Shapes, arrays: Arrays) -> float:
    """The share of keys with the same shape in both."""
    same = sum(k in arrays and tuple(arrays[k].shape) == s for k, s in wanted.items())
    return same / max(1, len(wanted) + len(arrays) - same)


def nearest(arrays: Arrays) -> tuple[str, str]:
    """The network and form that most keys and shapes are of."""
    return max(every_form(), key=lambda one: _likeness(shapes(*one), arrays))


def unlike(network: str, forms: list[str] | None, arrays: Arrays) -> str:
    """Why a file is not this network's, and what it seems to be."""
    names = [form.name for form in forms_of(network)] if forms is None else forms
    best = max(names, key=lambda name: _likeness(shapes(network, name), arrays))
    told = (
        f"these are not weights for {slot_of(network, best)}; {'; '.join(differences(shapes(network, best), arrays))}"
    )
    closest = nearest(arrays)
    share = _likeness(shapes(*closest), arrays)
    if share < 0.1 or closest[0] == network:
        return told
    sure = "are" if share == 1 else "seem to be"
    return f"{told}. They {sure} {slot_of(*closest)}'s"
