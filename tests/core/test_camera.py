"""The camera's way from frame to frame, and the set behind the subject that comes of it."""

import cv2
import numpy as np
import pytest

from seqmatte import camera, exr
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.encoding import Encoding
from seqmatte.keys import digest
from seqmatte.layer import Header, Layer
from seqmatte.method import View
from seqmatte.methods.camera import Camera, CameraParams, behind, part_behind, way_of
from seqmatte.methods.refine import Refine
from seqmatte.stitched import stitched

HEIGHT, WIDTH = 120, 180
WHOLE = slice(0, HEIGHT), slice(0, WIDTH)
CAMERA = ("R", "G", "B", "covered")
NOTHING = np.zeros((HEIGHT, WIDTH), np.float32)


def textured(seed, height=HEIGHT + 120, width=WIDTH + 120):
    rough = np.random.default_rng(seed).random((height, width, 3), np.float32)
    smooth = sum(cv2.GaussianBlur(rough, (0, 0), sigma) * sigma for sigma in (1.5, 4, 10))
    return np.clip(0.5 + (smooth - smooth.mean()) * 0.8, 0.05, 0.95).astype(np.float32)


def way_to(frame, turn=0.01, zoom=1.01):
    """From the first frame's pixels to those of a later one, of a camera that pans, turns and zooms a little."""
    cos, sin, scale = np.cos(turn * frame), np.sin(turn * frame), zoom**frame
    return np.array([[scale * cos, -scale * sin, 2.5 * frame], [scale * sin, scale * cos, -1.5 * frame], [0, 0, 1]])


def seen_from(world, frame, **move):
    """The set on a frame."""
    corner = np.array([[1, 0, 60], [0, 1, 60], [0, 0, 1.0]])
    way = corner @ np.linalg.inv(way_to(frame, **move))
    return np.asarray(cv2.warpPerspective(world, way, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP))


def disc(x, y=60, radius=22, soft=3):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.clip((radius - np.hypot(columns - x, rows - y)) / soft + 0.5, 0, 1).astype(np.float32)


def corners_off(found, true):
    ends = np.array([[0, 0], [WIDTH - 1, 0], [0, HEIGHT - 1], [WIDTH - 1, HEIGHT - 1]], np.float64)[None]
    return np.abs(cv2.perspectiveTransform(ends, found) - cv2.perspectiveTransform(ends, true)).max()


def test_a_camera_that_pans_turns_and_zooms_is_followed_past_a_subject_that_goes_the_other_way():
    world, other = textured(1), textured(2)
    plates, alphas = [], [disc(90), disc(80)]
    for frame, alpha in enumerate(alphas):
        subject = np.roll(other, 10 * frame, 1)[:HEIGHT, :WIDTH]
        plates.append(alpha[..., None] * subject + (1 - alpha[..., None]) * seen_from(world, frame))
    found = camera.way_between(*plates, *((alpha > 0).astype(np.float32) for alpha in alphas))
    assert corners_off(found, way_to(1)) < 0.25


def test_over_a_cut_there_is_no_way():
    here, there = (seen_from(textured(seed), 0) for seed in (3, 4))
    assert camera.way_between(here, there, NOTHING, NOTHING) is None


@pytest.mark.parametrize("light", [0.0, 0.3, 1.3])
def test_to_and_from_a_frame_on_which_nothing_can_be_seen_there_is_no_way(light):
    seen, nothing = seen_from(textured(3), 0), np.full((HEIGHT, WIDTH, 3), light, np.float32)
    for here, there in ((seen, nothing), (nothing, seen), (nothing, nothing)):
        assert camera.way_between(here, there, NOTHING, NOTHING) is None


def test_where_the_subject_hides_nearly_all_of_the_set_there_is_no_way():
    world = textured(5)
    covered = np.ones_like(NOTHING)
    covered[:3] = 0
    assert camera.way_between(seen_from(world, 0), seen_from(world, 1), covered, covered) is None


def test_a_picture_brought_by_whole_pixels_is_itself():
    picture = seen_from(textured(6), 0)
    way = np.array([[1, 0, 7], [0, 1, 3], [0, 0, 1.0]])
    assert np.allclose(camera.moved(picture, way, (50, 60)), picture[3:53, 7:67], atol=1e-6)


def test_what_no_other_frame_shows_is_the_plates_own_and_not_trusted():
    plate = seen_from(textured(7), 0)
    for shown, bare in (([], []), ([plate * 0], [NOTHING > 0])):
        made = stitched(plate, shown, bare)
        assert np.array_equal(made.colour, plate) and not made.trust.any()


def test_the_set_is_what_most_frames_show_and_one_that_shows_something_else_does_not_count():
    plate = seen_from(textured(8), 0)
    made = stitched(plate * 0, [plate, plate + 0.5, plate], [NOTHING == 0] * 3)
    assert np.allclose(made.colour, plate) and made.trust.min() > 0.99


def test_frames_that_all_show_something_else_are_not_trusted():
    levels = (0.1, 0.3, 0.5, 0.7)
    made = stitched(
        np.zeros((4, 4, 3), np.float32),
        [np.full((4, 4, 3), v, np.float32) for v in levels],
        [np.ones((4, 4), bool)] * 4,
    )
    assert made.trust.max() < 0.1


def test_one_frame_alone_is_trusted_by_a_third():
    plate = seen_from(textured(9), 0)
    assert stitched(plate * 0, [plate], [NOTHING == 0]).trust == pytest.approx(1 / 3)


def opinion(alpha):
    return np.stack((alpha, np.ones_like(alpha)), 2)


