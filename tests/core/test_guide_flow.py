import dataclasses

import cv2
import numpy as np
import pytest

from seqmatte import guide
from seqmatte.cache import Cache
from seqmatte.engine import Engine
from seqmatte.events import Warning
from seqmatte.layer import Layer
from seqmatte.methods.guide_flow import GuideFlow
from shots import write_picture, write_tiny_shot
from shots_hard import moving_disc


def walked(method, views, guides, order):
    state = method.start([views[frame] for frame in guides])
    made = {}
    for frame in order:
        state, made[frame] = method.step(state, views[frame])
    return made


def fresh(**params):
    return GuideFlow(GuideFlow.Params(**params))


def error(layer, alpha, channel="alpha"):
    return float(np.abs(layer[channel] - alpha).mean()) * 1000


@pytest.fixture(scope="module")
def shot():
    return moving_disc()


@pytest.fixture(scope="module")
def made(shot):
    return walked(fresh(), shot.views({0: shot.mask(0)}, "mask"), [0], range(8))


def test_sure_pixels_are_right_on_every_frame(shot, made):
    for frame, layer in made.items():
        sure = layer["trimap"] != 0.5
        wrong = np.abs(layer["trimap"] - shot.alphas[frame])[sure] > 0.1
        assert wrong.mean() < 0.002, frame


def test_the_band_stays_narrow(shot, made):
    last = made[7]["trimap"] == 0.5
    assert 0.005 < last.mean() < 0.08


def test_the_guess_is_near_the_truth_in_the_end(shot, made):
    assert error(made[7], shot.alphas[7]) < 6


def test_an_edge_is_unknown_not_claimed(shot, made):
    edge = (shot.alphas[5] > 0.2) & (shot.alphas[5] < 0.8)
    assert (made[5]["trimap"][edge] == 0.5).mean() > 0.97


def test_a_walk_may_run_backwards(shot):
    views = shot.views({7: shot.mask(7)}, "mask")
    back = walked(fresh(), views, [7], range(7, -1, -1))
    assert error(back[0], shot.alphas[0]) < 6


def test_a_subject_is_found_again_behind_a_post():
    shot = moving_disc(frames=12, start=50, speed=11, post=(100, 40))
    layers = walked(fresh(), shot.views({0: shot.mask(0)}, "mask"), [0], range(12))
    assert shot.alphas[11].mean() > 0.05
    assert error(layers[11], shot.alphas[11]) < 10
    assert (layers[11]["trimap"][:, 100:140] == 1).mean() < 0.01


def test_a_subject_is_found_again_after_leaving_the_frame():
    shot = moving_disc(frames=14, start=190, speed=18)
    shot = dataclasses.replace(
        shot, plates=shot.plates[:7] + shot.plates[6::-1], alphas=shot.alphas[:7] + shot.alphas[6::-1]
    )
    assert shot.alphas[6].mean() < 1e-3
    layers = walked(fresh(), shot.views({0: shot.mask(0)}, "mask"), [0], range(14))
    assert layers[6]["alpha"].mean() < 2e-3
    assert error(layers[13], shot.alphas[13]) < 12


@pytest.mark.parametrize("light", [0.0, 20.0])
def test_a_dip_to_black_or_white_holds_the_matte_and_the_walk_goes_on_from_what_was_seen(light):
    shot = moving_disc(frames=9, speed=3)
    dip = [np.full_like(plate, light) if at in (3, 4) else plate for at, plate in enumerate(shot.plates)]
    shot = dataclasses.replace(shot, plates=dip)
    layers = walked(fresh(), shot.views({0: shot.mask(0)}, "mask"), [0], range(9))
    assert all(np.array_equal(layers[at].pixels, layers[2].pixels) for at in (3, 4))
    assert [bool(layer.facts.get("unseen")) for layer in layers.values()] == [at in (3, 4) for at in range(9)]
    assert error(layers[5], shot.alphas[5]) < 8
    assert error(layers[8], shot.alphas[8]) < 8


def test_a_plain_set_that_the_subject_has_left_is_no_dip():
    shot = moving_disc(frames=6, start=150, speed=34)
    solid = [alpha[..., None] for alpha in shot.alphas]
    plain = [one * plate + (1 - one) * np.float32(0.3) for one, plate in zip(solid, shot.plates, strict=True)]
    shot = dataclasses.replace(shot, plates=plain)
    assert shot.alphas[3].mean() > 0.02 and shot.alphas[4].max() == 0
    layers = walked(fresh(), shot.views({0: shot.mask(0)}, "mask"), [0], range(6))
    assert layers[5]["alpha"].max() < 0.05


