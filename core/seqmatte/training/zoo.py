"""How the networks of the literature are taught: each family's lesson, in its paper's terms, on scenes.

What the papers trained on (Composition-1k, VideoMatte240K, VideoMatting108, DVM, YouTube-VOS) we do not have: every
course says which sets its scenes stand for. Losses are the papers'; pictures are encoded, as our plates are.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatte.networks import tgm, trimap_coding
from seqmatte.networks.hmmn import State as MatchState
from seqmatte.networks.imagenet import normalised
from seqmatte.networks.stcn import Bank
from seqmatte.training import losses, losses_trimap
from seqmatte.training.course import Lesson, Parts
from seqmatte.training.guides_drawn import grown
from seqmatte.training.scenes import Clips

Taught = Any  # a network of the family that the lesson is for


def recurrent(network: Taught, clips: Clips, step: int) -> Parts:
    """RVM and AMM: alpha L1, Laplacian and coherence, foreground L1 and coherence where alpha > 0 (RVM, section 4)."""
    alphas, colours, state = [], [], None
    for plate in clips.plate.unbind(1):
        foreground, alpha, state = network(plate, state)
        alphas.append(alpha)
        colours.append(foreground)
    return _matte_and_colour(torch.stack(alphas, 1), torch.stack(colours, 1), clips)


def context_motion(network: Taught, clips: Clips, step: int) -> Parts:
    """The context-motion network: as `recurrent`, without coherence (its section 9.4: a tenth of the colour's L1)."""
    alphas, colours, state = [], [], None
    for plate in clips.plate.unbind(1):
        alpha, foreground, state = network(plate, state)
        alphas.append(alpha)
        colours.append(foreground)
    parts = _matte_and_colour(torch.stack(alphas, 1), torch.stack(colours, 1), clips)
    return {name: parts[name] for name in ("alpha", "laplacian", "colour")}


def _matte_and_colour(alpha: Tensor, colour: Tensor, clips: Clips) -> Parts:
    seen = (clips.alpha > 0).float()
    found, true = colour.float() * seen, clips.encoded(clips.foreground) * seen
    return {
        "alpha": losses.alpha_l1(alpha, clips.alpha),
        "laplacian": losses.laplacian(alpha.float(), clips.alpha),
        "temporal": losses.temporal(alpha, clips.alpha),
        "colour": (found - true).abs().mean(),
        "colour_temporal": (found.diff(dim=1) - true.diff(dim=1)).square().mean(),
    }


def clean_plate_1(network: Taught, clips: Clips, step: int) -> Parts:
    """Background Matting, supervised stage: alpha and twice its gradient, colour where seen, the composite."""
    plate, clean, truth = _first_frames(clips)
    person = grown((truth > 0.5).float(), 3)
    alpha, colour = network(2 * plate - 1, 2 * clean - 1, person * 2 - 1)
    alpha, colour = (alpha.float() + 1) / 2, (colour.float() + 1) / 2
    true = clips.encoded(clips.foreground)[:, 0]
    return {
        "alpha": losses.alpha_l1(alpha, truth),
        "gradient": 2 * losses.gradient(alpha, truth),
        "colour": 2 * ((colour - true).abs() * (truth > 0)).mean(),
        "composition": (alpha * colour + (1 - alpha) * clean - plate).abs().mean(),
    }


def clean_plate_2(network: Taught, clips: Clips, step: int) -> Parts:
    """BackgroundMattingV2: alpha L1 and Sobel L1, colour L1 where seen, squared error of the expected error."""
    plate, clean, truth = _first_frames(clips)
    found = network(plate, clean)
    alpha, colour, small_alpha, expected = found[0].float(), found[1].float(), found[2].float(), found[4].float()
    error = (F.interpolate(small_alpha, size=truth.shape[-2:], mode="bilinear").detach() - truth).abs()
    true = clips.encoded(clips.foreground)[:, 0]
    return {
        "alpha": losses.alpha_l1(alpha, truth),
        "gradient": losses.gradient(alpha, truth),
        "colour": ((colour - true).abs() * (truth > 0)).mean(),
        "doubt": (F.interpolate(expected, size=truth.shape[-2:], mode="bilinear") - error).square().mean(),
    }


def _first_frames(clips: Clips) -> tuple[Tensor, Tensor, Tensor]:
    """Plate, clean plate and alpha of the first frames, [B, ., S, S]; the encoding's toe is cut off at 0."""
    return clips.plate[:, 0].clamp(0, 1), clips.encoded(clips.background[:, :1])[:, 0].clamp(0, 1), clips.alpha[:, 0]


def trimaps(alpha: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Trimap codes 0, 0.5, 1 and the unknown region, [N, 1, H, W] each: the soft rim, grown."""
    unknown = grown(((alpha > 0) & (alpha < 1)).float(), 1 + (step * 7) % 12)
    return torch.where(unknown > 0, 0.5, alpha.round()), unknown


def coded(base: str, trimap: Tensor) -> Tensor:
    """The trimap's code for a base, [N, C, H, W]; see trimap_coding."""
    codes = []
    for one in trimap[:, 0].cpu().numpy():
        bytes_ = trimap_coding.as_bytes(one)
        codes.append(torch.from_numpy(trimap_coding.coded(base, bytes_, trimap_coding.unknown(bytes_))))
    return torch.stack(codes).to(trimap)


def _ask(network: Taught, base: str, plate: Tensor, trimap: Tensor) -> Tensor:
    """A single-image network's answer, [N, 1 or 7, H, W]."""
    if base == "gca":
        answer: Tensor = network(normalised(plate), coded("gca", trimap))
    elif base == "fba":
        code = coded("fba", trimap)
        answer = network(plate, code[:, 6:], normalised(plate), code[:, :6])
    elif base == "context_aware":
        alpha, foreground = network(plate, coded("dim", trimap))
        answer = alpha if foreground is None else torch.cat((alpha, foreground), 1)
    else:
        answer = network(torch.cat((plate, coded("dim", trimap)), 1))
    return answer.float()


def trimap_image(base: str) -> Lesson:
    """DIM, GCA, FBA, context-aware matting: every frame of the clips on its own, with the base's own losses."""

    def lesson(network: nn.Module, clips: Clips, step: int) -> Parts:
        truth, trimap = _truth(clips, step)
        plate = clips.plate.flatten(0, 1).clamp(0, 1)
        answer = _ask(network, base, plate, trimap)
        if base == "context_aware":
            seen = (truth.alpha > 0).float()
            parts = {"alpha": losses.laplacian(answer[:, :1], truth.alpha)}
            colour = ((answer[:, 1:] - truth.foreground).abs() * seen).mean() if answer.shape[1] > 1 else None
            return parts if colour is None else parts | {"colour": colour}
        if base == "dim":
            alpha = losses_trimap.dim_alpha(answer, truth.alpha, truth.unknown)
            return {"alpha": alpha, "composition": losses_trimap.dim_composition(answer, truth)}
        terms = losses_trimap.frame_terms(base, answer, truth)
        return dict(zip(("alpha", "laplacian", "gradient"), terms, strict=True))

    return lesson


def _truth(clips: Clips, step: int) -> tuple[losses_trimap.Truth, Tensor]:
    """Every frame's truth, colours encoded, and its trimap."""
    alpha = clips.alpha.flatten(0, 1)
    trimap, unknown = trimaps(alpha, step)
    front, back = (clips.encoded(x).flatten(0, 1).clamp(0, 1) for x in (clips.foreground, clips.background))
    return losses_trimap.Truth(alpha, front, back, unknown), trimap


def trimap_video(base: str) -> Lesson:
    """TCVOM: its base's losses on the middle frames, coherence at a half, attention at a quarter (section 5.3)."""

    def lesson(network: nn.Module, clips: Clips, step: int) -> Parts:
        truth, trimap = _truth(clips, step)
        frames = clips.plate.shape[1]
        plate = normalised(clips.plate.flatten(0, 1).clamp(0, 1))
        seen = torch.cat((plate, coded(base, trimap)), 1)
        mattes, truths, terms, looks = [], [], [], []
        for t in range(1, frames - 1):
            now = _every(truth, t, frames)
            fused: Any = network(seen[t - 1 :: frames], seen[t::frames], seen[t + 1 :: frames], now.unknown)
            mattes.append(losses_trimap.pasted(fused.pred.float(), now))
            truths.append(now)
            terms.append(torch.stack(losses_trimap.frame_terms(base, fused.pred.float(), now)))
            sides = (truth.alpha[t - 1 :: frames], truth.alpha[t + 1 :: frames])
            looks.append(losses_trimap.attention((fused.previous, fused.following), fused.region, now.alpha, sides))
        parts = dict(zip(("alpha", "laplacian", "gradient"), torch.stack(terms).mean(0).unbind(), strict=True))
        coherence = losses_trimap.coherence(mattes, truths, base == "fba")
        return parts | {"coherence": coherence, "attention": torch.stack(looks).mean()}

    return lesson


def _every(truth: losses_trimap.Truth, start: int, step: int) -> losses_trimap.Truth:
    """Each `step`-th frame's from `start` on."""
    layers = (truth.alpha, truth.foreground, truth.background, truth.unknown)
    alpha, front, back, unknown = (x[start::step] for x in layers)
    return losses_trimap.Truth(alpha, front, back, unknown)


def aggregated_video(network: Taught, clips: Clips, step: int) -> Parts:
    """DVM: four frames in, the last two's mattes out, before and after refinement, L1 on the unknown region."""
    found = []
    for shot in range(len(clips.plate)):
        truth = clips.alpha[shot]
        trimap, unknown = trimaps(truth, step)
        seen = torch.cat((normalised(clips.plate[shot].clamp(0, 1)), coded("dim", trimap)), 1)
        for alpha in network(seen[:4]):
            wanted = slice(4 - len(alpha), 4)
            found.append(losses_trimap.gca_alpha(alpha.float(), truth[wanted], unknown[wanted]))
    return {"alpha": torch.stack(found).mean()}


def masks(network: Taught, clips: Clips, step: int) -> Parts:
    """STCN: each frame from the memory of the true first and the predicted ones, bootstrapped cross-entropy."""
    found = []
    for plate, alpha in _shots(clips):
        look = network.look(plate[0])
        blank = look.key.new_zeros(1, look.key.shape[1], 0), look.key.new_zeros(1, 512, 0)
        mask = (alpha[0] > 0.5).float()
        bank = Bank((0,), *blank).with_frame(look.key, network.values(plate[0], look, mask))
        for t in range(1, len(plate)):
            chance, look = network(plate[t], (bank,), top_k=1 << 20)
            found.append(_crossed(chance, alpha[t], step))
            bank = bank.with_frame(look.key, network.values(plate[t], look, chance))
    return {"mask": torch.stack(found).mean()}


def matched_masks(network: Taught, clips: Clips, step: int) -> Parts:
    """HMMN: as `masks`, its fine memories holding the first and the previous frame."""
    found = []
    for plate, alpha in _shots(clips, normal=False):
        first = network.memorise(plate[0], (alpha[0] > 0.5).float())
        state = MatchState(first, first, (first,), None)
        for t in range(1, len(plate)):
            logits, state = network(plate[t], state)
            chance = logits.float().softmax(0)[1:]
            found.append(_crossed(chance, alpha[t], step))
            state = MatchState(first, network.memorise(plate[t], chance), state.kept, state.chain)
    return {"mask": torch.stack(found).mean()}


def hierarchical(network: Taught, clips: Clips, step: int) -> Parts:
    """HSTSG: mask cross-entropy, alpha L1 and Laplacian, five times the frame differences (section 7.6)."""
    found = []
    for plate, alpha in _shots(clips):
        state = network.begin([network.guided(plate[0], (alpha[0] > 0.5).float())])
        alphas, masks_ = [], []
        for t in range(1, len(plate)):
            answer = network(plate[t], state)
            state = answer.state
            alphas.append(answer.alpha.float())
            masks_.append(_crossed(answer.mask, alpha[t], step))
        clip, truth = torch.stack(alphas, 1), alpha[1:].transpose(0, 1)
        found.append(
            torch.stack(
                (
                    torch.stack(masks_).mean(),
                    losses.alpha_l1(clip, truth),
                    losses.laplacian(clip, truth),
                    losses.temporal(clip, truth),
                )
            )
        )
    names = ("mask", "alpha", "laplacian", "temporal")
    return dict(zip(names, torch.stack(found).mean(0).unbind(), strict=True))


def shares(network: Taught, clips: Clips, step: int) -> Parts:
    """TCVOM's trimap propagation: cross-entropy over background, unknown, foreground (section 5.5)."""
    found = []
    for plate, alpha in _shots(clips):
        trimap, _ = trimaps(alpha[:, 0], step)
        classes = (trimap[:, 0] * 2).round().long()
        known = F.one_hot(classes[:1], 3).permute(0, 3, 1, 2).float()
        memory = network.remember(None, plate[0], known)
        for t in range(1, len(plate)):
            logits = network(plate[t], memory.keys, memory.values).float()
            found.append(F.cross_entropy(logits, classes[t : t + 1]))
            memory = network.remember(memory, plate[t], tgm.shares_of(logits), keep=False)
    return {"mask": torch.stack(found).mean()}


def _shots(clips: Clips, normal: bool = True) -> list[tuple[Tensor, Tensor]]:
    """Each shot's plates and alphas, [T, 1, ., S, S]: these networks take one clip at a time."""
    plate = clips.plate.clamp(0, 1)
    pictures = normalised(plate) if normal else plate
    return [(pictures[shot].unsqueeze(1), clips.alpha[shot].unsqueeze(1)) for shot in range(len(plate))]


def _crossed(chance: Tensor, alpha: Tensor, step: int) -> Tensor:
    share = losses.hardest_share(step, 20_000, 70_000)
    return losses.bootstrapped(chance.float().clamp(1e-6, 1 - 1e-6).logit(), alpha, share)