def walked(count=9, cut=None):
    """A disc crosses a set under a moving camera: views with the camera's layers, and the set itself on each frame."""
    worlds, subject = (textured(10), textured(11)), (0.85, 0.3, 0.2) + 0.2 * (textured(12)[:HEIGHT, :WIDTH] - 0.5)
    sets = [seen_from(worlds[cut is not None and frame >= cut], frame, zoom=1.002) for frame in range(count)]
    alphas = [disc(50 + 10 * frame) for frame in range(count)]
    noise = np.random.default_rng(0)
    made = {}
    header, facts = Header.of_size(WIDTH, HEIGHT), {"encoding": str(Encoding())}
    for frame, (behind_it, alpha) in enumerate(zip(sets, alphas, strict=True)):
        front, back = (Encoding().decode(picture) for picture in (subject, behind_it))
        light = alpha[..., None] * front + (1 - alpha[..., None]) * back
        plate = (Encoding().encode(light) + noise.normal(0, 0.005, light.shape)).astype(np.float32)
        made["plate", frame, "encoded"] = Layer(plate, ("R", "G", "B"), header, facts)
        made["plate", frame, "scene"] = Layer(Encoding().decode(plate), ("R", "G", "B"), header)
        made["alpha", frame] = Layer(opinion(disc(50 + 10 * frame, radius=23.5)), ("A", "confidence"), facts=facts)
        made["guess", frame] = Layer(opinion(alpha), ("alpha", "confidence"))

    def view(frame):
        def at(frame, offset):
            return min(max(frame + offset, 0), count - 1)

        def fetch(name, offset, space):
            where = name, at(frame, offset)
            return made.get((*where, space) if space and name == "plate" else where)

        return View(frame, fetch, at)

    method = Camera(CameraParams())
    method.open(Device("cpu"))
    for frame in range(count):
        made["camera", frame] = method.step(None, view(frame))[1]
    return view, sets, alphas


def test_behind_the_edges_of_a_subject_that_moves_the_set_is_known_to_its_grain():
    view, sets, alphas = walked()
    found = behind(view(4), NOTHING == 0)
    edge = (alphas[4] > 0) & (alphas[4] < 1)
    assert found.trust[edge].mean() > 0.8
    known = edge & (found.trust > 0.5)
    assert np.median(np.abs(found.colour - sets[4])[known]) < 0.01


def test_a_part_of_the_set_is_what_it_is_in_the_whole():
    view, _, _ = walked(count=5)
    whole, part = part_behind(view(2), WHOLE), (slice(30, 90), slice(20, 120))
    found = part_behind(view(2), part)
    assert np.allclose(found.colour, whole.colour[part], atol=2e-3) and np.allclose(
        found.trust, whole.trust[part], atol=0.1
    )


def test_frames_beyond_a_cut_tell_nothing_of_the_set():
    view, sets, _ = walked(cut=5)
    assert way_of(view(4)["camera"]) is None
    found = behind(view(4), NOTHING == 0)
    known = found.trust > 0.6
    assert known.any() and np.median(np.abs(found.colour - sets[4])[known]) < 0.01


def test_a_cut_is_one_too_where_its_frame_comes_back_from_the_cache(tmp_path):
    view, _, _ = walked(cut=5)
    fresh, stored = view(4)["camera"], Cache(tmp_path)
    stored.put(digest("cut"), exr.quantised(fresh, Camera.half), Camera.half)
    assert way_of(fresh) is way_of(stored.get(digest("cut"))) is None


@pytest.mark.parametrize(("height", "width"), [(400, 8), (8, 400), (2000, 1), (1, 1)])
def test_the_set_behind_is_looked_for_in_strips_too(height, width):
    wanted = np.zeros((height, width), bool)
    wanted[-1, -1] = True
    size = (max(16, min(height, 960)), max(16, min(width, 960)))
    small = Layer(np.full((*size, 4), 0.5, np.float32), CAMERA, facts={"way": "1 0 0 0 1 0 0 0 1"})
    found = behind(View(1, lambda *_: small, lambda frame, offset: frame + offset), wanted)
    assert found.colour.shape == (height, width, 3)
    assert found.trust.shape == (height, width)


def test_the_camera_of_the_last_frame_leads_nowhere():
    view, _, _ = walked(count=2)
    assert way_of(view(1)["camera"]) is None


def delivered(view, frame, **params):
    method = Refine(Refine.Params(outputs="alpha", **params))
    method.open(Device("cpu"))
    return method.step(None, view(frame))[1]["A"]


def test_a_soft_edge_goes_by_the_set_that_other_frames_show():
    view, _, alphas = walked()
    off = {share: np.abs(delivered(view, 4, stitched=share) - alphas[4]).mean() for share in (0.0, 1.0)}
    assert off[1.0] < 0.8 * off[0.0]


def test_with_nothing_known_of_the_set_alpha_stays_to_the_bit():
    view, _, _ = walked(count=1)
    assert np.array_equal(delivered(view, 0), delivered(view, 0, stitched=0.0))


def test_what_went_in_front_far_from_the_subject_is_not_taken_for_it_because_it_is_not_the_set():
    view, _, _ = walked()
    layer = view(4)["alpha"]
    layer.pixels[:20, 150:, 0] = 0.3  # doubt, over what the plate shows
    view(4)["plate", 0, "encoded"].pixels[:20, 150:] = 0.1
    assert np.array_equal(delivered(view, 4)[:20, 150:], delivered(view, 4, stitched=0.0)[:20, 150:])


@pytest.mark.parametrize("seed", [320, 342, 344, 382])
def test_a_cut_on_which_flow_finds_likenesses_by_chance_is_no_move(seed):
    here, there = (seen_from(textured(seed + shot), 0) for shot in (0, 1))
    assert camera.way_between(here, there, NOTHING, NOTHING) is None
