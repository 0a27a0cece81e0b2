"""BackgroundMattingV2 (Lin et al., CVPR 2021): a clean plate and no guide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seqlink.params import param
from seqmatte.confidence import alone
from seqmatte.device import Device
from seqmatte.layer import Layer
from seqmatte.method import Read, State, View
from seqmatte.methods.networked import Networked, NetworkParams, enlarged, plane
from seqmatte.reach import PerFrame
from seqmatte.runtime import Runner

# Up to full HD the authors look at a quarter and mend 80000 pixels, above it at an eighth and mend 320000.
_FULL_HD = 1920 * 1088


@dataclass(frozen=True)
class Bgm2Params(NetworkParams):
    variant: str = param(
        "any",
        choices=("any", "mobilenetv2", "resnet50", "resnet101"),
        help="The backbone; any: whichever there are weights of.",
    )
    detail: float = param(
        0.0,
        low=0.0,
        high=0.5,
        help="Share of the resolution at which the coarse network looks; 0: a quarter, above full HD an eighth.",
    )
    mode: str = param(
        "sampling",
        choices=("sampling", "thresholding", "full"),
        help="Which patches are mended at full size: the most doubtful, those above the threshold, or all.",
    )
    sample_pixels: int = param(
        0, low=0, high=10_000_000, advanced=True, help="Pixels mended by sampling; 0: 80000, above full HD 320000."
    )
    threshold: float = param(
        0.1, low=0.0, high=1.0, advanced=True, help="Expected error above which a patch is mended."
    )


class Bgm2(Networked):
    """Clean plate and plate to alpha, for anything that the clean plate lacks (BackgroundMattingV2).

    The network sees both encoded, RGB about 0..1, reflected to multiples of 4.
    """

    name: ClassVar[str] = "bgm2"
    version: ClassVar[int] = 2
    network: ClassVar[str] = "bgm2"
    Params: ClassVar[type] = Bgm2Params
    needs_clean: ClassVar[bool] = True

    makes = "alpha"
    reads = (Read("plate", space="encoded"), Read("clean", space="encoded"))
    reach = PerFrame()
    params: Any

    def __init__(self, params: Bgm2Params) -> None:
        self.params = params
        self._opened: dict[bool, Runner] = {}

    def open(self, device: Device) -> None:
        self._device = device

    def start(self, guides: Sequence[View]) -> State:
        return None

    def step(self, state: State, view: View) -> tuple[State, Layer]:
        plate, clean = self._pictures(view)
        height, width = view["plate"].height, view["plate"].width
        made = self.runner.run("step", {"plate": plate, "clean": clean})
        alpha = plane(made["alpha"][..., :height, :width])
        return None, self.alpha_layer(alpha, alone(alpha))

    def options(self) -> Mapping[str, object]:
        usual = (0.125, 320_000) if self._large else (0.25, 80_000)
        detail = self.params.detail or usual[0]
        if self.params.mode == "full":
            return {"detail": detail, "mode": "full"}
        if self.params.mode == "thresholding":
            return {"detail": detail, "mode": "thresholding", "threshold": self.params.threshold}
        return {"detail": detail, "mode": "sampling", "sample_pixels": self.params.sample_pixels or usual[1]}

    def _pictures(self, view: View) -> tuple[Any, Any]:
        plate, clean = view["plate"], view["clean"]
        self._use(large=plate.height * plate.width > _FULL_HD)
        return enlarged(self.picture(plate), 4), enlarged(self.picture(clean), 4)

    def _use(self, *, large: bool) -> None:
        self._large = large
        if large not in self._opened:
            super().open(self._device)
            self._opened[large] = self.runner
        self.runner = self._opened[large]
