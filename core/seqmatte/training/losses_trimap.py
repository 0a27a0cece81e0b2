"""Losses of the trimap networks: DIM's and GCA's on the unknown region, and TCVOM's whole set for its four bases.

Shapes: alpha and unknown [N, 1, H, W], colours [N, 3, H, W], 0..1; unknown is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .losses import steepness

# TCVOM's tiny number: what counts as unknown, what a root is kept off zero by.
_TINY = 1.001e-5


@dataclass(frozen=True)
class Truth:
    """One frame of a training clip: its layers, the picture they make, and where the trimap is unknown."""

    alpha: Tensor
    foreground: Tensor
    background: Tensor
    unknown: Tensor

    @property
    def image(self) -> Tensor:
        """The composite that the network was shown."""
        return self.foreground * self.alpha + self.background * (1 - self.alpha)


@dataclass(frozen=True)
class Matte:
    """A prediction with the truth outside of the unknown region."""

    alpha: Tensor
    foreground: Tensor
    background: Tensor


def dim_alpha(alpha: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """sum sqrt(d^2 + 1e-12) / (n + 1) over n unknown pixels (Deep Image Matting, equation 1)."""
    distance = torch.sqrt((alpha - truth).square() + 1e-12)
    return (distance * unknown).sum() / (unknown.sum() + 1)


def dim_composition(alpha: Tensor, truth: Truth) -> Tensor:
    """The same of the composites, per channel, with the root taken at 0..255 (equation 2)."""
    made = alpha * truth.foreground + (1 - alpha) * truth.background
    distance = torch.sqrt((255 * (made - truth.image)).square() + 1e-12) / 255
    return (distance * truth.unknown).sum() / (truth.unknown.sum() + 1) / 3


def gca_alpha(alpha: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """sum |d| over unknown pixels / (their number + 1e-8) (Li and Lu, section 3.4)."""
    return ((alpha - truth).abs() * unknown).sum() / (unknown.sum() + 1e-8)


def masked_l1(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """sum |x - y| over the mask / pixels of the mask, which colours do not multiply by three (TCVOM)."""
    count = (mask > _TINY).sum().clamp_min(_TINY)
    return ((x - y).abs() * mask).sum() / count


def pasted(pred: Tensor, truth: Truth) -> Matte:
    """What was predicted in the unknown region, the truth elsewhere. pred: [N, 1 or 7, H, W]."""
    inside = truth.unknown > 0
    alpha = torch.where(inside, pred[:, :1], truth.alpha)
    if pred.shape[1] == 1:
        return Matte(alpha, truth.foreground, truth.background)
    foreground = torch.where(inside, pred[:, 1:4], truth.foreground)
    return Matte(alpha, foreground, torch.where(inside, pred[:, 4:7], truth.background))


def frame_terms(base: str, pred: Tensor, truth: Truth) -> tuple[Tensor, Tensor, Tensor]:
    """TCVOM's three losses of one frame; their sum is its image loss. base: "gca", "dim", "index", "fba"."""
    matte = pasted(pred, truth)
    if base == "fba":
        return fba_terms(matte, truth)
    alpha = masked_l1(matte.alpha, truth.alpha, truth.unknown)
    if base == "gca":
        return alpha, torch.zeros_like(alpha), torch.zeros_like(alpha)
    made = truth.foreground * matte.alpha + truth.background * (1 - matte.alpha)
    return (
        alpha,
        masked_l1(made, truth.image, truth.unknown),
        masked_l1(steepness(matte.alpha), steepness(truth.alpha), truth.unknown),
    )


def fba_terms(matte: Matte, truth: Truth) -> tuple[Tensor, Tensor, Tensor]:
    """Distances and compositions; Laplacians; gradients (Forte and Pitie, table 2, as TCVOM trains it)."""
    layers = matte.foreground * truth.alpha + matte.background * (1 - truth.alpha)
    blend = truth.foreground * matte.alpha + truth.background * (1 - matte.alpha)
    pairs = ((matte.foreground, truth.foreground), (matte.background, truth.background))
    distance = _mean(matte.alpha, truth.alpha) + _mean(layers, truth.image)
    distance = distance + 0.25 * (_mean(blend, truth.image) + sum(_mean(*pair) for pair in pairs))
    scales = laplacian_sum(matte.alpha, truth.alpha) + 0.25 * sum(laplacian_sum(*pair) for pair in pairs)
    slopes = _mean(steepness(matte.alpha), steepness(truth.alpha))
    return distance, scales, slopes + 0.25 * exclusion(matte.foreground, matte.background)


