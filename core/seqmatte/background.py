"""What lies behind the subject: put together from the frames in which it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqmatte.flow import Plane

# Distance of two encoded colours at which they count as about a third of a vote for each other.
_ALIKE = 0.06
# A colour is trusted fully from this sum of votes on.
_ENOUGH = 0.6
# What a frame's vote is worth where the subject may have stood before the background.
DOUBTFUL = 0.06


@dataclass(frozen=True)
class Background:
    """colour: h x w x 3 of encoded light, the best guess everywhere. trust: h x w, 0..1, in that guess."""

    colour: Plane
    trust: Plane


def agreed(colours: Sequence[Plane], votes: Sequence[Plane]) -> Background:
    """The colour that most frames agree on, pixel by pixel.

    colours: h x w x 3 each, brought to one frame along the background's motion. votes: h x w each, 1 where only
    background was seen, near 0 where the subject may have stood in front.
    """
    support = [(own > 0) * _votes_for(mine, colours, votes) for mine, own in zip(colours, votes, strict=True)]
    stack = np.stack(support)
    best = stack.argmax(0)
    winner = np.take_along_axis(stack, best[None], 0)[0]
    colour = np.take_along_axis(np.stack(colours), best[None, ..., None], 0)[0]
    against = sum(votes, start=np.float32(0)) - winner
    trust = np.clip(winner / _ENOUGH, 0, 1) * winner / (winner + against + 1e-6)
    return Background(np.asarray(colour, np.float32), np.asarray(trust, np.float32))


def _votes_for(colour: Plane, colours: Sequence[Plane], votes: Sequence[Plane]) -> Plane:
    """h x w: the votes of all that show this colour, or nearly."""
    sum_ = np.zeros(colour.shape[:2], np.float32)
    for other, vote in zip(colours, votes, strict=True):
        sum_ += np.exp(-((colour - other) ** 2).sum(2) / _ALIKE**2) * vote
    return sum_
