"""Of which frames a render that lacks a matte says so, in a line that farms look for, and of which it may not."""

import os
from itertools import islice

import pytest


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def write_below(script, above, views="main"):
    """An artist's Write, in the group that is entered."""
    nuke = script.nuke
    for node in nuke.selectedNodes():
        node["selected"].setValue(False)
    write = nuke.createNode("Write", inpanel=False)
    for name, value in {
        "file_type": "exr", "file": str(script.folder / "comp.%V.%04d.exr"), "create_directories": True,
        "channels": "rgb", "raw": True, "views": views,
    }.items():  # fmt: skip
        write[name].setValue(value)
    write.setInput(0, above)
    return write


def said_by_a_render(script, write, *frames):
    """What Nuke prints while a Write renders frames."""
    script.nuke.printed.clear()
    script.nuke.execute(write, script.nuke.FrameRanges(list(frames)), write["views"].value().split())
    return list(script.nuke.printed)


def rendered_by_a_write(script, above, *frames):
    return said_by_a_render(script, write_below(script, above), *frames)


def test_a_render_that_lacks_a_matte_says_so_in_a_line_that_farms_look_for(script, nuke):
    script.solve()
    assert rendered_by_a_write(script, script.node, 1, 2, 12) == []
    for frame in (2, 12):
        os.remove(script.results / f"matte/matte.{frame:04d}.exr")
    script.node["last"].setValue(11)
    line = f"ERROR: SeqMatte: SeqMatte1 has no matte on frame 2: {script.results / 'matte/matte.0002.exr'}"
    assert rendered_by_a_write(script, script.node, 1, 2, 12) == [line]
    dot = nuke.createNode("Dot", inpanel=False)
    dot.setInput(0, script.node)
    assert rendered_by_a_write(script, dot, 2) == [line]
    # Neither of what another branch lacks, nor of what is not looked at, nor of our own Writes' frames.
    assert rendered_by_a_write(script, script.read, 2) == []
    script.node["show"].setValue("plate")
    assert rendered_by_a_write(script, script.node, 2) == []
    script.node["show"].setValue("result")
    nuke.printed.clear()
    script.solve()
    assert nuke.printed == []


def lacks(script, frame, *place):
    """Takes a matte away; the line that a render of it prints."""
    file = script.results.joinpath(*place, f"matte/matte.{frame:04d}.exr")
    os.remove(file)
    return f"ERROR: SeqMatte: {script.node.fullName()} has no matte on frame {frame}: {file}"


def test_a_pasted_node_that_shows_the_firsts_mattes_lacks_what_they_lack(script, nuke):
    script.solve()
    script.copy()
    second = nuke.nodePaste(str(script.folder / "clip.nk"))
    assert rendered_by_a_write(script, second, 2) == []
    line = lacks(script, 2)
    assert rendered_by_a_write(script, second, 2) == [line.replace("SeqMatte1", "SeqMatte2")]


def test_a_node_that_gives_black_because_it_was_not_solved_is_told_of(script):
    script.node["show"].setValue("result")
    assert rendered_by_a_write(script, script.node, 2) == [
        "ERROR: SeqMatte: SeqMatte1 has no matte on frame 2: it was not solved yet"
    ]
    script.node["last"].setValue(6)
    script.solve()
    script.node["last"].setValue(12)
    assert rendered_by_a_write(script, script.node, 6, 7) == [
        "ERROR: SeqMatte: SeqMatte1 has no matte on frame 7: that frame was outside the range when it was solved"
    ]


def test_a_node_far_above_a_write_is_told_of(script, nuke):
    script.solve()
    line, above = lacks(script, 2), script.node
    for _ in range(250):
        dot = nuke.createNode("Dot", inpanel=False)
        dot.setInput(0, above)
        above = dot
    assert rendered_by_a_write(script, above, 2) == [line]


def test_a_write_in_a_group_is_fed_by_what_is_connected_to_it_and_by_nothing_else(script, nuke):
    script.solve()
    line = lacks(script, 2)
    group = nuke.createNode("Group", inpanel=False)
    with group:
        inputs = [nuke.createNode("Input", inpanel=False) for _ in range(2)]
        writes = [write_below(script, one) for one in (*inputs, None)]
    group.setInput(0, script.read)
    group.setInput(1, script.node)
    assert [said_by_a_render(script, write, 2) for write in writes] == [[], [line], []]


def test_a_node_in_a_group_feeds_the_writes_below_both(script, nuke):
    script.solve()
    missing = lacks(script, 2)
    script.copy()
    group = nuke.createNode("Group", inpanel=False)
    with group:
        inner = nuke.nodePaste(str(script.folder / "clip.nk"))
        nuke.createNode("Output", inpanel=False).setInput(0, inner)
        write, other = write_below(script, inner), write_below(script, None)
    line = missing.replace("SeqMatte1", inner.fullName())
    assert said_by_a_render(script, write, 2) == [line] and said_by_a_render(script, other, 2) == []
    assert rendered_by_a_write(script, group, 2) == [line]


def test_of_several_views_only_those_that_a_write_renders_are_told_of(script, nuke):
    nuke.addView("right")
    script.solve()
    line = lacks(script, 2, "right")
    assert rendered_by_a_write(script, script.node, 2) == []
    for views in ("right", "main right"):
        assert set(said_by_a_render(script, write_below(script, script.node, views), 2)) == {line}
    script.node["view_names"].setValue("main")
    assert said_by_a_render(script, write_below(script, script.node, "right"), 2) == []


