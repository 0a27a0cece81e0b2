"""The shipped network adapted to one shot, from the frames that the artist guided.

Two kinds of clips are made of them. Moved: the guided frame is taken apart into subject and background, which move
on their own, are composited in scene-linear light and encoded again; its matte moves along and is exact. Walked:
real frames from one guided frame to the next, judged by what the weight-free recipe made of them, where that is sure.
Where a matte is not believed, in hair most of all, the network is held to what the shipped weights say: left free
there it would forget it. One guide of several is left out, and the network is examined on it (`adapt_exam`).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import EllipsisType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatte.encoding import Encoding
from seqmatte.errors import GuideError
from seqmatte.networks.hstsg_compact import STRIDE, HstsgCompact
from seqmatte.training import adapt_exam, losses
from seqmatte.training.guides_drawn import blurred
from seqmatte.training.textures import Dice
from seqmatte.training.unroll import over_clips

FRAMES = 4


@dataclass(frozen=True)
class Adaptation:
    """minutes, steps: whichever ends first. size: of the crops, in pixels. clips: in a step."""

    minutes: float = 10.0
    steps: int = 100_000
    size: int = 192
    clips: int = 3
    rate: float = 1e-4
    seed: int = 1


@dataclass(frozen=True)
class Known:
    """A guided frame taken apart. plate, foreground, background [1, 3, H, W], the plate encoded, the others linear.

    alpha, trust [1, 1, H, W]: the best matte and how far it is believed, 0..1. guide [1, 4, H, W].
    """

    plate: Tensor
    guide: Tensor
    alpha: Tensor
    trust: Tensor
    foreground: Tensor
    background: Tensor


@dataclass(frozen=True)
class Real:
    """A frame of the shot. plate [1, 3, H, W]. matte [1, 2, H, W]: alpha, trust. guide [4, H, W]: where it has one."""

    plate: Tensor
    matte: Tensor
    guide: Tensor | None


def adapt(
    network: HstsgCompact,
    plates: Mapping[int, Tensor],
    guides: Mapping[int, Tensor],
    mattes: Mapping[int, Tensor],
    encoding: Encoding,
    how: Adaptation,
    say: Callable[[str], None] = print,
) -> float:
    """Teaches the network this shot for some minutes, in place; gives how much of that was kept, 0..1.

    Of several guides one is left out of the learning, and as much is kept as meets that one best, if need be nothing.
    One guide alone leaves nothing to check on, and all is kept.

    plates: frame number -> encoded plate [3, H, W]; all guided frames, and what else of the shot may be walked.
    guides: frame number -> guide planes [4, H, W]. mattes: of all these frames, the best alpha that there is without
    this network and how far it is believed, [2, H, W]. Raises GuideError without a guide or with one that is empty.
    """
    if not guides:
        raise GuideError("adapting to a shot needs at least one guided frame", field="guides")
    unseen = adapt_exam.left_out(list(guides))
    known = {
        frame: taken_apart(plates[frame], guide, mattes[frame], encoding) for frame, guide in sorted(guides.items())
    }
    learnt = {frame: one for frame, one in known.items() if frame != unseen}
    real = {n: Real(padded(plates[n][None]), padded(mattes[n][None]), guides.get(n)) for n in plates if n != unseen}
    shipped = {name: value.clone() for name, value in network.state_dict().items()}
    _taught(network, learnt, real, encoding, how, say)
    if unseen is None:
        say("one guide only, so none could be left out to check on; compare before you use these weights")
        return 1.0
    drawn = {frame: one.guide for frame, one in known.items()}
    seen = {n: padded(plate[None]) for n, plate in plates.items()}
    best = {n: padded(mattes[n][None]) for n in plates}
    return adapt_exam.keep_what_helps(network, shipped, adapt_exam.exam_of(unseen, seen, drawn, best), say)


def _taught(
    network: HstsgCompact,
    known: Mapping[int, Known],
    real: Mapping[int, Real],
    encoding: Encoding,
    how: Adaptation,
    say: Callable[[str], None],
) -> None:
    dice = Dice(how.seed, next(network.parameters()).device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=how.rate, weight_decay=1e-4)
    stretches = list(zip(list(known)[:-1], list(known)[1:], strict=True))
    began, step = time.monotonic(), 0
    network.eval()  # batch norms keep the statistics of the long training
    shipped = copy.deepcopy(network)
    while step < how.steps and time.monotonic() - began < how.minutes * 60:
        with torch.autocast(dice.device.type, torch.bfloat16):
            if stretches and step % 2:
                loss = _walked_loss(network, shipped, dice, real, stretches[step // 2 % len(stretches)], how)
            else:
                loss = _moved_loss(network, shipped, dice, list(known.values()), encoding, how)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 20 == 0:
            say(f"step {step} loss {loss.item():.4f} {(time.monotonic() - began) / 60:.1f} min")


def taken_apart(plate: Tensor, guide: Tensor, matte: Tensor, encoding: Encoding) -> Known:
    """A guided frame's two layers, each continued behind the other, by its matte [2, H, W]: alpha and trust."""
    plate, guide, matte = (padded(planes.unsqueeze(0)) for planes in (plate, guide, matte))
    if not guide[:, 0].any():
        raise GuideError("this guide is empty, so nothing can be learnt from it")
    light, alpha = encoding.decode(plate), matte[:, :1]
    foreground = continued(light, (alpha > 0.95).float())
    background = continued(light, (alpha < 0.05).float())
    return Known(plate, guide, alpha, matte[:, 1:], foreground, background)


