"""Our own networks' lessons: hstsg-compact over clips, the refiner on what other methods found."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor, nn

from seqmatte.networks import hstsg_compact
from seqmatte.training import losses
from seqmatte.training.course import Parts
from seqmatte.training.scenes import Clips
from seqmatte.training.unroll import over_clips
from seqmatte.training.walks import Opinions, Walked

# Mean error of alpha at which a shot counts half as much as one without any.
_FORGIVEN = 0.015


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
    """The refiner: what flow, closed form and the memory network found on each frame, made good.

    A shot counts the more the better closed form did: what is to be learnt is not to spoil it.
    """
    assert isinstance(clips, Walked)
    alpha = run_refiner(network, clips)
    before = (clips.opinions.alpha - clips.alpha).abs().mean((1, 2, 3, 4))
    weight = 1 / (before + _FORGIVEN)
    each = [_of_one_shot(alpha[i : i + 1], clips.each(lambda x, i=i: x[i : i + 1])) for i in range(len(alpha))]  # type: ignore[misc]
    shares = weight / weight.sum()
    return {name: (torch.stack([parts[name] for parts in each]) * shares).sum() for name in each[0]}


def _of_one_shot(alpha: Tensor, clips: Clips) -> Parts:
    return _alpha_parts(alpha, clips) | {"temporal": losses.temporal(alpha, clips.alpha)}


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
    """Alphas [B, T, 1, H, W] from what was found on these shots."""
    assert isinstance(clips, Walked)
    opinions = (getattr(clips.opinions, f.name).flatten(0, 1) for f in fields(Opinions))
    alpha: Tensor = network(clips.plate.flatten(0, 1), *opinions)
    return alpha.view_as(clips.alpha)