def _mean(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().mean()


def _smoothed(x: Tensor, gain: float) -> Tensor:
    line = x.new_tensor((1.0, 4.0, 6.0, 4.0, 1.0)) / 16
    kernel = (gain * line[:, None] * line[None]).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), "reflect"), kernel, groups=x.shape[1])


def laplacian_sum(x: Tensor, y: Tensor, levels: int = 5) -> Tensor:
    """sum over levels of 2^level sum |lap(x) - lap(y)| / pixels of the finest level; [N, C, H, W].

    Heights and widths are multiples of 2^levels and leave 3 pixels or more at the coarsest one.
    """
    # The pyramid is linear, so that of the difference is the difference of the pyramids.
    rest, total = x - y, x.new_zeros(())
    for level in range(levels):
        small = _smoothed(rest, 1.0)[..., ::2, ::2]
        spread = torch.zeros_like(rest)
        spread[..., ::2, ::2] = small
        total = total + 2**level * (rest - _smoothed(spread, 4.0)).abs().sum()
        rest = small
    return total / x.numel()


def exclusion(foreground: Tensor, background: Tensor, scales: int = 3) -> Tensor:
    """Edges must not be in both layers at one place (Zhang et al., CVPR 2018, equation 4)."""
    total = foreground.new_zeros(())
    for scale in range(scales):
        if scale:
            foreground, background = F.avg_pool2d(foreground, 2), F.avg_pool2d(background, 2)
        for axis in (-1, -2):
            f, b = _slope(foreground, axis), _slope(background, axis)
            ratio = 2 * f.abs().mean() / (b.abs().mean() + _TINY)
            shared = (_squash(f).square() * _squash(ratio * b).square()).mean((1, 2, 3))
            total = total + (shared + _TINY).pow(0.25).mean()
    return total / scales


def _slope(x: Tensor, axis: int) -> Tensor:
    """Forward differences along an axis, 0 past its end."""
    return F.pad(x.diff(dim=axis), (0, 1) if axis == -1 else (0, 0, 0, 1))


def _squash(x: Tensor) -> Tensor:
    return 2 * torch.sigmoid(x) - 1


def coherence(mattes: Sequence[Matte], truths: Sequence[Truth], colours: bool = False) -> Tensor:
    """The change from each frame to the next against the true change, where the first is unknown (TCVOM, L_tc).

    mattes and truths: consecutive frames, two or more; fewer give 0. colours: F and B too, a quarter each.
    """
    terms = []
    for t in range(len(mattes) - 1):
        unknown = truths[t].unknown
        alphas = mattes[t].alpha.clamp(0, 1) - mattes[t + 1].alpha.clamp(0, 1)
        term = masked_l1(alphas, truths[t].alpha - truths[t + 1].alpha, unknown)
        for layer in ("foreground", "background") if colours else ():
            made = getattr(mattes[t], layer) - getattr(mattes[t + 1], layer)
            true = getattr(truths[t], layer) - getattr(truths[t + 1], layer)
            term = term + 0.25 * masked_l1(made, true, unknown)
        terms.append(term)
    return torch.stack(terms).mean() if terms else truths[0].alpha.new_zeros(())


def attention(logits: Sequence[Tensor], region: Tensor, truth: Tensor, neighbours: Sequence[Tensor]) -> Tensor:
    """Where a pixel should look: at places of like alpha in the neighbouring frame (TCVOM, L_af).

    logits: towards each neighbour, [N, window^2, hw]; region: [N, 1, h, w] at 1/8; truth and neighbours: their
    true alphas at full size. The target is 0.8 where mean alphas of 8x8 pixels differ by less than 0.3.
    """
    inside = region.flatten(1) > 0
    if not inside.any():
        return truth.new_zeros(())
    window = round(logits[0].shape[1] ** 0.5)
    here = F.avg_pool2d(truth, 8).flatten(2)
    terms = []
    for towards, neighbour in zip(logits, neighbours, strict=True):
        there = F.unfold(F.avg_pool2d(neighbour, 8), window, padding=window // 2)
        alike = 0.8 * ((here - there).abs() < 0.3).to(towards.dtype)
        looks, wanted = (x.transpose(1, 2)[inside] for x in (towards, alike))
        terms.append(F.binary_cross_entropy_with_logits(looks, wanted))
    return torch.stack(terms).mean()
