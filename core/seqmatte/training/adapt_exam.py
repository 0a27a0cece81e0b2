"""Whether adapting to a shot did good: one guide is left out of the learning, and the network is examined on it.

What a few frames teach can spoil what a long training taught, on hair most of all. So the weights that are kept lie
where the examined guide is met best on the way from the shipped ones to the adapted ones; that may be the shipped ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqmatte.networks.hstsg_compact import HstsgCompact
from seqmatte.training.unroll import over_clips

# How far to go from the shipped weights (0) to the adapted ones (1).
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Exam:
    """One frame to be met. plates [1, T, 3, H, W]: from a guided frame on; `place` of them is the one examined.

    guide, last_guide [1, 4, H, W]: of the first and, where it is guided too, the last one. matte [1, 2, H, W]: the
    best alpha of the examined frame and how far it is believed.
    """

    frame: int
    plates: Tensor
    place: int
    guide: Tensor
    last_guide: Tensor | None
    matte: Tensor


def left_out(guided: Sequence[int]) -> int | None:
    """The guided frame that nothing is learnt from: the middle one, of two the later. None where there is but one."""
    return sorted(guided)[len(guided) // 2] if len(guided) > 1 else None


def exam_of(
    frame: int, plates: Mapping[int, Tensor], guides: Mapping[int, Tensor], mattes: Mapping[int, Tensor]
) -> Exam:
    """To meet a guided frame from its neighbours among the other guided ones.

    plates: frame -> [1, 3, H, W], multiples of 16, guided frames and some between. guides [1, 4, H, W], mattes
    [1, 2, H, W]. There is another guide.
    """
    earlier = [n for n in guides if n < frame]
    later = [n for n in guides if n > frame]
    first = max(earlier) if earlier else min(later)
    last = min(later) if earlier and later else frame
    way = [n for n in sorted(plates) if min(first, last) <= n <= max(first, last)]
    way = way if first <= last else way[::-1]
    ending = guides[last] if last != frame else None
    seen = torch.stack([plates[n] for n in way], 1)
    return Exam(frame, seen, way.index(frame), guides[first], ending, mattes[frame])


def error(network: HstsgCompact, exam: Exam) -> float:
    """Mean |alpha - matte| x 1000 on the examined frame, where the matte is believed."""
    with torch.no_grad(), torch.autocast(exam.plates.device.type, torch.bfloat16):
        found = over_clips(network, exam.plates, exam.guide, exam.last_guide)[exam.place].alpha.float()
    alpha, trust = exam.matte[:, :1], exam.matte[:, 1:]
    return 1000 * ((found - alpha).abs() * trust).mean().item()


def keep_what_helps(
    network: HstsgCompact, shipped: Mapping[str, Tensor], exam: Exam, say: Callable[[str], None] = print
) -> float:
    """Puts the best weights between the shipped and the network's own into it; gives how far it went, 0..1."""
    adapted = {name: value.clone() for name, value in network.state_dict().items()}
    found = {}
    for share in SHARES:
        network.load_state_dict(_between(shipped, adapted, share))
        found[share] = error(network, exam)
    best = min(SHARES, key=lambda share: found[share])
    network.load_state_dict(_between(shipped, adapted, best))
    met = f"frame {exam.frame}, left out of the learning: error {found[0.0]:.1f} shipped, {found[1.0]:.1f} adapted"
    kept = f"{found[best]:.1f} with {best:.0%} of what was learnt, which is kept" if best else "the shipped ones stay"
    say(f"{met}; {kept}")
    return best


def _between(one: Mapping[str, Tensor], other: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    return {
        name: value + share * (other[name] - value) if value.is_floating_point() else value
        for name, value in one.items()
    }
