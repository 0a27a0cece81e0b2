"""Shots made from a seed: exact, repeatable, drawn as they claim."""

from dataclasses import fields

import pytest
import torch

from seqmatte.networks.hstsg_compact import guide_planes
from seqmatte.training import guides_drawn
from seqmatte.training.batches import turned
from seqmatte.training.scenes import SLOW, Clips, Poses, photograph, shoot, splat
from seqmatte.training.subjects import Curves
from seqmatte.training.textures import PAINTERS, Dice, palette


@pytest.fixture(scope="module")
def clips():
    return shoot(5, 6, 3, 96)


def test_the_same_seed_makes_the_same_shots(clips):
    again = shoot(5, 6, 3, 96)
    assert all(torch.equal(getattr(clips, f.name), getattr(again, f.name)) for f in fields(Clips))


def test_another_seed_makes_other_shots(clips):
    assert (shoot(6, 6, 3, 96).alpha - clips.alpha).abs().mean() > 0.01


def test_light_is_alpha_foreground_and_background_exactly(clips):
    composite = clips.alpha * clips.foreground + (1 - clips.alpha) * clips.background
    torch.testing.assert_close(clips.light, composite)


def test_every_picture_is_finite_and_every_alpha_is_an_opacity(clips):
    assert all(torch.isfinite(getattr(clips, f.name)).all() for f in fields(Clips))
    assert clips.alpha.min() >= 0
    assert clips.alpha.max() <= 1


def test_shots_hold_soft_edges_sure_inside_and_sure_outside():
    clips = shoot(5, 16, 3, 96)
    soft = ((clips.alpha > 0.05) & (clips.alpha < 0.95)).float().mean()
    assert 0.005 < soft < 0.5
    assert (clips.alpha > 0.99).float().mean() > 0.02
    assert (clips.alpha < 0.01).float().mean() > 0.2


def test_plates_are_about_0_to_1_even_where_light_is_far_above_white():
    many = shoot(11, 16, 2, 64)
    assert many.light.max() > 2
    assert many.plate.max() < 1.3
    assert many.plate.min() > -0.6


def test_a_guide_says_its_kind_and_lies_near_the_alpha(clips):
    kinds = clips.guide[:, 1:, 0, 0]
    assert torch.equal(kinds.sum(1), torch.ones(6))
    covered = (clips.guide[:, :1] > 0.25).float()
    assert ((covered - (clips.alpha[:, 0] > 0.5).float()).abs().mean((1, 2, 3)) < 0.35).all()


def test_a_drawn_mask_is_hard_and_a_drawn_trimap_has_the_soft_rim_in_its_band():
    dice, alpha = Dice(1, torch.device("cpu")), torch.zeros(3, 1, 64, 64)
    alpha[:, :, 12:52, 12:52] = 1
    alpha = guides_drawn.blurred(alpha, 2)
    assert set(guides_drawn.mask_of(dice, alpha).unique().tolist()) == {0.0, 1.0}
    trimap = guides_drawn.trimap_of(dice, alpha)
    assert (trimap[(alpha > 0.02) & (alpha < 0.98)] == 0.5).all()
    assert (trimap[:, :, 32, 32] == 1).all()


def test_growing_and_shrinking_a_square_by_the_same_gives_it_back():
    square = torch.zeros(1, 1, 32, 32)
    square[:, :, 10:20, 8:22] = 1
    assert torch.equal(guides_drawn.grown(guides_drawn.grown(square, 3), -3), square)


def test_an_unknown_kind_of_guide_is_an_error_that_lists_the_kinds():
    with pytest.raises(ValueError, match="mask, trimap, alpha"):
        guide_planes(torch.zeros(1, 1, 4, 4), "roto")


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda p: p.__name__)
def test_every_surface_is_light_between_black_and_little_above_white(painter):
    picture = painter(Dice(2, torch.device("cpu")), 3, 64)
    assert picture.shape == (3, 3, 64, 64)
    assert picture.min() >= 0
    assert picture.max() < 2
    assert picture.std() > 0


