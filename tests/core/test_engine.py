import contextlib
import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import toys
from seqlink import FramePath, FrameRange, Guide, Shot
from seqmatte import exr, lease, methods, open_methods, recipe
from seqmatte.cache import Cache
from seqmatte.engine import Engine
from seqmatte.errors import CacheError, Cancelled, GuideError, PlateError, RecipeError, ShotError
from seqmatte.events import FrameDone, Progress, Warning
from seqmatte.open_methods import OpenMethods
from seqmatte.reach import NearestKey
from seqmatte.recipe import Recipe
from shots import write_tiny_shot, write_with_oiio

GUIDED = (20, 50, 80)


@pytest.fixture(autouse=True)
def toy_recipes(monkeypatch):
    toys.COUNTED.clear()
    use_toys(monkeypatch.setattr)
    recipe.method_class.cache_clear()
    yield
    recipe.method_class.cache_clear()


def use_toys(setattr):
    setattr(methods, "TABLE", {**methods.TABLE, **toys.TABLE})
    named = [
        Recipe("toy", ("toy_carry", "toy_window", "toy_matte"), ""),
        Recipe("toy-meeting", ("toy_meet", "toy_window", "toy_matte"), ""),
        Recipe("toy-recurrent", ("toy_recurrent", "toy_matte"), ""),
        Recipe("toy-broken", ("toy_window", "toy_matte"), ""),
    ]
    setattr(recipe, "RECIPES", {**recipe.RECIPES, **{found.name: found for found in named}})


@pytest.fixture(scope="module")
def long_shot(tmp_path_factory):
    return write_tiny_shot(tmp_path_factory.mktemp("long"), width=16, height=12, count=100, grain=0.05)


def toy_shot(tiny, *guided, roll=0):
    """The shot with a mask on each frame named; the disc itself leaves a picture this small."""
    guides = []
    for frame in guided:
        path = tiny.folder / f"toy.{frame}.{roll}.exr"
        drawn = np.roll(tiny.alpha[1] > 0.5, frame % 5 + roll, axis=1).astype(np.float32)
        exr.write(path, exr.Layer(drawn[:, :, None], ("A",), tiny.header), half=())
        guides.append(Guide(frame, str(path)))
    return Shot(tiny.plate, tiny.frames, tuple(guides), recipe="toy")


def content(path):
    layer = exr.read(path)
    return hashlib.sha256(layer.pixels.tobytes()).hexdigest()


def rendered(shot, cache, frames=None, **more):
    return {result.frame: result for result in Engine(shot, cache, **more).render(frames)}


def bytes_of(results):
    return {frame: Path(result.path).read_bytes() for frame, result in results.items()}


def edited(tiny, frame):
    """The shot with the guide on one frame drawn otherwise, in a file of its own."""
    shot, other = toy_shot(tiny, *GUIDED), toy_shot(tiny, frame, roll=2).guides[0]
    return shot.replace(guides=tuple(other if guide.frame == frame else guide for guide in shot.guides))


# 36 to 65 lie nearest to 50, walks that meet go three further, and a window of three looks one further.
@pytest.mark.parametrize(("name", "reached"), [("toy", (35, 66)), ("toy-meeting", (32, 69))])
def test_an_edit_recomputes_exactly_the_frames_whose_content_changes(long_shot, tmp_path, name, reached):
    cache = Cache(tmp_path)
    shot, after = (made.replace(recipe=name) for made in (toy_shot(long_shot, *GUIDED), edited(long_shot, 50)))
    before = {frame: content(result.path) for frame, result in rendered(shot, cache).items()}
    missing = Engine(after, cache).status().missing
    results = rendered(after, cache)
    changed = FrameRange(frame for frame, result in results.items() if content(result.path) != before[frame])
    assert changed == missing == FrameRange(frame for frame, r in results.items() if r.steps)
    assert changed == FrameRange(range(reached[0], reached[1] + 1))


def test_undo_computes_nothing(long_shot, tmp_path):
    cache = Cache(tmp_path)
    shot = toy_shot(long_shot, *GUIDED)
    rendered(shot, cache)
    rendered(edited(long_shot, 50), cache)
    toys.COUNTED.clear()
    assert all(result.steps == 0 for result in rendered(shot, cache).values())
    assert toys.COUNTED == []


