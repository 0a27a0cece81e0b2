"""Our own networks' lessons: hstsg-compact over clips, the refiner on spoilt alphas."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmatte.networks import hstsg_compact
from seqmatte.training import losses
from seqmatte.training.course import Parts
from seqmatte.training.degrade import coarse_alpha
from seqmatte.training.scenes import Clips
from seqmatte.training.unroll import over_clips


def propagation_lesson(network: nn.Module, clips: Clips, step: int) -> Parts:
    """HSTSG-compact: every frame of the clip from the first one's guide, one clip batch in five from both ends."""
    assert isinstance(network, hstsg_compact.HstsgCompact)
    two_sided = step % 5 == 4
    mattes = over_clips(network, clips.plate, clips.guide, clips.last_guide if two_sided else None)
    alpha = torch.stack([matte.alpha for matte in mattes], 1)
    share = losses.hardest_share(step, 600, 3000, least=0.25)
    each = [
        {
            "memory": losses.memory(m.coarse_logits, m.moved, truth),
            "mask": losses.bootstrapped(m.mask_logits, truth, share),
            "doubt": losses.doubt(m.doubt_logits, m.alpha, truth),
        }
        for m, truth in zip(mattes, clips.alpha.unbind(1), strict=True)
    ]
    parts = {name: torch.stack([e[name] for e in each]).mean() for name in each[0]}
    return parts | _alpha_parts(alpha, clips) | {"temporal": losses.temporal(alpha, clips.alpha)}


def refiner_lesson(network: nn.Module, clips: Clips, step: int) -> Parts:
    """The refiner: true alpha spoilt as propagation, compact output and closed form spoil it, made good in the band."""
    plate, truth = clips.plate.flatten(0, 1), clips.alpha.flatten(0, 1)
    coarse, band = coarse_alpha(truth, plate, seed=step)
    alpha = network(plate, coarse, band)
    clip = alpha.view_as(clips.alpha)
    return _alpha_parts(clip, clips) | {"temporal": losses.temporal(clip, clips.alpha)}


def _alpha_parts(alpha: Tensor, clips: Clips) -> Parts:
    return {
        "alpha": losses.alpha_l1(alpha, clips.alpha),
        "laplacian": losses.laplacian(alpha, clips.alpha),
        "composition": losses.composition(alpha, clips.alpha, clips.foreground, clips.background),
        "gradient": losses.gradient(alpha, clips.alpha),
    }


def run_propagation(network: nn.Module, clips: Clips) -> Tensor:
    """Alphas [B, T, 1, H, W] from the first frame's guide alone."""
    assert isinstance(network, hstsg_compact.HstsgCompact)
    return torch.stack([m.alpha for m in over_clips(network, clips.plate, clips.guide)], 1)


def run_refiner(network: nn.Module, clips: Clips) -> Tensor:
    """Alphas [B, T, 1, H, W] from spoilt ones, the same for the same clips."""
    plate, truth = clips.plate.flatten(0, 1), clips.alpha.flatten(0, 1)
    coarse, band = coarse_alpha(truth, plate, seed=1)
    alpha: Tensor = network(plate, coarse, band)
    return alpha.view_as(clips.alpha)
