"""Generated shots walked by the methods that the refiner comes after: what they make of them is its lesson.

Optical flow and closed form run as they run in a recipe, frame by frame on the CPU, which takes seconds a shot; so
what was walked is kept in a folder and taken again and again, cropped and turned in other ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqmatte.device import Device
from seqmatte.encoding import HALF_MAX, Encoding
from seqmatte.layer import Header, Layer, single
from seqmatte.method import View, guide_kind
from seqmatte.methods.closed_form import ClosedForm, ClosedFormParams
from seqmatte.methods.edge_snap import EdgeSnap, EdgeSnapParams
from seqmatte.methods.guide_flow import GuideFlow, GuideFlowParams
from seqmatte.methods.hstsg_compact import HstsgCompactParams
from seqmatte.methods.networked import enlarged, sized
from seqmatte.methods.refiner import SEEN, learnt, seen
from seqmatte.networks import hstsg_compact
from seqmatte.networks.hstsg_compact import KINDS, HstsgCompact
from seqmatte.training.checkpoints import restore, save
from seqmatte.training.course import Pool, Round
from seqmatte.training.scenes import Clips, shoot
from seqmatte.training.textures import Dice
from seqmatte.training.unroll import over_clips
from seqmatte.weights import SHIPPED

# Seeds of the pool begin here, past those of any batch.
_POOLED = 700_000_000
# How the memory network's method looks at plates; these are squares.
_LOOK = HstsgCompactParams()
# Places that a part may be cut from.
_LOOKED_AT = 3


@dataclass(frozen=True)
class Opinions:
    """What the refiner is shown of frames [B, T, ., S, S], as `Refiner.forward` has them."""

    alpha: Tensor
    band: Tensor
    guess: Tensor
    around: Tensor
    likeness: Tensor
    free: Tensor


@dataclass(frozen=True)
class Walked(Clips):
    """Shots, and what was found on them."""

    opinions: Opinions

    def each(self, change: Callable[[Tensor], Tensor]) -> Walked:
        opinions = Opinions(*(change(getattr(self.opinions, f.name)) for f in fields(Opinions)))
        return replace(super().each(change), opinions=opinions)

    def backwards(self, shots: Tensor) -> Walked:
        """What came before comes after."""
        around = self.opinions.around
        swapped = torch.where(shots.unsqueeze(1), around[:, :, [2, 3, 0, 1]], around)
        return replace(self, opinions=replace(self.opinions, around=swapped))


class Reel:
    """One shot as methods see it: its plates, its guide on the first frame, and the layers made so far."""

    def __init__(self, clips: Clips, index: int) -> None:
        encoding = Encoding(0.0, *clips.constants[index].tolist())
        self.plates = [_plate(frame, encoding) for frame in clips.plate[index]]
        self.lights = [_plate(encoding.decode(frame), encoding) for frame in clips.plate[index]]
        value, *kinds = clips.guide[index].numpy()
        self.guide = single(value, KINDS[[bool(kind.any()) for kind in kinds].index(True)])
        self.made: dict[tuple[str, int], Layer] = {}

    def view(self, frame: int) -> View:
        def fetch(name: str, offset: int, space: str | None) -> Layer | None:
            at = self.at(frame, offset)
            if name == "plate":
                return (self.plates if space == "encoded" else self.lights)[at]
            return (self.guide if at == 0 else None) if name == "guide" else self.made.get((name, at))

        return View(frame, fetch, self.at)

    def at(self, frame: int, offset: int) -> int:
        return min(max(frame + offset, 0), len(self.plates) - 1)

    def run(self, method: Any, name: str) -> None:
        """All frames from the guided one on; what the method makes goes by the name."""
        method.open(Device("cpu"))
        views = [self.view(frame) for frame in range(len(self.plates))]
        state = method.start(views[:1])
        for view in views:
            state, layer = method.step(state, view)
            self.made[name, view.frame] = layer


def walked(memory: HstsgCompact, seed: int, count: int, frames: int, size: int) -> Walked:
    """`shoot`, and on each shot flow, closed form and the memory network, from the guide on the first frame."""
    clips = shoot(seed, count, frames, size)
    reels = [solved(Reel(clips, index)) for index in range(count)]
    drawn = torch.stack([as_remembered(reel, guide) for reel, guide in zip(reels, clips.guide, strict=True)])
    # A shot of a few frames would make the memory look too good.
    guess = remembered(memory, replace(clips, guide=drawn), aged=True)
    found = [_found(reel, one) for reel, one in zip(reels, guess, strict=True)]
    opinions = Opinions(*(torch.stack([shot[name] for shot in found]) for name in SEEN[1:]))
    return Walked(**{f.name: getattr(clips, f.name) for f in fields(Clips)}, opinions=opinions)


def remembered(memory: HstsgCompact, clips: Clips, aged: bool) -> Tensor:
    """The memory network's alpha and confidence, [B, T, 2, S, S], from the guide on the first frame.

    It looks at them enlarged, as the method does. aged: when it has been to the end and back before, and so is as old
    as in a shot three times as long.
    """
    count, frames = clips.plate.shape[:2]
    there = list(range(frames))
    way = [*there, *there[-2::-1], *there[1:]] if aged else there
    plate, guide = _looked_at(clips.plate.flatten(0, 1)), _looked_at(clips.guide).clamp(0, 1)
    drawn = torch.where(guide[:, 1:2] > 0, guide[:, :1].round(), guide[:, :1])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        seen = plate.view(count, frames, *plate.shape[1:])[:, way]
        mattes = over_clips(memory.eval(), seen, torch.cat((drawn, guide[:, 1:]), 1))
    kept = [mattes[0], *mattes[len(way) - frames + 1 :]]
    guess = [torch.cat((matte.alpha, matte.confidence), 1).float() for matte in kept]
    high, wide = sized(clips.guide, _LOOK.side, _LOOK.enlarge).shape[-2:]
    return torch.stack([sized(one[..., :high, :wide], max(clips.plate.shape[-2:])) for one in guess], 1)


def _looked_at(pictures: Tensor) -> Tensor:
    return enlarged(sized(pictures, _LOOK.side, _LOOK.enlarge), hstsg_compact.STRIDE)


def solved(reel: Reel) -> Reel:
    """The reel, walked by flow and closed form."""
    reel.run(GuideFlow(GuideFlowParams()), "trimap")
    reel.run(ClosedForm(ClosedFormParams()), "solved")
    return reel


def as_remembered(reel: Reel, guide: Tensor) -> Tensor:
    """The guide's planes [4, S, S] as the memory takes them: of a trimap what closed form makes of it."""
    if guide_kind(reel.guide) != "trimap":
        return guide
    alpha = torch.from_numpy(np.ascontiguousarray(reel.made["solved", 0]["A"]))
    return hstsg_compact.guide_planes(alpha[None, None], "alpha")[0]