def test_a_view_that_was_added_and_is_shown_anothers_mattes_is_told_of(script, nuke):
    script.solve()
    nuke.addView("right")
    assert rendered_by_a_write(script, script.node, 2) == []
    said = "ERROR: SeqMatte: SeqMatte1 has no matte on frame 2: the view right was not solved yet"
    assert set(said_by_a_render(script, write_below(script, script.node, "main right"), 2)) == {said}
    script.node["view_names"].setValue("main")
    assert said_by_a_render(script, write_below(script, script.node, "main right"), 2) == []


def below_a_time(script, kind, **knobs):
    node = script.nuke.createNode(kind, inpanel=False)
    for name, value in knobs.items():
        node[name].setValue(value)
    node.setInput(0, script.node)
    return node


def test_a_frame_that_is_held_lacks_nothing_on_the_others(script):
    script.nuke.frame(3)
    script.solve("solve_frame")
    hold = below_a_time(script, "FrameHold", firstFrame=3.0)
    assert rendered_by_a_write(script, hold, *range(1, 13)) == []
    line = lacks(script, 3)
    assert rendered_by_a_write(script, hold, 5) == [line]
    hold["disable"].setValue(True)
    assert rendered_by_a_write(script, hold, 5) == [line.replace("frame 3", "frame 5").replace("0003", "0005")]


def test_behind_an_offset_the_frame_that_is_seen_is_told_of(script):
    script.solve()
    offset = below_a_time(script, "TimeOffset", time_offset=4.0)
    line = lacks(script, 2)
    assert rendered_by_a_write(script, offset, 2, 6) == [line]
    offset["reverse_input"].setValue(True)
    assert rendered_by_a_write(script, offset, 2, 6) == []


def test_what_a_retime_asks_for_is_nobodys_guess_and_what_goes_past_it_is_told_of(script):
    script.solve()
    line, warp = lacks(script, 2), below_a_time(script, "TimeWarp")
    assert rendered_by_a_write(script, warp, 2) == []
    merge = script.nuke.createNode("Merge2", inpanel=False)
    merge.setInput(0, warp)
    merge.setInput(1, script.node)
    assert rendered_by_a_write(script, merge, 2) == [line]


@pytest.mark.parametrize("index", [0, 1], ids=["plate", "mask"])
@pytest.mark.parametrize("button", ["solve", "bundle"])
def test_a_node_that_begins_with_anothers_mattes_is_not_solved_where_they_lack(script, nuke, adapter, index, button):
    script.node["show"].setValue("result")
    first, second = script.node, adapter.create()
    for place, above in enumerate((script.read, script.roto)):
        second.setInput(place, first if place == index else above)
    for name, value in {"recipe": "toy", "keys": "5", "first": 1, "last": 12}.items():
        second[name].setValue(value)
    second[button].execute()
    said = "SeqMatte1 has no matte on frame {}: it was not solved yet. SeqMatte2 begins with it: solve that first."
    assert nuke.told == [said.format((1, 5)[index])] and script.written == []
    script.solve()
    lacks(script, 5)
    second[button].execute()
    assert "SeqMatte1 has no matte on frame 5: " in nuke.told[1]
    script.solve()
    script.node = second
    script.solve(button)
    assert len(nuke.told) == 2


def test_a_node_in_a_group_that_its_output_does_not_show_lacks_nothing(script, nuke):
    script.solve()
    lacks(script, 2)
    script.copy()
    group = nuke.createNode("Group", inpanel=False)
    with group:
        plate = nuke.createNode("Input", inpanel=False)
        nuke.nodePaste(str(script.folder / "clip.nk"))
        nuke.createNode("Output", inpanel=False).setInput(0, plate)
    group.setInput(0, script.read)
    assert rendered_by_a_write(script, group, 2) == []


def test_of_nodes_in_a_row_only_the_one_that_is_shown_can_lack(script, nuke, adapter):
    script.solve()
    line, second = lacks(script, 2), adapter.create()
    second.setInput(0, script.node)
    assert rendered_by_a_write(script, second, 2) == [line]
    second["show"].setValue("result")
    told = rendered_by_a_write(script, second, 2)
    assert told and all("SeqMatte2 has no matte" in one for one in told)
    second["disable"].setValue(True)
    assert rendered_by_a_write(script, second, 2) == [line]


@pytest.mark.parametrize(
    "kind, knobs, seen",
    [("FrameHold", {"firstFrame": 3}, (2, 3)), ("TimeOffset", {"time_offset": -1}, (2, 3)), ("TimeWarp", {}, (2,))],
)
def test_patches_in_a_row_each_from_another_frame_cost_a_render_no_time(script, nuke, adapter, kind, knobs, seen):
    """Each is a second way to all that is above it: 2 ** 30 ways."""
    script.solve()
    lines = {frame: lacks(script, frame) for frame in (2, 3)}
    below = script.node
    for _ in range(30):
        patch, over = (nuke.createNode(each, inpanel=False) for each in (kind, "Merge2"))
        for name, value in knobs.items():
            patch[name].setValue(value)
        for made, index, above in ((patch, 0, below), (over, 0, below), (over, 1, patch)):
            made.setInput(index, above)
        below = over
    write = write_below(script, below)
    assert sum(1 for _ in islice(adapter.above.upstream(write), 10_000)) < 10_000
    assert said_by_a_render(script, write, 2) == [lines[frame] for frame in seen]