def continued(light: Tensor, known: Tensor) -> Tensor:
    """light [1, 3, H, W] where known [1, 1, H, W] is 1, elsewhere its surroundings, coarser the farther off."""
    picture, weight = light * known, known
    levels = [(picture, weight)]
    while min(picture.shape[-2:]) > 2:
        picture, weight = F.avg_pool2d(picture, 2, ceil_mode=True), F.avg_pool2d(weight, 2, ceil_mode=True)
        levels.append((picture, weight))
    picture, weight = levels.pop()
    filled = picture.sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1e-6)
    while levels:
        picture, weight = levels.pop()
        coarse = F.interpolate(filled, size=picture.shape[-2:], mode="bilinear")
        filled = coarse * (1 - weight) + picture
    return filled


def _moved_loss(
    network: HstsgCompact, shipped: HstsgCompact, dice: Dice, known: list[Known], encoding: Encoding, how: Adaptation
) -> Tensor:
    """Clips of guided frames taken apart and moved: alpha, composition, Laplacian and coherence."""
    made = [_moved(dice, known, encoding, how.size) for _ in range(how.clips)]
    plate, alpha, trust, guide, front, back = (torch.cat(parts) for parts in zip(*made, strict=True))
    found = torch.stack([m.alpha for m in over_clips(network, plate, guide)], 1)
    wanted = alpha.lerp(_said_by(shipped, plate, guide), 1 - trust)
    return (
        losses.alpha_l1(found, wanted)
        + losses.composition(found, wanted, front, back)
        + _laplacian(found, wanted)
        + 5 * losses.temporal(found, wanted)
    )


def _said_by(shipped: HstsgCompact, plate: Tensor, guide: Tensor) -> Tensor:
    """Alphas [B, T, 1, H, W] of the weights that all began with."""
    with torch.no_grad():
        return torch.stack([m.alpha for m in over_clips(shipped, plate, guide)], 1).float()


def _moved(dice: Dice, known: list[Known], encoding: Encoding, size: int) -> tuple[Tensor, ...]:
    """One clip: plate, alpha, trust [1, T, ., S, S], guide [1, 4, S, S], foreground and background, linear."""
    own = known[dice.number(0, len(known))]
    other = known[dice.number(0, len(known))]
    centre = _on_the_rim(dice, own.alpha)
    zoom = float(dice.log_uniform(0.75, 1.6, 1))
    scale = torch.tensor([size / own.alpha.shape[-1], size / own.alpha.shape[-2]], device=dice.device) / zoom
    subject = torch.cat((own.foreground, own.alpha, own.trust, own.guide), 1)
    speed = float(dice.log_uniform(0.01, 0.25, 1))
    front = torch.cat([subject_at for subject_at in _path(dice, subject, centre, scale, size, speed)])
    back = torch.cat([at for at in _path(dice, other.background, centre, scale, size, speed / 2)])
    foreground, alpha, trust, guide = front[:, :3], front[:, 3:4], front[:, 4:5], front[:, 5:]
    light = alpha * foreground + (1 - alpha) * back
    noise = torch.randn(light.shape, generator=dice.generator, device=dice.device)
    plate = encoding.encode(light + noise * float(dice.log_uniform(5e-4, 6e-3, 1)))
    drawn = torch.cat((guide[:1, :1], guide[:1, 1:].amax((2, 3), keepdim=True).expand(-1, -1, size, size).round()), 1)
    return plate[None], alpha[None], trust[None], drawn, foreground[None], back[None]