def _found(reel: Reel, guess: Tensor) -> dict[str, Tensor]:
    """By name of `SEEN`, [T, C, S, S], of a reel that is solved."""
    for frame, planes in enumerate(guess.numpy()):
        reel.made["guess", frame] = Layer(np.ascontiguousarray(planes.transpose(1, 2, 0)), ("alpha", "confidence"))
    reel.run(EdgeSnap(EdgeSnapParams()), "snapped")
    colours = learnt([reel.view(0)])
    views = [reel.view(frame) for frame in range(len(reel.plates))]
    frames = [seen(view, colours, view["snapped"]) for view in views]
    return {name: torch.from_numpy(np.stack([frame[name] for frame in frames])) for name in SEEN}


def _plate(picture: Tensor, encoding: Encoding) -> Layer:
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy(), np.float32)
    header = Header.of_size(pixels.shape[1], pixels.shape[0])
    return Layer(pixels, ("R", "G", "B"), header, {"encoding": str(encoding)})


def shipped_memory() -> HstsgCompact:
    """The memory network with the weights that we ship."""
    memory = restore(hstsg_compact.build(), SHIPPED / "hstsg-compact")
    assert isinstance(memory, HstsgCompact)
    return memory


def pooled(pool: Pool, folder: Path, seed: int, number: int, shape: Round) -> Walked:
    """Batch `number` of a run: shots of the pool, in an order of the seed's, a part cut out of each.

    A batch of the pool that is not in the folder yet is walked first.
    """
    each = pool.rounds[0].count
    places = range(number * shape.count // each, (number + 1) * shape.count // each)
    dice = Dice(seed + number, torch.device("cpu"))
    batches = [_of_pool(pool, folder, seed, _drawn(pool, seed, place)) for place in places]
    return joined([_cut(dice, shot, shape).each(Tensor.float) for shots in batches for shot in _single(shots)])


def _single(shots: Walked) -> list[Walked]:
    return [shots.each(lambda x, i=i: x[i : i + 1]) for i in range(len(shots.plate))]  # type: ignore[misc]


def _drawn(pool: Pool, seed: int, place: int) -> int:
    """Which batch of the pool comes at a place: all of them once, then all in another order."""
    order = torch.randperm(pool.many, generator=torch.Generator().manual_seed(seed + place // pool.many))
    return int(order[place % pool.many])


def _of_pool(pool: Pool, folder: Path, seed: int, index: int) -> Walked:
    shape = pool.rounds[index % len(pool.rounds)]

    def make() -> Walked:
        return walked(shipped_memory(), seed + _POOLED + index, shape.count, shape.frames, shape.size)

    return kept(folder / f"{index:04d}.pt", make)


def _cut(dice: Dice, shot: Walked, shape: Round) -> Walked:
    """A part of one shot in space and time: of some the one with most to do."""
    frames, size = shot.plate.shape[1], shot.plate.shape[-1]
    begin = dice.number(0, frames - shape.frames + 1)
    places = [(dice.number(0, size - shape.size + 1), dice.number(0, size - shape.size + 1)) for _ in range(_LOOKED_AT)]
    free = shot.opinions.free[:, begin : begin + shape.frames]
    work = [free[..., y : y + shape.size, x : x + shape.size].sum().item() for y, x in places]
    y, x = places[work.index(max(work))]

    def part(tensor: Tensor) -> Tensor:
        if tensor.dim() == 2:
            return tensor
        tensor = tensor[..., y : y + shape.size, x : x + shape.size]
        return tensor[:, begin : begin + shape.frames] if tensor.dim() == 5 else tensor

    return shot.each(part)


def joined(shots: Sequence[Walked]) -> Walked:
    """One batch of several."""
    planes = [_planes(one) for one in shots]
    return _walked({name: torch.cat([one[name] for one in planes]) for name in planes[0]})


def kept(path: Path, make: Callable[[], Walked]) -> Walked:
    """What the file holds, in half precision and not yet read; where there is none, it is made and written first.

    Raises OutputError.
    """
    if not path.is_file():
        planes = {name: plane.clamp(-HALF_MAX, HALF_MAX).half() for name, plane in _planes(make()).items()}
        save(path, **planes)
    return _walked(torch.load(path, weights_only=True, mmap=True))


def _planes(shots: Walked) -> dict[str, Tensor]:
    own = {f.name: getattr(shots, f.name) for f in fields(Clips)}
    return own | {f"seen {f.name}": getattr(shots.opinions, f.name) for f in fields(Opinions)}


def _walked(planes: Mapping[str, Tensor]) -> Walked:
    opinions = Opinions(*(planes[f"seen {f.name}"] for f in fields(Opinions)))
    return Walked(**{f.name: planes[f.name] for f in fields(Clips)}, opinions=opinions)