@pytest.mark.parametrize("name", ["toy", "toy-meeting"])
def test_asking_in_any_order_gives_the_same_bytes(long_shot, tmp_path, name):
    shot = toy_shot(long_shot, *GUIDED).replace(recipe=name)
    straight = bytes_of(rendered(shot, Cache(tmp_path / "a")))
    order = list(shot.frames)
    random.Random(3).shuffle(order)
    engine = Engine(shot, Cache(tmp_path / "b"))
    assert bytes_of({frame: engine.result(frame) for frame in order}) == straight
    backwards = {frame: Engine(shot, Cache(tmp_path / "c")).result(frame) for frame in sorted(order, reverse=True)}
    assert bytes_of(backwards) == straight


def test_two_walks_that_meet_hand_over_frame_by_frame(long_shot, tmp_path):
    whole = toy_shot(long_shot, 20, 50).replace(recipe="toy-meeting")
    alone = [whole.replace(guides=(guide,)) for guide in whole.guides]
    made, first, second = (Engine(shot, Cache(tmp_path)) for shot in (whole, *alone))
    for frame, share in {32: 0.0, 33: 1 / 7, 34: 2 / 7, 35: 3 / 7, 36: 4 / 7, 37: 5 / 7, 38: 6 / 7, 39: 1.0}.items():
        one, other = (engine.layer("trimap", frame).pixels for engine in (first, second))
        np.testing.assert_allclose(made.layer("trimap", frame).pixels, one + share * (other - one), atol=1e-6)


def test_farm_tasks_keep_walks_that_meet_together_and_name_every_frame_once(long_shot, tmp_path):
    shot = toy_shot(long_shot, *GUIDED).replace(recipe="toy-meeting")
    tasks = Engine(shot, Cache(tmp_path)).status().tasks
    assert [str(task) for task in tasks] == ["1-19", "20-49", "50-79", "80-100"]


def test_a_shot_is_cut_into_spans_once_for_each_method(long_shot, tmp_path, monkeypatch):
    cut = []

    class Counted(NearestKey):
        def spans(self, frames, guided):
            cut.append(len(frames))
            return super().spans(frames, guided)

    monkeypatch.setattr(toys.Carry, "reach", Counted(1))
    engine = Engine(toy_shot(long_shot, *GUIDED), Cache(tmp_path))
    engine.status()
    list(engine.render([50, 51]))
    assert cut == [100]


def test_recurrent_chunks_do_not_depend_on_what_was_asked(long_shot, tmp_path):
    shot = toy_shot(long_shot, 1).replace(recipe="toy-recurrent")
    whole = bytes_of(rendered(shot, Cache(tmp_path / "a")))
    part = bytes_of(rendered(shot, Cache(tmp_path / "b"), [37, 41]))
    assert part == {frame: whole[frame] for frame in (37, 41)}


def test_a_late_frame_resumes_from_the_last_snapshot(long_shot, tmp_path):
    cache = Cache(tmp_path)
    shot = toy_shot(long_shot, 1)
    rendered(shot, cache, range(1, 60))
    toys.COUNTED.clear()
    # A new engine, as after a crash: one walk step from the snapshot on 56 to 61 and not from 1.
    Engine(shot, cache).result(60)
    assert [frame for name, frame in toys.COUNTED if name == "toy_carry"] == [57, 58, 59, 60, 61]


@pytest.mark.parametrize("shift", [-1, -1000])
def test_a_plate_that_is_renumbered_does_not_go_on_from_states_of_the_old_numbers(tmp_path, shift):
    tiny = write_tiny_shot(tmp_path / "shot", width=48, height=36, first=1001, count=14)
    shot = tiny.shot(recipe="flow-closed-form")
    cache = Cache(tmp_path / "cache")
    first = Engine(shot, cache)
    first.layer("trimap", 1010)
    first.flush()
    assert list(cache.root.glob("??/*.npz"))
    moved = renumbered(tiny, shot, shift)
    shared, alone = Engine(moved, cache), Engine(moved, Cache(tmp_path / "fresh"))
    for frame in moved.frames:
        assert np.array_equal(shared.layer("trimap", frame).pixels, alone.layer("trimap", frame).pixels), frame


def renumbered(tiny, shot, shift):
    """The shot with the same files under other numbers."""
    plate = FramePath(tiny.folder / "moved.####.exr")
    for frame in tiny.frames:
        Path(plate.path(frame + shift)).write_bytes(Path(tiny.plate.path(frame)).read_bytes())
    (guide,) = shot.guides
    frames = FrameRange(frame + shift for frame in tiny.frames)
    return shot.replace(plate=plate, frames=frames, guides=(Guide(guide.frame + shift, guide.path, guide.kind),))


