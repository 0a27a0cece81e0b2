"""Losses of video matting, each as its paper writes it. Alphas are [B, T, 1, H, W] or [N, 1, H, W], 0..1, float32.

FBA's exclusion and the sets of the trimap networks (DIM, GCA, FBA, TCVOM) are in losses_trimap.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
_TINY = 1.001e-5


def alpha_l1(alpha: Tensor, truth: Tensor) -> Tensor:
    """mean |alpha - truth|."""
    return (alpha - truth).abs().mean()


def composition(alpha: Tensor, truth: Tensor, foreground: Tensor, background: Tensor, most: float = 1.0) -> Tensor:
    """mean |(alpha - truth)(F - B)|, the error of the composite over the true background, in scene-linear light.

    DIM's compositional loss (Xu et al., CVPR 2017, section 4.3) without the grain of the plate. |F - B| counts as at
    most `most`, so that one lamp far above white does not outweigh the picture.
    """
    return ((alpha - truth).abs() * (foreground - background).abs().clamp(max=most)).mean()


def _blur(x: Tensor, gain: float = 1.0) -> Tensor:
    line = (_BINOMIAL / 16).to(x)
    kernel = (line.view(-1, 1) * line.view(1, -1) * gain).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=x.shape[1])


def laplacian_levels(x: Tensor, levels: int = 5) -> list[Tensor]:
    """Differences between each scale of [N, C, H, W] and its neighbour, finest first (RVM's pyramid)."""
    differences = []
    for _ in range(levels):
        x = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
        down = _blur(x)[..., ::2, ::2]
        spread = F.pad(down[..., :, None, :, None], (0, 1, 0, 0, 0, 1)).reshape(x.shape)
        differences.append(x - _blur(spread, 4.0))
        x = down
    return differences


def laplacian(alpha: Tensor, truth: Tensor, levels: int = 5) -> Tensor:
    """(1 / levels) sum over l of 2^l mean |lap_l(alpha) - lap_l(truth)| (RVM, equation 2).

    Five levels need sides of at least 64 pixels.
    """
    size = alpha.shape[-2:]
    pairs = zip(
        laplacian_levels(alpha.reshape(-1, 1, *size), levels),
        laplacian_levels(truth.reshape(-1, 1, *size), levels),
        strict=True,
    )
    total = torch.zeros((), device=alpha.device)
    for level, (a, t) in enumerate(pairs):
        total = total + 2**level * (a - t).abs().mean()
    return total / levels


def steepness(x: Tensor) -> Tensor:
    """sqrt(dx^2 + dy^2 + tiny) by forward differences, 0 past the last row and column."""
    dx = F.pad(x.diff(dim=-1), (0, 1))
    dy = F.pad(x.diff(dim=-2), (0, 0, 0, 1))
    return (dx.square() + dy.square() + _TINY).sqrt()


def gradient(alpha: Tensor, truth: Tensor) -> Tensor:
    """mean | |grad alpha| - |grad truth| | (FBA, table 2; TCVOM's released form)."""
    return (steepness(alpha) - steepness(truth)).abs().mean()


def temporal(alpha: Tensor, truth: Tensor) -> Tensor:
    """mean squared difference of the frame differences of clips [B, T, 1, H, W] (RVM, equation 3)."""
    return (alpha.diff(dim=1) - truth.diff(dim=1)).square().mean()


def memory(coarse_logits: Tensor, moved: Tensor, truth: Tensor) -> Tensor:
    """Supervision of what comes out of the memory, before anything finer mends it.

    coarse_logits [N, 1, h, w]: alpha as seen at the memory's own scale, against the truth averaged to it (AMM's low
    head). moved [N, 1, H, W]: stored alphas as the finest read brought them, against the truth itself.
    """
    low = F.adaptive_avg_pool2d(truth, _size(coarse_logits))
    return (coarse_logits.float().sigmoid() - low).abs().mean() + (moved.float() - truth).abs().mean()


def bootstrapped(logits: Tensor, truth: Tensor, share: float) -> Tensor:
    """Cross-entropy of mask logits [N, 1, h, w] against alpha > 0.5, over the hardest share of the pixels (STCN)."""
    target = (F.adaptive_avg_pool2d(truth, _size(logits)) > 0.5).float()
    each = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none").flatten(1)
    if share >= 1:
        return each.mean()
    return each.topk(max(int(each.shape[1] * share), 1), dim=1).values.mean()


def hardest_share(step: int, start: int, end: int, least: float = 0.15) -> float:
    """1 until `start`, falling in a straight line to `least` at `end` (STCN: 20k to 70k steps, 0.15)."""
    if step <= start:
        return 1.0
    return max(least, 1.0 - (1.0 - least) * (step - start) / (end - start))


def doubt(logits: Tensor, alpha: Tensor, truth: Tensor) -> Tensor:
    """How far the network's expected error is from its error, averaged to the logits' scale; not passed to alpha."""
    error = F.adaptive_avg_pool2d((alpha.detach() - truth).abs(), _size(logits))
    return F.binary_cross_entropy_with_logits(logits.float(), error.clamp(0, 1))


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


def _slope(x: Tensor, axis: int) -> Tensor:
    return F.pad(x.diff(dim=axis), (0, 1) if axis == -1 else (0, 0, 0, 1))