def test_lamps_far_above_white_do_no_harm():
    shot = moving_disc(light=20.0)
    layers = walked(fresh(), shot.views({0: shot.mask(0)}, "mask"), [0], range(8))
    assert error(layers[7], shot.alphas[7]) < 8


def test_a_trimap_guide_is_believed_as_it_stands(shot):
    band = cv2.dilate(((shot.alphas[0] > 0) & (shot.alphas[0] < 1)).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    given = np.where(band, 0.5, shot.alphas[0] > 0.5).astype(np.float32)
    layers = walked(fresh(), shot.views({0: given}, "trimap"), [0], [0])
    assert np.array_equal(layers[0]["trimap"], given)


def test_a_state_thawed_goes_on_bit_for_bit(shot):
    method, views = fresh(), shot.views({0: shot.mask(0)}, "mask")
    state = method.start([views[0]])
    for frame in range(3):
        state, _ = method.step(state, views[frame])
    frozen = {name: array.copy() for name, array in method.freeze(state).items()}
    _, straight = method.step(state, views[3])
    _, thawed = method.step(method.thaw(frozen), views[3])
    assert straight.pixels.tobytes() == thawed.pixels.tobytes()


def test_the_number_of_threads_changes_nothing(shot):
    views, before = shot.views({0: shot.mask(0)}, "mask"), cv2.getNumThreads()
    made = []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            made.append(walked(fresh(), views, [0], range(3))[2].pixels.tobytes())
    finally:
        cv2.setNumThreads(before)
    assert made[0] == made[1]


def test_confidence_is_full_where_nothing_is_unknown_and_low_in_the_band(made):
    layer = made[4]
    band = layer["trimap"] == 0.5
    assert (layer["confidence"][~band] == 1).all()
    assert layer["confidence"][band].mean() < 0.5
    assert layer.facts["confidence"] == pytest.approx(float(layer["confidence"].mean()), abs=1e-4)


def test_an_alpha_guide_keeps_its_soft_values(shot):
    layers = walked(fresh(), shot.views({0: shot.alphas[0]}, "alpha"), [0], [0])
    assert np.array_equal(layers[0]["alpha"][layers[0]["trimap"] == 0.5], shot.alphas[0][layers[0]["trimap"] == 0.5])
    assert (layers[0]["confidence"] > 0.99).all()


def test_a_second_guide_teaches_colours_that_the_first_did_not_show(shot):
    views = shot.views({0: shot.mask(0), 7: shot.mask(7)}, "mask")
    both = walked(fresh(), views, [0, 7], range(4))
    assert error(both[3], shot.alphas[3]) < 6


def test_a_mask_far_larger_than_the_working_size_is_placed_at_full_size():
    shot = moving_disc(frames=2)
    large = dataclasses.replace(
        shot,
        plates=[cv2.resize(plate, (1280, 720)) for plate in shot.plates],
        alphas=[cv2.resize(alpha, (1280, 720)) for alpha in shot.alphas],
    )
    layer = walked(fresh(), large.views({0: large.mask(0)}, "mask"), [0], [0, 1])[1]
    assert layer.pixels.shape == (720, 1280, 3)
    sure = layer["trimap"] != 0.5
    assert (np.abs(layer["trimap"] - large.alphas[1])[sure] > 0.1).mean() < 0.002


@pytest.mark.parametrize("channels", [("alpha", "confidence"), ("trimap", "alpha", "confidence")])
def test_where_two_walks_that_meet_contradict_each_other_nothing_is_sure(channels):
    values = {"trimap": (1, 0), "alpha": (1, 0), "confidence": (1, 1)}
    one, other = (
        Layer(np.stack([np.full((2, 2), values[name][walk], np.float32) for name in channels], 2), channels)
        for walk in (0, 1)
    )
    agreed = guide.mixed(one, one, 0.5)
    assert agreed.channels == channels
    assert np.array_equal(agreed.pixels, one.pixels)
    apart = guide.mixed(one, other, 0.5)
    assert apart["alpha"].max() == 0.5
    assert apart["confidence"].max() == 0
    assert "trimap" not in channels or (apart["trimap"] == 0.5).all()


def test_a_guide_on_a_frame_of_a_dip_to_black_is_warned_of_each_time(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", count=3)
    write_picture(tiny.plate.path(3), np.zeros((48, 64, 3)), ("R", "G", "B"), tiny.header)
    shot = tiny.shot(1, 3, recipe="flow-closed-form")
    for _ in range(2):
        told = []
        list(Engine(shot, Cache(tmp_path / "cache"), listener=told.append).render())
        warned = [event for event in told if isinstance(event, Warning)]
        assert [event.frame for event in warned] == [3]
        assert "draw it on the nearest frame that shows the subject" in warned[0].message