def test_engines_that_share_their_open_methods_go_on_where_the_walk_stopped(long_shot, tmp_path):
    cache, opened = Cache(tmp_path), OpenMethods()
    shot = toy_shot(long_shot, 1)
    Engine(shot, cache, opened=opened).result(10)
    toys.COUNTED.clear()
    Engine(shot, cache, opened=opened).result(11)
    assert [frame for name, frame in toys.COUNTED if name == "toy_carry"] == [12]


def test_frame_57_takes_only_the_steps_that_lead_to_it(long_shot, tmp_path):
    engine = Engine(toy_shot(long_shot, *GUIDED), Cache(tmp_path))
    result = engine.result(57)
    assert result.steps == len(range(50, 59)) + 1 + 1


def test_a_process_keeps_so_many_opened_methods_and_lets_go_of_the_longest_unused(tiny_shot, tmp_path, monkeypatch):
    monkeypatch.setattr(open_methods, "OPEN_METHODS", 4)
    opened, made = OpenMethods(), []
    for degrain in (0.1, 0.2, 0.3, 0.1):
        shot = tiny_shot.shot(1, recipe="flow-closed-form", params={"closed_form": {"degrain": degrain}})
        made.append(Engine(shot, Cache(tmp_path / str(len(made))), opened=opened).layer("alpha", 2).pixels)
        assert len(opened._opened) <= 4
    assert np.array_equal(made[0], made[3])


def test_frames_that_nothing_asked_for_looks_at_may_be_broken_or_missing(tmp_path):
    tiny = write_tiny_shot(tmp_path / "plates", count=24)
    shot = tiny.shot(1, recipe="flow-closed-form")
    whole = [result.key for result in Engine(shot, Cache(tmp_path / "whole")).render([1, 2, 3])]
    Path(tiny.plate.path(17)).unlink()
    Path(tiny.plate.path(18)).write_bytes(b"")
    engine = Engine(shot, Cache(tmp_path / "broken"))
    engine.check([1, 2, 3])
    assert [result.key for result in engine.render([1, 2, 3])] == whole
    for frames in (None, [15]):
        with pytest.raises(PlateError, match="17"):
            next(Engine(shot, Cache(tmp_path / "broken")).render(frames))


def test_a_missing_frame_that_the_light_is_judged_by_is_told_as_such(tmp_path):
    tiny = write_tiny_shot(tmp_path / "plates", count=24)
    Path(tiny.plate.path(24)).unlink()
    with pytest.raises(PlateError, match=r"judged by.*end the shot before it.*frame 24"):
        next(Engine(tiny.shot(1, recipe="flow-closed-form"), Cache(tmp_path / "cache")).render([1, 2]))


