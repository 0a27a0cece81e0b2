"""Dense fur: strands along the way that it lies, fewer and fewer from the skin outwards."""

import torch

from seqmatte.training.pelts import combed, pelted
from seqmatte.training.subjects import Body
from seqmatte.training.textures import Dice

RIGHT = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)


def half_planes(count, size=96):
    """Bodies that fill the left of the picture up to its middle, on two frames."""
    line = (torch.arange(size) + 0.5) * (2 / size) - 1
    distance = line.expand(count, 2, size, size)
    alpha = (distance < 0).float().unsqueeze(2)
    return Body(distance, alpha, torch.full((count, 2, 3, size, size), 0.3))


def still(count):
    return torch.zeros(count, 2)


def test_combed_noise_is_alike_along_the_lie_and_not_across():
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    strands = combed(noise, RIGHT.expand(1, 2, 64, 64), torch.tensor([16.0]))[0, 0]
    along, across = (strands[:, 4:] * strands[:, :-4]).mean(), (strands[4:] * strands[:-4]).mean()
    assert along > 0.6
    assert abs(across) < 0.2
    assert abs(strands.mean()) < 1e-4
    assert abs(strands.std() - 1) < 1e-3


def test_fur_covers_all_at_the_skin_less_on_the_way_and_nothing_beyond_the_tips():
    bodies = half_planes(40)
    furry = pelted(Dice(4, torch.device("cpu")), bodies, still(40))
    grown = (furry.alpha != bodies.alpha).flatten(1).any(1)
    alpha = furry.alpha[grown][:, 0, 0].mean((0, 1))
    assert grown.any()
    assert not grown.all()
    assert (alpha[48:] < 0.01).all()
    assert (furry.alpha[grown][..., :10] > 0.99).all()
    assert alpha[20] > alpha[36] > alpha[44] > 0
    soft = (furry.alpha[grown] > 0.02) & (furry.alpha[grown] < 0.98)
    assert soft.float().mean() > 0.03


def test_bodies_without_fur_stay_as_they_are_and_all_colours_are_light():
    bodies = half_planes(40)
    furry = pelted(Dice(4, torch.device("cpu")), bodies, still(40))
    bare = (furry.alpha == bodies.alpha).flatten(1).all(1)
    assert torch.equal(furry.colour[bare], bodies.colour[bare])
    assert furry.colour.min() > 0
    assert furry.colour.max() <= 2.5


def test_other_strands_stand_at_the_rim_when_a_pelt_has_turned_and_as_many():
    bodies = half_planes(40)
    turning = still(40)
    turning[:, 1] = torch.pi / 12  # where the other strands have taken over
    furry = pelted(Dice(4, torch.device("cpu")), bodies, turning)
    before, after = furry.alpha[(furry.alpha != bodies.alpha).flatten(1).any(1)].unbind(1)
    soft = (before > 0.05) & (before < 0.95)
    assert (before - after).abs()[soft].mean() > 0.1
    assert abs(before.mean() - after.mean()) < 0.02


def test_dice_of_the_same_seed_set_apart_take_nothing_from_the_others():
    dice, same = Dice(7, torch.device("cpu")), Dice(7, torch.device("cpu"))
    apart = dice.apart(3).uniform(0, 1, 5)
    assert torch.equal(dice.uniform(0, 1, 5), same.uniform(0, 1, 5))
    assert not torch.equal(apart, Dice(7, torch.device("cpu")).apart(8).uniform(0, 1, 5))
