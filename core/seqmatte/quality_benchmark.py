"""How good the mattes are: recipes beside the plain chain that any compositor could build, on shots nobody tuned to.

The shots are generated (`training.scenes`, from seeds that no training uses), so their alpha is known exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from seqlink import FramePath, FrameRange, Guide, Shot
from seqmatte import exr
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.engine import Engine
from seqmatte.flow import grid
from seqmatte.layer import Header, Layer, single
from seqmatte.open_methods import OpenMethods
from seqmatte.scores import score

Plane = npt.NDArray[np.float32]

SEED = 880_000_000  # of the unseen shots: training's own seeds, its check and its pool lie elsewhere
PLAIN = "plain chain"
_BAND, _RADIUS, _EPSILON = 8, 4, 1e-4
_FIGURES = ("MAD", "Grad", "dtSSD")


@dataclass(frozen=True)
class Trial:
    """A shot with its truth. plates: H x W x 3, scene-linear; truth: H x W; masks: by index of the frame."""

    name: str
    plates: Sequence[Plane]
    truth: Sequence[Plane]
    masks: Mapping[int, Plane]


def unseen(count: int, frames: int, size: int, guides: int = 1, first: int = 1) -> Iterator[Trial]:
    """Generated shots, `size` pixels square, with masks on so many frames: the first, and others evenly after it.

    first: the first shot's number; shots of other numbers are others.
    """
    import torch

    from seqmatte.encoding import Encoding
    from seqmatte.training.guides_drawn import mask_of
    from seqmatte.training.scenes import shoot
    from seqmatte.training.textures import Dice

    for number in range(first - 1, first - 1 + count):
        clips = shoot(SEED + number, 2, frames, size).each(lambda x, number=number: x[number % 2 : number % 2 + 1])  # type: ignore[misc]
        light = Encoding(0.0, *clips.constants[0].tolist()).decode(clips.plate[0])
        plates = [np.ascontiguousarray(frame.permute(1, 2, 0).numpy(), np.float32) for frame in light]
        dice = Dice(SEED + number, torch.device("cpu"))
        guided = sorted({round(i * (frames - 1) / max(guides - 1, 1)) for i in range(guides)})
        masks = {at: mask_of(dice, clips.alpha[:, at])[0, 0].numpy() for at in guided}
        yield Trial(f"unseen {number + 1}", plates, [frame[0].numpy() for frame in clips.alpha[0]], masks)


def plain_chain(trial: Trial) -> list[Plane]:
    """DIS flow warps the last alpha, a fixed band about its edge is solved by closed form at half size (pymatting),
    and a guided filter brings that up. Walked on from the nearest guided frame before, back from the first."""
    pictures = [np.clip(plate, 0, 1) ** np.float32(1 / 2.2) for plate in trial.plates]
    first, found = min(trial.masks), cast(list[Plane], [None] * len(pictures))
    for way in (range(first, len(pictures)), range(first - 1, -1, -1)):
        for at in way:
            if at in trial.masks:
                moved = trial.masks[at]
            else:
                last = at - 1 if way.step > 0 else at + 1
                moved = _moved(found[last], pictures[at], pictures[last])
            found[at] = _solved(pictures[at], moved)
    return found


def _moved(alpha: Plane, picture: Plane, last: Plane) -> Plane:
    greys = [cv2.cvtColor((p * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for p in (picture, last)]
    dis: Any = cv2
    back = dis.DISOpticalFlow_create(dis.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*greys, None)
    where = grid(alpha.shape[:2]) + back
    return np.asarray(dis.remap(alpha, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _solved(picture: Plane, alpha: Plane) -> Plane:
    from pymatting import estimate_alpha_cf

    soft = ((alpha > 0.1) & (alpha < 0.9)).astype(np.uint8)
    soft |= (
        cv2.morphologyEx((alpha > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    ).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _BAND + 1,) * 2)
    trimap = np.where(cv2.dilate(soft, disc) > 0, 0.5, alpha > 0.5)
    size = (picture.shape[1] // 2, picture.shape[0] // 2)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    known = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST)
    if not ((known > 0) & (known < 1)).any() or known.max() < 1 or known.min() > 0:
        return np.asarray(alpha, np.float32)
    coarse = estimate_alpha_cf(small, known, laplacian_kwargs={"epsilon": 1e-6})
    fine = _brought_up(np.asarray(coarse, np.float32), picture)
    return np.where(trimap == 0.5, fine, trimap).astype(np.float32)


def _brought_up(coarse: Plane, picture: Plane) -> Plane:
    """A guided filter of the alpha, enlarged, along the picture's luma."""
    guide: Plane = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)
    size = (guide.shape[1], guide.shape[0])
    alpha: Plane = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def mean(x: Plane) -> Plane:
        return np.asarray(cv2.blur(x, (2 * _RADIUS + 1,) * 2), np.float32)

    slope = (mean(guide * alpha) - mean(guide) * mean(alpha)) / (mean(guide * guide) - mean(guide) ** 2 + _EPSILON)
    return (mean(slope) * guide + mean(mean(alpha) - slope * mean(guide))).clip(0, 1)


