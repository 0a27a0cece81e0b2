"""Graphs of the networks that remember guided frames: STCN, HSTSG, HMMN and TCVOM's trimap propagation.

The memory goes in as tensors whose third or last axis is as long as it happens to be; what a step gives to remember
is one more piece of each. Which pieces are kept is the caller's to decide. Targets are rows of the first axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seqmatte.networks import hmmn, tgm
from seqmatte.networks.blocks import aggregated, shares
from seqmatte.networks.examples import block, one_hot, picture
from seqmatte.networks.hstsg_state import Recent, Remembered
from seqmatte.networks.part import Options, Part

# HSTSG's memory; the frames lately read, which have readouts where others have values, are called after it.
LEVELS = ("key16", "key8", "key4", "value16", "value8", "value4")
NEAR = tuple(f"near_{name}" for name in LEVELS)
# HMMN's memory: at 1/16 of all frames, at 1/8 and 1/4 of the first and the newest.
ENTRY = ("key4", "value4", "key3", "value3", "key2", "value2")


def stcn_parts(network: Any, options: Options) -> dict[str, Part]:
    """memorise: a frame and its masks; keys [1, 64, M], values [K, 512, M]. step: masks that share each pixel."""

    def memorise(frame: Tensor, masks: Tensor) -> Sequence[Tensor]:
        look = network.look(frame)
        return look.key.flatten(2), network.values(frame, look, masks).flatten(2)

    def step(frame: Tensor, keys: Tensor, values: Tensor) -> Sequence[Tensor]:
        together = values.flatten(0, 1).unsqueeze(0)
        return (shares(network.found(network.look(frame), keys, together, values.shape[0], **options)),)

    def later(height: int, width: int) -> Sequence[Tensor]:
        frame, masks = _frame_and_masks(height, width)
        return frame, *(torch.cat((x, x), 2) for x in memorise(frame, masks))

    return {
        "memorise": Part(network, memorise, ("frame", "masks"), ("key", "value"), _frame_and_masks, rows=("masks",)),
        "step": Part(network, step, ("frame", "keys", "values"), ("masks",), later, rows=("values",)),
    }


def hstsg_parts(network: Any, options: Options) -> dict[str, Part]:
    """memorise: a guided frame. hold: a frame with its guide in memory is read, not predicted. step: one frame.

    Memory: keys [1, 64, T, ., .], values [K, ., T, ., .]. Of the two frames lately read, the newest last, `seen` [1]
    says how many there are; the others' tensors are taken no notice of.
    """

    def memorise(frame: Tensor, mask: Tensor, alpha: Tensor) -> Sequence[Tensor]:
        return _stored(network.guided(frame, mask, alpha))

    def hold(frame: Tensor, *memory: Tensor) -> Sequence[Tensor]:
        keys = network.look(frame).keys
        return _in_time((*keys, *network.read_bank(keys, memory[:3], memory[3:])))

    def step(frame: Tensor, *held: Tensor) -> Sequence[Tensor]:
        return _hstsg_step(network, options, frame, held)

    def guided(height: int, width: int) -> Sequence[Tensor]:
        frame, masks = _frame_and_masks(height, width)
        return frame, masks, masks

    def held(height: int, width: int) -> Sequence[Tensor]:
        frame, *guide = guided(height, width)
        return frame, *(torch.cat((x, x), 2) for x in memorise(frame, *guide))

    def later(height: int, width: int) -> Sequence[Tensor]:
        frame, *memory = held(height, width)
        near = [torch.cat((x, x), 2) for x in hold(frame, *memory)]
        return frame, *memory, *near, frame.new_full((1,), 2.0)

    values = LEVELS[3:]
    return {
        "memorise": Part(network, memorise, ("frame", "mask", "alpha"), LEVELS, guided, rows=("mask", "alpha")),
        "hold": Part(network, hold, ("frame", *LEVELS), NEAR, held, 3, values),
        "step": Part(
            network,
            step,
            ("frame", *LEVELS, *NEAR, "seen"),
            ("mask", "matte", *(f"next_{name}" for name in (*LEVELS, *NEAR))),
            later,
            3,
            (*values, *NEAR[3:]),
        ),
    }


def _hstsg_step(network: Any, options: Options, frame: Tensor, held: Sequence[Tensor]) -> Sequence[Tensor]:
    """mask, matte, the frame as memory, and what was read for it."""
    memory, near, seen = held[:6], held[6:12], held[12]
    look = network.look(frame)
    reads = network.read_bank(look.keys, memory[:3], memory[3:], **options)
    ours = (*look.keys, *reads)
    last = [torch.where(seen > 0, x[:, :, -1], y) for x, y in zip(near, ours, strict=True)]
    before = [torch.where(seen > 1, x[:, :, 0], y) for x, y in zip(near, last, strict=True)]
    window = [Recent(tuple(x[:3]), tuple(x[3:])) for x in (ours, last, before)]
    mask, alpha = network.decoder.mattes(frame, look, network.crossed(window))
    mask = shares(mask)
    entry = _stored(network.remembered(frame, look, mask, alpha))
    return mask, alpha, *entry, *_in_time(ours)


def hmmn_parts(network: Any, options: Options) -> dict[str, Part]:
    """memorise: a frame and its masks. step: logits over background and targets, and where cells went.

    all_: the frames read at 1/16, [K, ., T, h, w], the newest last; the rest of the first and the newest (once where
    they are the same). places: [K, 1, cells so far], none before the first step.
    """
    coarse, fine = tuple(f"all_{name}" for name in ENTRY[:2]), ENTRY[2:]

    def memorise(frame: Tensor, masks: Tensor) -> Sequence[Tensor]:
        return tuple(network.memorise(frame, masks))

    def step(frame: Tensor, *held: Tensor) -> Sequence[Tensor]:
        *entry, places = held
        every = hmmn.Entry(*entry)
        chances, chain = network.read(frame, every, every, hmmn.Chain(places[:, 0], every.k4.shape[2]))
        return aggregated(chances), chain.places.unsqueeze(1)

    def first(height: int, width: int) -> Sequence[Tensor]:
        return picture(3, height, width), _masks(height, width)

    def later(height: int, width: int) -> Sequence[Tensor]:
        frame, masks = first(height, width)
        entry = [torch.cat((x, x), 2) for x in memorise(frame, masks)]
        cells = frame.shape[-2] // 16 * (frame.shape[-1] // 16)
        return frame, *entry, torch.arange(2 * cells).remainder(cells).expand(2, 1, -1)

    taken, given = ("frame", *coarse, *fine, "places"), ("logits", "next_places")
    return {
        "memorise": Part(network, memorise, ("frame", "masks"), ENTRY, _multiples(first), rows=("masks",)),
        "step": Part(network, step, taken, given, _multiples(later), 3, taken[1:]),
    }


def tgm_parts(network: Any, options: Options) -> dict[str, Part]:
    """memorise: a frame and its shares; key [2, 128, M], value [2, 512, M]. step: logits whose softmax are shares."""

    def memorise(frame: Tensor, known: Tensor) -> Sequence[Tensor]:
        held: tgm.Memory = network.remember(None, frame, known)
        return held.keys, held.values

    def step(frame: Tensor, keys: Tensor, values: Tensor) -> Sequence[Tensor]:
        return (network(frame, keys, values),)

    def first(height: int, width: int) -> Sequence[Tensor]:
        return 4 * picture(3, height, width) - 2, one_hot(height, width)

    def later(height: int, width: int) -> Sequence[Tensor]:
        return first(height, width)[0], *(torch.cat((x, x), 2) for x in memorise(*first(height, width)))

    return {
        "memorise": Part(network, memorise, ("frame", "shares"), ("key", "value"), _multiples(first)),
        "step": Part(network, step, ("frame", "keys", "values"), ("logits",), _multiples(later)),
    }


def _masks(height: int, width: int) -> Tensor:
    """Two targets, [2, 1, H, W]."""
    corner = torch.zeros(1, 1, height, width)
    corner[..., : height // 3, : width // 3] = 1
    return torch.cat((block(height, width), corner))


def _frame_and_masks(height: int, width: int) -> Sequence[Tensor]:
    """A normalised frame and its masks, of multiples of 16."""
    height, width = -(-height // 16) * 16, -(-width // 16) * 16
    return 4 * picture(3, height, width) - 2, _masks(height, width)


def _multiples(example: Any) -> Any:
    """An example at sizes that are multiples of 16."""
    return lambda height, width: example(-(-height // 16) * 16, -(-width // 16) * 16)


def _stored(held: Remembered) -> list[Tensor]:
    return _in_time((*held.keys, *held.values))


def _in_time(levels: Sequence[Tensor]) -> list[Tensor]:
    """Each with an axis for frames."""
    return [tensor.unsqueeze(2) for tensor in levels]
