"""The engine's promise about edits, held by the recipes that artists use."""

import hashlib

import numpy as np
import pytest

from seqlink import FramePath, FrameRange
from seqmatte import exr
from seqmatte.cache import Cache
from seqmatte.engine import Engine
from seqmatte.recipe import build
from shots import write_tiny_shot


def content(path):
    return hashlib.sha256(exr.read(path).pixels.tobytes()).hexdigest()


def edited(tmp_path, recipe, count, guided, clean=False, **changes):
    """Frames that an edit of the middle guide reaches as told, as computed, and those whose matte it changes."""
    tiny = write_tiny_shot(tmp_path / "shot", width=48, height=36, count=count, grain=0.01)
    shot = tiny.shot(*guided, recipe=recipe, **changes)
    if clean:
        exr.write(tmp_path / "clean.exr", exr.Layer(tiny.background[1], ("R", "G", "B"), tiny.header))
        shot = shot.replace(clean=FramePath(tmp_path / "clean.exr"))
    drawn = exr.read(shot.guided()[1].path)
    other = tmp_path / "edited.exr"
    exr.write(other, exr.Layer(np.roll(drawn.pixels, 2, axis=1), drawn.channels, drawn.header), half=())
    guides = tuple(g if g.frame != guided[1] else type(g)(g.frame, str(other), g.kind) for g in shot.guides)
    cache, after = Cache(tmp_path / "cache"), shot.replace(guides=guides)
    before = {result.frame: content(result.path) for result in Engine(shot, cache).render()}
    reached = Engine(after, cache).status().missing
    results = {result.frame: result for result in Engine(after, cache).render()}
    computed = FrameRange(frame for frame, result in results.items() if result.steps)
    changed = FrameRange(frame for frame, result in results.items() if content(result.path) != before[frame])
    return reached, computed, changed


def test_an_edit_of_the_middle_guide_recomputes_exactly_the_frames_whose_matte_changes(tmp_path):
    reached, computed, changed = edited(tmp_path, "flow-closed-form", 16, (3, 8, 13))
    assert changed == computed == reached == FrameRange(range(3, 13))


def test_with_all_opinions_an_edit_reaches_as_far_as_its_frames_tell_of_the_set_behind_and_no_further(tmp_path):
    reached, computed, changed = edited(tmp_path, "combined", 26, (12, 14, 16))
    # From guide to guide, and the eight frames on either side that look there; 12 itself looks at 13.
    assert computed == reached == FrameRange(range(3, 24))
    assert set(range(12, 17)) <= set(changed) <= set(reached)


@pytest.mark.parametrize("given", [{"clean": True}, {"params": {"refine": {"stitched": 0.0}}}])
def test_where_nothing_asks_what_other_frames_show_behind_the_subject_an_edit_reaches_no_further_for_it(
    tmp_path, given
):
    reached, computed, changed = edited(tmp_path, "flow-refiner", 20, (6, 10, 14), **given)
    # From guide to guide, and the neighbour of 6 that looks at it: from 6 on frames go by the next guide too.
    assert computed == reached == FrameRange(range(5, 15))
    assert set(range(6, 14)) <= set(changed) <= set(reached)


def test_recipes_look_around_for_the_set_behind_only_where_that_is_asked_for(tiny_shot):
    asked = tiny_shot.shot(1, recipe="combined")
    assert "camera" in [method.makes for method in build(asked)]
    for spared in (asked.replace(clean=tiny_shot.plate), asked.replace(params={"refine": {"stitched": 0}})):
        assert "camera" not in [method.makes for method in build(spared)]
