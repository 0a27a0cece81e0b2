"""The engine's promise about edits, held by the recipe that artists use first."""

import hashlib

import numpy as np

from seqlink import FrameRange
from seqmatte import exr
from seqmatte.cache import Cache
from seqmatte.engine import Engine
from shots import write_tiny_shot


def content(path):
    return hashlib.sha256(exr.read(path).pixels.tobytes()).hexdigest()


def test_an_edit_of_the_middle_guide_recomputes_exactly_the_frames_whose_matte_changes(tmp_path):
    tiny = write_tiny_shot(tmp_path / "shot", width=48, height=36, count=16, grain=0.01)
    shot = tiny.shot(3, 8, 13, recipe="flow-closed-form")
    drawn = exr.read(shot.guided()[1].path)
    other = tmp_path / "edited.exr"
    exr.write(other, exr.Layer(np.roll(drawn.pixels, 2, axis=1), drawn.channels, drawn.header), half=())
    guides = tuple(g if g.frame != 8 else type(g)(8, str(other), g.kind) for g in shot.guides)
    cache, edited = Cache(tmp_path / "cache"), shot.replace(guides=guides)
    before = {result.frame: content(result.path) for result in Engine(shot, cache).render()}
    reached = Engine(edited, cache).status().missing
    results = {result.frame: result for result in Engine(edited, cache).render()}
    changed = FrameRange(frame for frame, result in results.items() if content(result.path) != before[frame])
    assert reached == FrameRange(frame for frame, result in results.items() if result.steps)
    assert changed == reached == FrameRange(range(3, 13))
