"""What `clear` deletes, and what it leaves."""

import hashlib
from pathlib import Path


def digests(files):
    return {frame: file and hashlib.sha256(Path(file).read_bytes()).hexdigest() for frame, file in files.items()}


def test_clear_removes_the_results_and_nothing_else_and_a_solve_finds_them_in_the_cache(script):
    script.grade()
    script.node["toy__walked"].setValue(str(script.folder / "walked"))
    script.solve()
    script.solve("bundle")
    before = digests(script.shown())
    (script.results / "notes.txt").write_text("the artist's")
    (script.results / "matte/matte.psd").write_text("the artist's")
    given = {path for name in ("guides", "plate") for path in (script.results / name).rglob("*.exr")}
    script.nuke.answers[:] = [True]
    script.press("clear")
    assert script.nuke.asked == [
        "Clear SeqMatte1? Deletes the results of this node; the engine's cache still has what it needs to bring them "
        "back."
    ]
    left = {path for path in script.results.rglob("*") if path.is_file()}
    assert left == {*given, script.results / "notes.txt", script.results / "matte/matte.psd"} and len(given) == 13
    assert script.node["status"].value() == "not solved"
    assert set(script.shown().values()) == {None}
    (script.folder / "walked").unlink()
    script.solve()
    assert digests(script.shown()) == before
    assert not (script.folder / "walked").exists()


def test_clear_asks_first_where_there_is_a_window(script):
    script.solve()
    script.nuke.answers[:] = [False]
    script.press("clear")
    assert all(script.shown().values())
    script.nuke.GUI = False
    script.press("clear")
    assert not any(script.shown().values())


def test_clear_clears_every_view_and_is_refused_while_a_solve_runs(script):
    script.nuke._views[:] = ["left", "right"]
    script.solve()
    script.press("solve")
    script.press("clear")
    assert script.nuke.told == ["This node is being solved. Cancel it first."]
    script.finish()
    script.nuke.answers[:] = [True]
    script.press("clear")
    assert not any([*script.shown("left").values(), *script.shown("right").values()])
