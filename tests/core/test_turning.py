"""Bodies that turn in depth: their surface comes round one side as it goes on the other."""

import torch

from seqmatte.training.textures import Dice
from seqmatte.training.turning import Turns, renewed, turned, turns

CPU = torch.device("cpu")


def striped(size=64):
    """A surface that is brighter to the right, 0 at the left rim and 1 at the right."""
    return ((torch.arange(size) + 0.5) / size).expand(1, 3, size, size)


def test_the_surface_at_the_middle_moves_across_the_axis_by_the_angle_times_the_radius():
    upright = Turns(torch.tensor([[0.0, 0.3]]), torch.tensor([torch.pi / 2]))
    middle = turned(striped(), upright)[0, :, 0, 32, 31:33].mean(1)
    assert abs(middle[0] - 0.5) < 0.02
    assert abs((middle[1] - middle[0]).abs() - 0.3 * 0.8 / 2) < 0.02


def test_a_surface_turned_about_the_way_it_varies_in_stays_the_same_there():
    lying = Turns(torch.tensor([[0.0, 0.3]]), torch.tensor([0.0]))
    first, later = turned(striped(), lying)[0, :, 0]
    assert torch.allclose(first, later, atol=1e-4)


def test_bodies_that_do_not_turn_keep_their_surface_to_the_bit():
    surface = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    shown = turned(surface, Turns(torch.tensor([[0.0, 0.0], [0.0, 0.2]]), torch.zeros(2)))
    assert torch.equal(shown[0, 0], surface[0])
    assert torch.equal(shown[0, 1], surface[0])
    assert not torch.equal(shown[1, 1], surface[1])


def test_some_bodies_turn_and_most_do_not_and_none_on_the_first_frame():
    angle = turns(Dice(3, CPU), 400, 5).angle
    turning = angle.abs().sum(1) > 0
    assert 0.2 < turning.float().mean() < 0.4
    assert (angle[:, 0] == 0).all()
    assert angle.diff(dim=1).abs().max() <= 0.251


def test_renewed_noise_is_as_strong_at_all_times():
    noise, other = torch.randn(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    angle = torch.linspace(0, 0.4, 9).view(1, -1)
    strength = renewed(noise, other, angle).std((2, 3, 4))
    assert ((strength - 1).abs() < 0.05).all()
