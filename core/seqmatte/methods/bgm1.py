"""Background Matting (Sengupta et al., CVPR 2020): a clean plate and a rough guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seqlink.params import param
from seqmatte.confidence import alone
from seqmatte.layer import Layer
from seqmatte.method import Read, State, View
from seqmatte.methods.networked import Networked, NetworkParams, Plane
from seqmatte.reach import PerFrame

# How much the box around the subject is larger than it, on either side.
_AROUND = 0.1


@dataclass(frozen=True)
class Bgm1Params(NetworkParams):
    side: int = param(
        512, low=128, high=2048, unit="px", help="The square that the subject's box is resized to; trained at 512."
    )
    islands: bool = param(
        False, help="Keep parts that do not touch the largest one; the authors' scripts drop them, for single people."
    )


class Bgm1(Networked):
    """Clean plate, plate and a carried guide to alpha (Background Matting).

    As its authors' scripts: the box around the guide, made square, resized to 512; the guide thresholded, eroded, grown
    and blurred; all in -1..1. The published weights never read neighbouring frames, so none are given.
    """

    name: ClassVar[str] = "bgm1"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "bgm1"
    Params: ClassVar[type] = Bgm1Params
    needs_clean: ClassVar[bool] = True

    makes = "alpha"
    reads = (Read("plate", space="encoded"), Read("clean", space="encoded"), Read("trimap"))
    reach = PerFrame()
    params: Any

    def __init__(self, params: Bgm1Params) -> None:
        self.params = params

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        trimap = view["trimap"]
        guess = trimap["alpha"] if trimap.has("alpha") else trimap["trimap"]
        alpha = np.zeros_like(guess)
        if box := subject_box(guess > 0.2):
            rows, columns = box
            found = self._matted(view["plate"].pixels[box], view["clean"].pixels[box], guess[box])
            alpha[rows, columns] = found if self.params.islands else largest_part(found)
        return None, self.alpha_layer(alpha, alone(alpha))

    def _matted(self, plate: Plane, clean: Plane, guess: Plane) -> Plane:
        """Alpha of a box, H x W, from encoded pictures and the guide in it."""
        import cv2

        # Sides are multiples of 4.
        square, size = (self.params.side // 4 * 4,) * 2, (guess.shape[1], guess.shape[0])

        def resized(picture: Plane) -> Plane:
            return np.asarray(cv2.resize(picture, square, interpolation=cv2.INTER_LINEAR), np.float32)

        inputs = {
            "plate": self.tensor(resized(plate[:, :, :3])) * 2 - 1,
            "clean": self.tensor(resized(clean[:, :, :3])) * 2 - 1,
            "person": self.tensor(softened(resized(guess))[:, :, None]) * 2 - 1,
        }
        alpha = (self.runner.run("step", inputs)["alpha"][0, 0].cpu().numpy() + 1) / 2
        back = cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(back, np.float32).clip(0, 1)


def subject_box(mask: np.ndarray[Any, Any]) -> tuple[slice, slice] | None:
    """The box around a mask, squarish and a tenth larger on every side, within the picture; None for an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    wide = max(int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)
    more = round(_AROUND * wide)
    return (
        slice(max(0, top - more), min(mask.shape[0], top + wide + more)),
        slice(max(0, left - more), min(mask.shape[1], left + wide + more)),
    )


def softened(guess: Plane) -> Plane:
    """The guide as the network knows segmentations: sure above 0.2, eroded, grown a little, blurred."""
    import cv2

    sure = np.where(guess > 0.2, np.float32(1), guess).astype(np.float32)
    inner = cv2.erode(sure, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)), iterations=10)
    grown = cv2.dilate(inner, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)), iterations=5)
    return np.asarray(cv2.GaussianBlur(grown, (31, 31), 0), np.float32)


def largest_part(alpha: Plane) -> Plane:
    """Alpha within its largest connected part above 0.05, 0 elsewhere."""
    import cv2

    count, labels, facts, _ = cv2.connectedComponentsWithStats((alpha > 0.05).astype(np.uint8))
    if count < 2:
        return alpha
    largest = 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == largest, alpha, 0).astype(np.float32)