def shot_of(trial: Trial, folder: Path) -> Shot:
    """The trial as files in the folder, without a recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    header = Header.of_size(trial.plates[0].shape[1], trial.plates[0].shape[0])
    tagged = Header(header.data, header.display, attributes={"colorInteropID": ("string", "lin_rec709_scene")})
    for number, plate in enumerate(trial.plates, 1):
        exr.write(folder / f"plate.{number:04d}.exr", Layer(plate, ("R", "G", "B"), tagged))
    guides = []
    for at, mask in trial.masks.items():
        path = folder / f"mask.{at + 1:04d}.exr"
        exr.write(path, single(mask, "A").with_header(header))
        guides.append(Guide(at + 1, str(path)))
    frames = FrameRange(range(1, len(trial.plates) + 1))
    return Shot(FramePath(folder / "plate.####.exr"), frames, tuple(guides))


def alphas_of(shot: Shot, folder: Path, device: Device, opened: OpenMethods) -> list[Plane]:
    """What the engine makes of a shot, H x W each."""
    results = Engine(shot, Cache(folder), device=device, opened=opened).render()
    # Walks back from a guide end at its first frame.
    return [exr.read(result.path)["A"] for result in sorted(results, key=lambda result: result.frame)]


def figures(alphas: Sequence[Plane], truth: Sequence[Plane]) -> dict[str, float]:
    """MAD, Grad and dtSSD over a whole shot."""
    found = score(alphas, truth)
    return {name: float(getattr(found, name)) for name in _FIGURES}


def table(rows: Sequence[tuple[str, Mapping[str, Mapping[str, float]]]]) -> str:
    """MAD / dtSSD / Grad of each recipe on each shot, their means, and these as shares of the plain chain's."""
    names = list(rows[0][1])
    lines = [f"{'MAD / dtSSD / Grad':20} " + " ".join(f"{name:>24}" for name in names)]
    lines += [f"{shot:20} " + " ".join(f"{_cell(found[name]):>24}" for name in names) for shot, found in rows]
    means = {name: {key: float(np.mean([found[name][key] for _, found in rows])) for key in _FIGURES} for name in names}
    lines.append(f"{'mean':20} " + " ".join(f"{_cell(means[name]):>24}" for name in names))
    if PLAIN in means:
        shares = {n: {key: means[n][key] / max(means[PLAIN][key], 1e-9) for key in _FIGURES} for n in names}
        lines.append(f"{'of the plain chain':20} " + " ".join(f"{_cell(shares[n], '.2f'):>24}" for n in names))
        usual = {name: _usual_share([(found[name], found[PLAIN]) for _, found in rows]) for name in names}
        lines.append(f"{'on a usual shot':20} " + " ".join(f"{_cell(usual[n], '.2f'):>24}" for n in names))
    return "\n".join(lines)


def _usual_share(pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> dict[str, float]:
    """The geometric mean of each figure's share of another's, shot by shot: no hard shot outweighs the others."""
    return {
        key: float(np.exp(np.mean([np.log(max(one[key], 1e-9) / max(other[key], 1e-9)) for one, other in pairs])))
        for key in _FIGURES
    }


def _cell(found: Mapping[str, float], form: str = ".1f") -> str:
    return " / ".join(f"{found[name]:{form}}" for name in ("MAD", "dtSSD", "Grad"))


def compared(
    trials: Iterator[Trial], recipes: Sequence[str], folder: Path, device: Device
) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """The figures of the plain chain and of each recipe, shot by shot. folder: for the shots and a cache."""
    opened = OpenMethods()
    for number, trial in enumerate(trials):
        shot = shot_of(trial, folder / f"{number}")
        found = {PLAIN: figures(plain_chain(trial), trial.truth)}
        for recipe in recipes:
            alphas = alphas_of(shot.replace(recipe=recipe), folder / "cache", device, opened)
            found[recipe] = figures(alphas, trial.truth)
        yield trial.name, found