def _on_the_rim(dice: Dice, alpha: Tensor) -> Tensor:
    """A place on the subject's rim (x, y in -1..1), somewhat off it."""
    rim = blurred(((alpha > 0.1) & (alpha < 0.9)).float(), 2).flatten() + 1e-6
    place = int(torch.multinomial(rim, 1, generator=dice.generator).item())
    height, width = alpha.shape[-2:]
    at = torch.tensor([place % width / width, place // width / height], device=dice.device) * 2 - 1
    return at + 0.1 * dice.normal(2)


def _path(dice: Dice, layer: Tensor, centre: Tensor, scale: Tensor, size: int, speed: float) -> list[Tensor]:
    """A layer [1, C, H, W] seen in a window that moves, turns, nears and bends from frame to frame."""
    aim, turn, near = speed * dice.normal(2), speed * dice.normal(1), speed * 0.5 * dice.normal(1)
    bend = 0.3 * speed * F.interpolate(dice.normal(1, 2, 4, 4), size=(size, size), mode="bilinear").permute(0, 2, 3, 1)
    frames = []
    for t in range(FRAMES):
        cos, sin, zoom = (turn * t).cos(), (turn * t).sin(), (near * t).exp()
        rows = torch.stack((torch.cat((cos, -sin)), torch.cat((sin, cos)))) * zoom
        still = rows.new_zeros(2, 1)
        window = F.affine_grid(torch.cat((rows, still), 1)[None], [1, 1, size, size], align_corners=False)
        grid = (window + bend * t + aim * t) * scale + centre
        frames.append(F.grid_sample(layer, grid, padding_mode="border", align_corners=False))
    return frames


def _walked_loss(
    network: HstsgCompact,
    shipped: HstsgCompact,
    dice: Dice,
    real: Mapping[int, Real],
    stretch: tuple[int, int],
    how: Adaptation,
) -> Tensor:
    """Real frames from one guided frame to its neighbour, either way, judged where their mattes are believed."""
    ends = stretch if dice.number(0, 2) else stretch[::-1]
    between = [n for n in range(*ends, 1 if ends[0] < ends[1] else -1) if n in real][1:]
    stops = [between[i * len(between) // (FRAMES - 2)] for i in range(FRAMES - 2)] if len(between) > 1 else between
    way = [real[n] for n in (ends[0], *stops, ends[1])]
    cut = _window(dice, way[-1].matte[:, :1], how.size)
    assert way[0].guide is not None
    plates, guide = torch.stack([one.plate[cut] for one in way], 1), padded(way[0].guide[None])[cut]
    matte = torch.stack([one.matte[cut] for one in way], 1)
    found = torch.stack([made.alpha for made in over_clips(network, plates, guide)], 1)
    wanted = matte[:, :, :1].lerp(_said_by(shipped, plates, guide), 1 - matte[:, :, 1:])
    return 2 * (losses.alpha_l1(found, wanted) + _laplacian(found, wanted))


def _laplacian(found: Tensor, truth: Tensor) -> Tensor:
    """In as many levels as a small plate has room for."""
    room = int(math.log2(min(found.shape[-2:]))) - 1
    return losses.laplacian(found, truth, levels=max(1, min(5, room)))


def _window(dice: Dice, alpha: Tensor, size: int) -> tuple[EllipsisType, slice, slice]:
    """A crop about the subject's rim."""
    height, width = alpha.shape[-2:]
    x, y = ((_on_the_rim(dice, alpha) + 1) / 2).tolist()
    top = min(max(int(y * height) - size // 2, 0), max(height - size, 0)) // STRIDE * STRIDE
    left = min(max(int(x * width) - size // 2, 0), max(width - size, 0)) // STRIDE * STRIDE
    return ..., slice(top, top + size), slice(left, left + size)


def padded(picture: Tensor) -> Tensor:
    """Up to multiples of 16 by repeating the last row and column."""
    below, right = -picture.shape[-2] % STRIDE, -picture.shape[-1] % STRIDE
    return F.pad(picture, (0, right, 0, below), mode="replicate")
