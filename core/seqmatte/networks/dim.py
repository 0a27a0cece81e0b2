"""Deep Image Matting (Xu et al., CVPR 2017): one frame and its trimap, in the two forms with public weights.

The authors published no PyTorch weights. `vgg16` has the keys of the huochaitiantang release, `segnet` those of
the foamliu release. Both take [N, 4, H, W]: RGB display colour, ImageNet-normalised, and the trimap as 0,
128/255, 1. A third form, IndexNet's, is a base of TCVOM and lives in `dim_bn`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .unpool import Places, pooled, unpooled

# Convolutions of each VGG-16 stage, and its channels.
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class DIM(nn.Module):
    """VGG-16 down, five unpooling steps up, and a small network that refines the alpha (figure 3).

    kernel: of conv6_1; older files have 1. skip: each step up adds the features of its size, which cannot be
    read from a file. refine: whether the second stage is there. Heights and widths are multiples of 32.
    """

    multiple = 32

    def __init__(self, skip: bool = False, kernel: int = 3, refine: bool = True) -> None:
        super().__init__()
        self.skip, self.refine = skip, refine
        into = 4
        for stage, (count, width) in enumerate(STAGES, 1):
            for index in range(1, count + 1):
                self.add_module(f"conv{stage}_{index}", nn.Conv2d(into, width, 3, padding=1))
                into = width
        self.conv6_1 = nn.Conv2d(512, 512, kernel, padding=kernel // 2)
        self.deconv6_1 = nn.Conv2d(512, 512, 1)
        for stage, (into, out) in enumerate(((64, 64), (128, 64), (256, 128), (512, 256), (512, 512)), 1):
            self.add_module(f"deconv{stage}_1", nn.Conv2d(into, out, 5, padding=2))
        self.deconv1 = nn.Conv2d(64, 1, 5, padding=2)
        if refine:
            self.refine_conv1 = nn.Conv2d(4, 64, 3, padding=1)
            self.refine_conv2 = nn.Conv2d(64, 64, 3, padding=1)
            self.refine_conv3 = nn.Conv2d(64, 64, 3, padding=1)
            self.refine_pred = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, 4, H, W], see the top of the file -> alpha [N, 1, H, W], 0..1, known regions not yet set."""
        return self.stages(x)[1]

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The alpha before and after refinement; twice the same where there is no second stage."""
        features, places = self._down(x)
        y = F.relu(self.conv6_1(features[-1]))
        y = F.relu(self.deconv6_1(y))
        for stage in range(5, 0, -1):
            y = unpooled(y, places[stage - 1])
            if self.skip:
                y = y + features[stage - 1]
            y = F.relu(self.get_submodule(f"deconv{stage}_1")(y))
        raw: Tensor = self.deconv1(y)
        coarse = torch.sigmoid(raw)
        if not self.refine:
            return coarse, coarse
        y = torch.cat((x[:, :3], coarse), 1)
        for index in (1, 2, 3):
            y = F.relu(self.get_submodule(f"refine_conv{index}")(y))
        return coarse, torch.sigmoid(raw + self.refine_pred(y))

    def _down(self, x: Tensor) -> tuple[list[Tensor], list[Places]]:
        """Each stage's features before pooling, for skips, then the deepest; where each maximum was."""
        features, places = [], []
        for stage, (count, _) in enumerate(STAGES, 1):
            for index in range(1, count + 1):
                x = F.relu(self.get_submodule(f"conv{stage}_{index}")(x))
            # Without skips nobody asks for them, and at full size they are the largest things here.
            features.append(x if self.skip else x[..., :0, :0])
            x, where = pooled(x)
            places.append(where)
        return [*features, x], places


class Unit(nn.Module):
    """Convolution, batch norm and, on the way down, ReLU."""

    def __init__(self, into: int, out: int, kernel: int, rectify: bool) -> None:
        super().__init__()
        conv = nn.Conv2d(into, out, kernel, padding=kernel // 2)
        self.cbr_unit = nn.Sequential(conv, nn.BatchNorm2d(out), *([nn.ReLU()] if rectify else []))

    def forward(self, x: Tensor) -> Tensor:
        """[N, into, H, W] -> [N, out, H, W]."""
        y: Tensor = self.cbr_unit(x)
        return y


class Down(nn.Module):
    """The units of one stage and a pooling that remembers where its maxima were."""

    def __init__(self, into: int, out: int, count: int) -> None:
        super().__init__()
        for index in range(1, count + 1):
            self.add_module(f"conv{index}", Unit(into if index == 1 else out, out, 3, True))

    def forward(self, x: Tensor) -> tuple[Tensor, Places]:
        """[N, into, H, W] -> [N, out, H/2, W/2] rounded down, and the places of the maxima."""
        for unit in self.children():
            x = unit(x)
        return pooled(x)


class Up(nn.Module):
    """Unpooling, then one unit that does not rectify."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = Unit(into, out, 5, False)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """[N, into, h, w] -> [N, out, H, W], the size that was pooled."""
        y: Tensor = self.conv(unpooled(x, places))
        return y


class SegNetDIM(nn.Module):
    """Batch-normalised, without sixth stage and refinement. Any height and width of 32 or more."""

    multiple = 1

    def __init__(self) -> None:
        super().__init__()
        into = 4
        for stage, (count, width) in enumerate(STAGES, 1):
            self.add_module(f"down{stage}", Down(into, width, count))
            into = width
        for stage, (wide, out) in enumerate(((64, 1), (128, 64), (256, 128), (512, 256), (512, 512)), 1):
            self.add_module(f"up{stage}", Up(wide, out))

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, 4, H, W], see the top of the file -> alpha [N, 1, H, W], 0..1, known regions not yet set."""
        places = []
        for stage in range(1, 6):
            x, where = self.get_submodule(f"down{stage}")(x)
            places.append(where)
        for stage in range(5, 0, -1):
            x = self.get_submodule(f"up{stage}")(x, places[stage - 1])
        return torch.sigmoid(x)


def build(form: str = "vgg16", skip: bool = False, kernel: int = 3, refine: bool = True) -> nn.Module:
    """form: "vgg16", the only one that the other facts are about (see DIM), or "segnet"."""
    return SegNetDIM() if form == "segnet" else DIM(skip, kernel, refine)
