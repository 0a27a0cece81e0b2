"""From a Shot document to weights of its own: reads the frames, adapts, writes weights with a card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqlink.shot import Shot
from seqmatte import shot_file, weights
from seqmatte.device import Device
from seqmatte.doctor import unwritable
from seqmatte.errors import GuideError, OutputError, ShotError, WeightsError
from seqmatte.keys import FileDigests
from seqmatte.layer import Layer
from seqmatte.method import View, as_planes, guide_kind
from seqmatte.methods.closed_form import ClosedForm, ClosedFormParams
from seqmatte.methods.guide_flow import GuideFlow, GuideFlowParams
from seqmatte.methods.hstsg_compact import HstsgCompactParams
from seqmatte.methods.networked import sized
from seqmatte.networks.hstsg_compact import HstsgCompact, guide_planes
from seqmatte.source import Source
from seqmatte.training import adapt_exam, checkpoints
from seqmatte.training.adapt import Adaptation, adapt, padded

BETWEEN = 6  # frames read between two guided ones
_LOOK = HstsgCompactParams()


def adapt_shot(document: Path, out: Path, minutes: float, device: Device, say: Callable[[str], None] = print) -> Path:
    """Adapts hstsg-compact's weights, those that the shot names or those found, to its first subject.

    Gives OUT/weights.safetensors, which has a card. An earlier adaptation to the same guides stays there where it meets
    the guide left out of the learning as well as this one.

    Raises ShotError for a document that cannot be read, GuideError where there is no guide, OutputError for a folder
    that holds other weights than an earlier adaptation's to the same plate and subject.
    """
    shot = shot_file.read(document)
    _refuse_others(out, shot)
    found = weights.find("hstsg-compact", override=shot.weights.get("hstsg-compact"))
    network = weights.load("hstsg-compact", found.path).to(device.torch())
    if not isinstance(network, HstsgCompact):
        raise WeightsError("these are not hstsg-compact's weights", path=found.path)
    digests = FileDigests()
    try:
        source = Source(shot, digests, shot.subjects()[0])
        plates, guides = frames_of(shot, source, device.torch())
        mattes = mattes_of(shot, source, plates, device)
        how = Adaptation(minutes=min(minutes, 24 * 60.0))
        kept = adapt(network, plates, guides, mattes, source.encoding, how, say)
        drawn = [f"{g.kind} {g.frame} {digests.of(g.path)}" for g in shot.guided(shot.subjects()[0])]
    finally:
        digests.close()
    card = {
        "name": "hstsg-compact",
        "licence": f"as the shot's pictures: {weights.ONE_SHOT}",
        "shot": _named(shot),
        "data": f"guided frames {', '.join(map(str, guides))} of {document.name}",
        "guides": drawn,
        "error": _error(network, plates, guides, mattes),
        "from": found.digest,
        "minutes": how.minutes,
        "share of the learning kept": kept,
        "linear_light": True,
    }
    made = out / "weights.safetensors"
    if not _stays(made, card, say):
        checkpoints.export(network, out / "weights", card)
    return made


def _stays(made: Path, card: Mapping[str, Any], say: Callable[[str], None]) -> bool:
    """Whether the weights that are there already are as good as the new ones, by the guide that neither learnt from.

    Where both began with the same weights.
    """
    there = weights.card_beside(made) if made.is_file() else {}
    if there and card["error"] is not None and all(there.get(name) == card[name] for name in ("guides", "from")):
        stays = bool(there["error"] <= card["error"])
        errors = f"error {there['error']:.2f} of those in {made.parent} before, {card['error']:.2f} of the new ones"
        say(f"{errors}: {'those of before stay' if stays else 'the new ones take their place'}")
        return stays
    if there:
        why = "which learnt from other guides or weights, or from a single guide"
        say(f"the new ones take the place of those in {made.parent}, {why}")
    return False


def _error(
    network: HstsgCompact, plates: Mapping[int, Tensor], guides: Mapping[int, Tensor], mattes: Mapping[int, Tensor]
) -> float | None:
    """On the guide left out of the learning; None where there is but one."""
    unseen = adapt_exam.left_out(list(guides))
    if unseen is None:
        return None
    seen, drawn, best = ({n: padded(x[None]) for n, x in some.items()} for some in (plates, guides, mattes))
    return adapt_exam.error(network, adapt_exam.exam_of(unseen, seen, drawn, best))


def _named(shot: Shot) -> str:
    """What tells a shot's weights from another's: an edit of its guides leaves it the same shot."""
    return f"{shot.subjects()[0]} of {shot.plate}"


def _refuse_others(out: Path, shot: Shot) -> None:
    advice = "name a folder of their own with --out"
    if (out / "checkpoint.pt").exists():
        raise OutputError(f"a training's run is kept there, and its weights would be written over: {advice}", path=out)
    found = out / "weights.safetensors"
    if found.exists() and weights.card_beside(found).get("shot") != _named(shot):
        raise OutputError(f"these are not weights of this shot and would be written over: {advice}", path=found)
    if reason := unwritable(out):
        raise OutputError(f"the weights could not be written: {reason}", path=out)


def frames_of(shot: Shot, source: Source, device: torch.device) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Encoded plates [3, H, W] and guide planes [4, H, W] by frame: all guided ones and some between them."""
    guided = sorted(guide.frame for guide in shot.guided(shot.subjects()[0]))
    if not guided:
        raise GuideError("adapting to a shot needs at least one guided frame", field="guides")
    wanted = set(guided)
    for first, last in pairwise(guided):
        inner = [frame for frame in shot.frames if first < frame < last]
        wanted |= {inner[i * len(inner) // BETWEEN] for i in range(BETWEEN)} if inner else set()
    plates = {
        frame: _tensor(source.layer("plate", frame, "encoded"), device, "R", "G", "B") for frame in sorted(wanted)
    }
    guides = {}
    for frame in guided:
        drawn = source.layer("guide", frame)
        if drawn is not None:
            kind = guide_kind(drawn)
            value = _tensor(drawn, device, kind).unsqueeze(0)
            guides[frame] = guide_planes(value.round() if kind == "mask" else value, kind)[0]
    return plates, guides


def mattes_of(shot: Shot, source: Source, wanted: Iterable[int], device: Device) -> dict[int, Tensor]:
    """By frame: what the weight-free recipe makes of it, alpha and confidence, [2, H, W] of the plates' size here.

    By the walk from the nearest guide alone.
    """
    flow, solver, left = GuideFlow(GuideFlowParams()), ClosedForm(ClosedFormParams()), set(wanted)
    for method in (flow, solver):
        method.open(device)
    frames = list(shot.frames)
    found = {}
    for span in flow.reach.spans(frames, [guide.frame for guide in shot.guided(shot.subjects()[0])]):
        asked = [place for place, frame in enumerate(span.frames) if frame in left]
        if not asked:
            continue
        carrying, solving = flow.start([_view(source, frames, frame) for frame in span.guides]), solver.start(())
        for frame in span.frames[: asked[-1] + 1]:
            carrying, trimap = flow.step(carrying, _view(source, frames, frame))
            solving, solved = solver.step(solving, _view(source, frames, frame, trimap))
            if frame in left:
                alpha, sure = _tensor(solved, device.torch(), "A", "confidence")
                carried = _tensor(trimap, device.torch(), "confidence")[0]
                found[frame] = torch.stack((alpha, torch.minimum(sure, carried)))
    return found


def _view(source: Source, frames: Sequence[int], frame: int, trimap: Layer | None = None) -> View:
    def at(of: int, offset: int) -> int:
        return frames[min(max(frames.index(of) + offset, 0), len(frames) - 1)]

    def fetch(name: str, offset: int, space: str | None) -> Layer | None:
        return trimap if name == "trimap" else source.layer(name, at(frame, offset), space)

    return View(frame, fetch, at)


def _tensor(layer: Layer | None, device: torch.device, *channels: str) -> Tensor:
    """[C, H, W], of the size at which the network will look."""
    if layer is None:
        raise ShotError("a frame of this shot is not there", field="plate")
    picture = torch.from_numpy(as_planes(layer, *channels)).to(device)
    found = sized(picture, _LOOK.side, _LOOK.enlarge)[0]
    return found if "R" in channels else found.clamp(0, 1)