def test_changing_a_plate_frame_recomputes_only_what_sees_it(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", width=16, height=12, count=30)
    shot = toy_shot(tiny, 15).replace(colour=type(tiny.shot().colour)(encoding="0,1,1"))
    cache = Cache(tmp_path / "cache")
    rendered(shot, cache)
    frame = exr.read(tiny.plate.path(25))
    exr.write(tiny.plate.path(25), exr.Layer(frame.pixels * 0.5, frame.channels, frame.header))
    # The walk runs 15 to 30; windows of three trimaps and the next plate look one back.
    assert Engine(shot, cache).status().missing == FrameRange(range(24, 31))


def test_a_parameter_reaches_its_own_method_and_what_follows(long_shot, tmp_path):
    cache = Cache(tmp_path)
    shot = toy_shot(long_shot, *GUIDED)
    rendered(shot, cache, range(1, 8))
    toys.COUNTED.clear()
    rendered(shot.replace(params={"toy_matte": {"gain": 0.25}}), cache, range(1, 8))
    assert {name for name, _ in toys.COUNTED} == {"toy_matte"}


def test_a_damaged_entry_is_made_again_with_the_same_bytes(long_shot, tmp_path):
    cache = Cache(tmp_path)
    shot = toy_shot(long_shot, *GUIDED)
    first = bytes_of(rendered(shot, cache, [5, 6]))
    for path in list(tmp_path.glob("??/*.exr"))[::2]:
        path.write_bytes(path.read_bytes()[:-50])
    assert bytes_of(rendered(shot, cache, [5, 6])) == first


def test_results_carry_windows_and_metadata_of_their_own_plate_frame(tmp_path):
    header = exr.Header((-4, -2, 24, 16), (0, 0, 16, 12), 2.0, {"take": ("string", "7b")})
    tiny = write_tiny_shot(tmp_path / "shot", count=3, header=header)
    result = Engine(tiny.shot(1, recipe="toy"), Cache(tmp_path / "cache")).result(2)
    found = exr.read(result.path)
    assert (found.header.data, found.header.display, found.header.pixel_aspect) == (header.data, header.display, 2.0)
    assert found.header.attributes["take"] == ("string", "7b")
    assert found.channels == ("R", "G", "B", "A")
    assert found.facts["confidence"] == 0.5


def test_events_count_up_and_name_every_frame(long_shot, tmp_path):
    heard = []
    rendered(toy_shot(long_shot, *GUIDED), Cache(tmp_path), range(1, 6), listener=heard.append)
    assert [event.done for event in heard if isinstance(event, Progress)] == [1, 2, 3, 4, 5]
    assert sorted(event.frame for event in heard if isinstance(event, FrameDone)) == [1, 2, 3, 4, 5]
    assert [event for event in heard if isinstance(event, Progress)][-1].seconds_left == 0


def test_cancelling_keeps_finished_frames_and_a_rerun_goes_on(long_shot, tmp_path):
    cache, stop = Cache(tmp_path), threading.Event()
    shot = toy_shot(long_shot, *GUIDED)
    got = []
    with pytest.raises(Cancelled):
        for result in Engine(shot, cache, cancelled=stop).render():
            got.append(result.frame)
            if len(got) == 10:
                stop.set()
    assert len(Engine(shot, cache).status().cached) >= 10
    assert bytes_of(rendered(shot, cache)) == bytes_of(rendered(shot, Cache(tmp_path / "other")))


def test_a_lease_lasts_through_a_frame_of_many_steps(long_shot, tmp_path, monkeypatch):
    """Each of a minute, by the engine's clock and by the age of the lease's file."""
    cache, watched = Cache(tmp_path), []
    step, clock = toys.Carry.step, SimpleNamespace(time=time.time, monotonic_ns=time.monotonic_ns)
    clock.monotonic = lambda: time.monotonic() + 60 * len(watched)

    def minute(self, state, view):
        for held in (cache.root / "leases").glob("*.json"):
            os.utime(held, (held.stat().st_mtime - 60,) * 2)
        watched.append(cache.contents().leases)
        return step(self, state, view)

    monkeypatch.setattr(lease, "time", clock)
    monkeypatch.setattr(toys.Carry, "step", minute)
    rendered(toy_shot(long_shot, 1), cache, [60])
    assert set(watched) == {1}
    assert len(watched) * 60 > 2 * lease.LEASE_SECONDS


def test_several_subjects_of_one_shot_share_plate_and_cache_but_not_mattes(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", width=16, height=12, count=4)
    shot = tiny.shot(recipe="toy").replace(guides=(tiny.guide(1), tiny.guide(2, "alpha", "head")))
    cache = Cache(tmp_path / "cache")
    first, second = (Engine(shot, cache, subject=name).result(3) for name in shot.subjects())
    assert content(first.path) != content(second.path)
    assert (first.subject, second.subject) == ("matte", "head")


def test_a_truncated_frame_costs_nothing_already_done(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", width=16, height=12, count=12)
    path = Path(tiny.plate.path(9))
    path.write_bytes(path.read_bytes()[:-60])
    shot = tiny.shot(1, recipe="toy").replace(colour=type(tiny.shot().colour)(encoding="0,1,1"))
    cache, got = Cache(tmp_path / "cache"), []
    with pytest.raises(PlateError, match=r"plate\.0009\.exr"):
        got.extend(result.frame for result in Engine(shot, cache).render())
    assert got[:6] == [1, 2, 3, 4, 5, 6]
    assert set(range(1, 7)) <= set(Engine(shot, cache).status().cached)


def test_every_frame_finished_before_an_error_is_delivered(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", width=16, height=12, count=12)
    path = Path(tiny.plate.path(5))
    path.write_bytes(path.read_bytes()[:-60])
    shot = tiny.shot(1, recipe="toy-recurrent").replace(colour=type(tiny.shot().colour)(encoding="0,1,1"))
    got, heard = [], []
    with pytest.raises(PlateError, match=r"plate\.0005\.exr"):
        got.extend(result.frame for result in Engine(shot, Cache(tmp_path / "cache"), listener=heard.append).render())
    assert got == [1, 2, 3, 4] == [event.frame for event in heard if isinstance(event, FrameDone)]


def test_every_frame_finished_before_a_cancel_is_delivered(long_shot, tmp_path):
    stop, asked, got = threading.Event(), [], []
    engine = Engine(toy_shot(long_shot, 1).replace(recipe="toy-recurrent"), Cache(tmp_path), cancelled=stop)
    with pytest.raises(Cancelled):
        for result in engine.render():
            got.append(result.frame)
            asked.extend(frame for name, frame in toys.COUNTED if name == "toy_matte")
            toys.COUNTED.clear()
            if result.frame == 6:
                stop.set()
    assert got == asked


def test_nan_and_inf_in_a_plate_are_reported_with_frame_and_count_also_on_a_hit(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", width=16, height=12, count=4)
    broken = exr.read(tiny.plate.path(3))
    pixels = broken.pixels.copy()
    pixels[2:4, 5, 0], pixels[6, 6, 1] = np.nan, np.inf
    write_with_oiio(tiny.plate.path(3), pixels, "half")
    for _ in range(2):
        heard = []
        rendered(tiny.shot(1, recipe="toy"), Cache(tmp_path / "cache"), listener=heard.append)
        (warning,) = [event for event in heard if isinstance(event, Warning)]
        assert (warning.frame, "2 NaN and 1 infinite" in warning.message) == (3, True)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"guides": ()}, GuideError, "--mask"),
        ({"frames": FrameRange()}, ShotError, "frames"),
        ({"recipe": "nope"}, RecipeError, "available: auto"),
        ({"recipe": "toy-broken"}, RecipeError, "reads 'trimap', which nobody makes"),
        ({"params": {"toy_matte": {"gian": 1}}}, ShotError, r"toy_matte\.gian"),
        ({"params": {"toy_mate": {"gain": 1}}}, ShotError, "toy_mate"),
        ({"plate": FramePath("/nowhere/p.####.exr")}, PlateError, "nowhere"),
    ],
)
def test_a_wrong_shot_is_refused_before_anything_is_computed(tiny_shot, tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        list(Engine(tiny_shot.shot(recipe="toy").replace(**change), Cache(tmp_path)).render())
    assert toys.COUNTED == []


def test_a_guide_outside_the_range_is_refused(tiny_shot, tmp_path):
    shot = tiny_shot.shot(12, recipe="toy").replace(frames=FrameRange.parse("1-10"))
    with pytest.raises(GuideError, match=r"frame 12.*1-10"):
        Engine(shot, Cache(tmp_path))


def test_a_method_may_look_only_at_what_it_declared(tiny_shot, tmp_path, monkeypatch):
    monkeypatch.setattr(toys.Matte, "reads", (toys.Read("plate"), toys.Read("alpha", (1,))))
    with pytest.raises(LookupError, match="did not declare"):
        Engine(tiny_shot.shot(recipe="toy"), Cache(tmp_path)).result(1)


def test_a_cache_that_cannot_be_written_is_a_clear_error(tiny_shot, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="--cache"):
        list(Engine(tiny_shot.shot(recipe="toy"), Cache(tmp_path / "file" / "c")).render())


ALONE = """
import sys
sys.path[:0] = sys.argv[3:]
import test_engine
from seqlink import Shot
test_engine.use_toys(setattr)
shot = Shot.from_json(open(sys.argv[1], encoding="utf-8").read())
for _ in test_engine.Engine(shot, test_engine.Cache(sys.argv[2])).render():
    pass
"""


def start_alone(shot, folder, cache):
    """Another process that renders the whole shot."""
    folder.mkdir(exist_ok=True)
    (folder / "shot.json").write_text(shot.to_json(), encoding="utf-8")
    paths = [str(Path(__file__).parent), *[path for path in sys.path if path]]
    return subprocess.Popen([sys.executable, "-c", ALONE, str(folder / "shot.json"), str(cache), *paths])


def test_four_processes_on_one_cache_give_the_same_bytes_and_no_error(long_shot, tmp_path):
    shot = toy_shot(long_shot, *GUIDED)
    crowd = [start_alone(shot, tmp_path, tmp_path / "shared") for _ in range(4)]
    assert [process.wait(600) for process in crowd] == [0, 0, 0, 0]
    assert bytes_of(rendered(shot, Cache(tmp_path / "shared"))) == bytes_of(rendered(shot, Cache(tmp_path / "own")))


def test_killed_at_twenty_random_moments_a_rerun_gives_the_same_bytes(long_shot, tmp_path):
    shot = toy_shot(long_shot, *GUIDED)
    cache, moments = Cache(tmp_path / "killed"), random.Random(11)
    for _ in range(20):
        process = start_alone(shot, tmp_path, cache.root)
        # Anywhere from the first import to the last frames.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.2, 1.2))
        process.kill()
        process.wait()
        for path in cache.root.glob("??/[!.]*.exr"):
            exr.read(path)
        if len(Engine(shot, cache).status().missing) < 20:
            cache.clear()
    assert bytes_of(rendered(shot, cache)) == bytes_of(rendered(shot, Cache(tmp_path / "own")))
