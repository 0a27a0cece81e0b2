"""Every network that can be built can be taught: its lesson gives finite losses on scenes."""

import pytest
import torch

from seqmatte import networks
from seqmatte.training import train, zoo
from seqmatte.training.scenes import shoot
from seqmatte.training.stages import COURSES
from seqmatte.training.walks import shipped_memory, walked

FRAMES = {"tcvom": 3, "hstsg": 3}
QUICK = sorted(set(COURSES) - {"dvm"})  # whose deformable convolutions take a minute at the least width


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_network_has_a_course_and_every_course_a_network():
    assert sorted(COURSES) == sorted(networks.names())


@pytest.mark.parametrize("name", QUICK)
def test_a_lesson_gives_finite_losses_that_the_course_weighs(name):
    course = COURSES[name]
    shape = (9, 1, FRAMES.get(name, 2), 64)
    clips = shoot(*shape) if course.pool is None else walked(shipped_memory(), *shape)
    network = course.build().eval()
    with torch.no_grad():
        parts = course.lesson(network, clips, 1)
    assert set(course.weights) <= set(parts)
    assert all(torch.isfinite(part) and part >= 0 for part in parts.values())
    assert sum(part.item() for part in parts.values()) > 0


def test_dvms_lesson_shows_four_frames_and_weighs_the_last_two_on_the_unknown_region():
    shown = []

    def network(x):
        shown.append(x.shape)
        return torch.zeros(2, 1, 64, 64), torch.zeros(2, 1, 64, 64)

    clips = shoot(9, 2, 4, 64)
    loss = zoo.aggregated_video(network, clips, step=0)["alpha"]
    assert shown == [(4, 4, 64, 64)] * 2
    expected = []
    for truth in clips.alpha:
        _, unknown = zoo.trimaps(truth, 0)
        expected.append((truth[2:] * unknown[2:]).sum() / unknown[2:].sum())
    assert loss.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-4)


@pytest.mark.parametrize("name", sorted(COURSES))
def test_a_course_says_what_its_scenes_stand_for(name):
    assert all(stage.data and stage.steps > 0 and stage.rate > 0 for stage in COURSES[name].stages)


def test_stages_follow_each_other_and_the_last_one_goes_on():
    course = COURSES["hstsg"]
    first, second = course.stages
    assert course.stage_at(0) is first
    assert course.stage_at(first.steps) is second
    assert course.stage_at(10 * course.steps) is second
    assert course.shortened(first.steps + 5).steps == first.steps + 5
    assert course.shortened(5).stages[0].steps == course.shortened(5).steps == 5
    assert course.shortened(10 * course.steps).steps == 10 * course.steps


def test_a_stage_with_frozen_norms_leaves_their_statistics_alone():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    train._teaching(network, COURSES["hstsg-compact"].stages[1])
    network(torch.randn(2, 1, 8, 8))
    assert network.training
    assert network[1].running_mean.abs().sum() == 0
    train._teaching(network, COURSES["hstsg-compact"].stages[0])
    network(torch.randn(2, 1, 8, 8))
    assert network[1].running_mean.abs().sum() > 0