def test_palettes_are_scene_linear_and_never_quite_black():
    colours = palette(Dice(3, torch.device("cpu")), 50, 4)
    assert 0.003 <= colours.min()
    assert colours.max() <= 1


def straight_strand(width, motion):
    """A horizontal strand through the middle of a picture 32 across, moving downwards by `motion` a frame."""
    line = torch.linspace(-0.5, 0.5, 40)
    points = torch.stack((line, torch.zeros(40), torch.zeros(40)), 1).view(1, 1, 40, 3)
    clip, still = torch.zeros(1, dtype=torch.long), torch.zeros(1, 1, 40, 2)
    curves = Curves(
        clip, points, still, torch.full((1, 1, 40, 3), 0.5), torch.full((1, 1, 40), width), torch.zeros(1, 3)
    )
    moments = torch.tensor([[-0.25, 0.25]])
    poses = Poses(torch.zeros(1, 2), motion * moments, torch.zeros(1, 2), torch.ones(1, 2))
    return splat(curves, poses, moments, 2, 32)[0, 0]


def test_a_strand_keeps_its_colour_and_covers_only_its_line():
    drawn = straight_strand(width=5.0, motion=0.0)
    assert drawn[3, 14:18, 10:22].max() > 0.4
    assert drawn[3, :12].max() == 0
    inside = drawn[3] > 0.01
    torch.testing.assert_close(drawn[0][inside] / drawn[3][inside], torch.full_like(drawn[0][inside], 0.5))


def test_a_strand_of_few_points_is_a_line_and_no_dots_in_a_large_picture():
    line = torch.linspace(-0.35, 0.35, 18)
    points = torch.stack((line, torch.zeros(18), torch.zeros(18)), 1).view(1, 1, 18, 3)
    curves = Curves(
        torch.zeros(1, dtype=torch.long),
        points,
        torch.zeros(1, 1, 18, 2),
        torch.full((1, 1, 18, 3), 0.5),
        torch.ones(1, 1, 18),
        torch.zeros(1, 3),
    )
    still = Poses(*torch.zeros(3, 1, 1), torch.ones(1, 1))
    drawn = splat(curves, still, torch.zeros(1, 1), 1, 448)[0, 0, 3].sum(0)
    across = drawn[150:298]
    assert across.min() > 0.5 * across.mean() > 0


def test_a_moving_strand_is_spread_over_its_way_and_thinner_there():
    still, moved = straight_strand(5.0, 0.0), straight_strand(5.0, 0.5)
    assert moved[3].max() < still[3].max()
    assert (moved[3] > 0.01).sum() > (still[3] > 0.01).sum()


def test_a_hard_edge_in_motion_is_smeared_and_falls_into_no_row_of_ghosts():
    card = torch.zeros(1, 1, 1, 128, 128)
    card[..., 32:96] = 1
    across = torch.linspace(-0.15, 0.15, SLOW).view(1, SLOW)
    still = torch.zeros(1, SLOW)
    smeared = photograph(card, Poses(across, still, still, still + 1), SLOW)[0, 0, 0, 64]
    assert ((smeared > 0.01) & (smeared < 0.99)).sum() > 30
    assert smeared.diff().abs().max() < 0.2


def test_a_second_showing_keeps_truth_and_plate_together(clips):
    shown = turned(clips, number=4, showing=1)
    composite = shown.alpha * shown.foreground + (1 - shown.alpha) * shown.background
    torch.testing.assert_close(shown.light, composite)
    assert not torch.equal(shown.plate, clips.plate)
    near = (shown.guide[:, :1] > 0.25).float() - (shown.alpha[:, 0] > 0.5).float()
    assert (near.abs().mean((1, 2, 3)) < 0.35).all()
