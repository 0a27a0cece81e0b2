"""Inputs to try a network with: what `forward` takes, at a size, without any file. For tests, counting, export.

Pictures are made by arithmetic alone, so they come out the same everywhere and on torch's meta device too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from seqmatte.networks import hmmn
from seqmatte.networks.stcn import STCN, Bank

Inputs = dict[str, Any]

# Networks that do not say themselves what their sizes must be multiples of.
MULTIPLES: Mapping[str, int] = {"hstsg-compact": 16, "refiner": 16}


def example(name: str, network: Any, height: int, width: int) -> Inputs:
    """The arguments of network.forward by name, for one frame with some past, on the default device.

    height, width: at least these; they go up to the multiples that the network needs. Pictures are 0..1 or in
    the range that the network asks for; a state is the one after a first, guided frame.
    """
    multiple = getattr(network, "multiple", MULTIPLES.get(name, 1))
    size = -(-height // multiple) * multiple, -(-width // multiple) * multiple
    return INPUTS[name](network, *size)


def picture(channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """[1, channels, height, width], 0..1: waves with a grain on them, another for each seed."""
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width)
    layers = torch.arange(channels).view(-1, 1, 1) + 7 * seed
    waves = torch.sin(rows * 0.13 + layers) * torch.cos(columns * 0.11 - 2 * layers)
    grain = torch.frac(1000 * torch.sin(rows * 12.9898 + columns * 78.233 + layers)).abs()
    return (0.4 + 0.3 * waves + 0.3 * grain).unsqueeze(0).clamp(0, 1)


def block(height: int, width: int) -> Tensor:
    """A mask: 1 within a rectangle in the middle, [1, 1, height, width]."""
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width)
    inside = (rows > height // 4) & (rows < 3 * height // 4) & (columns > width // 4) & (columns < 3 * width // 4)
    return inside.float().view(1, 1, height, width)


def band(height: int, width: int) -> Tensor:
    """The unknown region of a trimap around `block`: 1 near its edge, [1, 1, height, width]."""
    spread = torch.nn.functional.avg_pool2d(block(height, width), 9, 1, 4)
    return ((spread > 0) & (spread < 1)).float()


def _recurrent(network: Any, height: int, width: int) -> Inputs:
    *_, state = network(picture(3, height, width))
    return {"plate": picture(3, height, width, 1), "state": state}


def _bgm1(network: Any, height: int, width: int) -> Inputs:
    plate, clean = (2 * picture(3, height, width, seed) - 1 for seed in (0, 1))
    return {"plate": plate, "clean": clean, "person": 2 * block(height, width) - 1}


def _bgm2(network: Any, height: int, width: int) -> Inputs:
    return {"plate": picture(3, height, width), "clean": picture(3, height, width, 1)}


def _stcn(network: STCN, height: int, width: int) -> Inputs:
    first = 4 * picture(3, height, width) - 2
    look = network.look(first)
    blank = look.key.new_zeros(1, 64, 0), look.key.new_zeros(1, 512, 0)
    bank = Bank((0,), *blank).with_frame(look.key, network.values(first, look, block(height, width)))
    return {"frame": 4 * picture(3, height, width, 1) - 2, "banks": (bank,)}


def _hmmn(network: hmmn.HMMN, height: int, width: int) -> Inputs:
    # Two targets, so that each sees another's mask.
    masks = torch.cat((block(height, width), band(height, width)))
    first = network.memorise(picture(3, height, width), masks)
    return {"frame": picture(3, height, width, 1), "state": hmmn.State(first, first, (first,), None)}


def _hstsg(network: Any, height: int, width: int) -> Inputs:
    first = 4 * picture(3, height, width) - 2
    state = network.begin([network.guided(first, block(height, width))])
    return {"frame": 4 * picture(3, height, width, 1) - 2, "state": network.hold(first, state).state}


def _hstsg_compact(network: Any, height: int, width: int) -> Inputs:
    mask = block(height, width)
    guide = torch.cat((mask, torch.ones_like(mask), torch.zeros_like(mask), torch.zeros_like(mask)), 1)
    _, memory = network.begin(picture(3, height, width), guide)
    return {"plate": picture(3, height, width, 1), "memory": memory}


def _refiner(network: Any, height: int, width: int) -> Inputs:
    plate, alpha, unknown = picture(3, height, width), block(height, width), band(height, width)
    half = torch.full_like(alpha, 0.5)
    pair = torch.cat((alpha, half), 1)
    return {
        "plate": plate,
        "alpha": alpha,
        "band": torch.cat((unknown, half), 1),
        "guess": pair,
        "around": torch.cat((pair, pair), 1),
        "likeness": pair,
        "free": unknown,
    }


def one_hot(height: int, width: int) -> Tensor:
    inside, unknown = block(height, width), band(height, width)
    return torch.cat(((1 - inside) * (1 - unknown), unknown, inside * (1 - unknown)), 1)


def _scalar(height: int, width: int) -> Tensor:
    unknown = band(height, width)
    return unknown * (128 / 255) + (1 - unknown) * block(height, width)


def _distances(height: int, width: int) -> Tensor:
    # Smooth planes of the right range stand for distances; a network's shapes and gradients need no more.
    return picture(6, height, width, 3)


def _normalised(height: int, width: int, seed: int = 0) -> Tensor:
    return 4 * picture(3, height, width, seed) - 2


def _gca(network: Any, height: int, width: int) -> Inputs:
    return {"image": _normalised(height, width), "trimap": one_hot(height, width)}


def _dim(network: Any, height: int, width: int) -> Inputs:
    return {"x": torch.cat((picture(3, height, width), _scalar(height, width)), 1)}


def _fba(network: Any, height: int, width: int) -> Inputs:
    return {
        "image": picture(3, height, width),
        "two_channel": one_hot(height, width)[:, ::2],
        "normalised": _normalised(height, width),
        "distances": _distances(height, width),
    }


def _context_aware(network: Any, height: int, width: int) -> Inputs:
    return {"image": picture(3, height, width), "trimap": _scalar(height, width)}


def _tcvom(network: Any, height: int, width: int) -> Inputs:
    codes = {
        "gca": one_hot(height, width),
        "fba": torch.cat((_distances(height, width), one_hot(height, width)[:, ::2]), 1),
    }
    code = codes.get(network.base, _scalar(height, width))
    before, current, after = (torch.cat((_normalised(height, width, seed), code), 1) for seed in range(3))
    return {"before": before, "current": current, "after": after, "unknown": band(height, width)}


def _tgm(network: Any, height: int, width: int) -> Inputs:
    shares = one_hot(height, width)
    memory = network.remember(None, _normalised(height, width), shares)
    return {"frame": _normalised(height, width, 1), "keys": memory.keys, "values": memory.values}


def _dvm(network: Any, height: int, width: int) -> Inputs:
    # Its strips of seven need seven cells at 1/32.
    width = max(width, 224)
    seeds = range(network.fusion.shift + network.step)
    frames = [torch.cat((_normalised(height, width, seed), _scalar(height, width)), 1) for seed in seeds]
    return {"x": torch.cat(frames)}


INPUTS: Mapping[str, Callable[[Any, int, int], Inputs]] = {
    "amm": _recurrent,
    "bgm1": _bgm1,
    "bgm2": _bgm2,
    "context_aware": _context_aware,
    "context_motion": _recurrent,
    "dim": _dim,
    "dvm": _dvm,
    "fba": _fba,
    "gca": _gca,
    "hmmn": _hmmn,
    "hstsg": _hstsg,
    "hstsg-compact": _hstsg_compact,
    "refiner": _refiner,
    "rvm": _recurrent,
    "stcn": _stcn,
    "tcvom": _tcvom,
    "tgm": _tgm,
}
