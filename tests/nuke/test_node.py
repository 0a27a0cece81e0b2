"""The node itself: what is inside, what is saved, what a Nuke without the adapter makes of it."""

import os
from pathlib import Path

import pytest

from fakes import nk

ROOT = Path(__file__).resolve().parents[2]

# What the artist connects, and what hangs where inside. Inputs in Nuke's order: of Copy and Merge2, B comes first.
WIRING = {
    "plate": [],
    "mask": [],
    "MattePlateWrite": ["plate"],
    "MatteMaskWrite": ["mask"],
    "MatteResult": [],
    "PlateAlpha": ["plate", "MatteResult"],
    "CheckGrey": [],
    "CheckOver": ["CheckGrey", "MatteResult"],
    "Show": ["MatteResult", "PlateAlpha", "CheckOver", "plate"],
    "Output1": ["Show"],
}


def saved(nuke, tmp_path):
    nuke.scriptSaveAs(str(tmp_path / "saved.nk"))
    return nk.read((tmp_path / "saved.nk").read_text())


def test_the_saved_text_holds_the_wiring(script, nuke, tmp_path):
    tree = saved(nuke, tmp_path)
    node = tree["SeqMatte1"]
    assert node.kind == "Group"
    assert [above.name for above in node.inputs] == ["Read1", "Roto1"]
    assert {name: above for name, above in node.wiring().items()} == WIRING
    assert node["Show"].knobs["which"] == "{{parent.show}}"


def test_the_saved_text_holds_every_knob_that_results_depend_on_whatever_the_studios_defaults(script, nuke, tmp_path):
    node = saved(nuke, tmp_path)["SeqMatte1"]
    read = node["MatteResult"].knobs
    wanted = {"raw": "true", "on_error": "black", "before": "black", "after": "black", "premultiplied": "false",
              "auto_alpha": "false", "localizationPolicy": "off", "frame_mode": "expression", "frame": "",
              "disable": "false"}  # fmt: skip
    assert wanted.items() <= read.items()
    for name in ("MattePlateWrite", "MatteMaskWrite"):
        write = {"disable": "true", "raw": "true", "file_type": "exr", "create_directories": "true",
                 "datatype": "32 bit float", "autocrop": "false", "metadata": "no metadata"}  # fmt: skip
        assert write.items() <= node[name].knobs.items()


def test_nothing_but_buttons_holds_python(script, nuke, tmp_path):
    """So a Nuke without the adapter opens and renders it: no callback is stored in the script."""
    node = saved(nuke, tmp_path)["SeqMatte1"]
    for one in (node, *node.nodes):
        assert not {"knobChanged", "onCreate", "updateUI", "autolabel", "onDestroy"} & set(one.knobs)
        python = [name for number, name, rest in one.user if number == 22 and "import seqmatte_nuke" not in rest["T"]]
        assert python == []


def test_a_saved_script_renders_where_nobody_has_the_adapter(script, monkeypatch, tmp_path, hostile_fresh):
    """Another Nuke with hostile defaults and without our folder: all frames, the node's Writes off, polite buttons."""
    script.solve()
    shown = script.shown()
    script.nuke.scriptSaveAs(script.nuke.root()["name"].value())
    place, other = script.nuke.root()["name"].value(), hostile_fresh()
    other.scriptOpen(place)
    node = other.toNode("SeqMatte1")
    assert {frame: other.shown_file(node, frame) for frame in shown} == shown
    assert other.shown_file(node, 99) is None
    assert [n.name() for n in other.allNodes("Write", recurseGroups=True) if not n["disable"].value()] == []
    node["solve"].execute()
    assert other.told == ["SeqMatte is not installed in this Nuke. The node renders; only its buttons need it."]


def test_a_project_that_moved_takes_its_results_with_it(script, tmp_path, hostile_fresh):
    script.solve()
    script.nuke.scriptSaveAs(script.nuke.root()["name"].value())
    os.rename(tmp_path / "shots", tmp_path / "moved")
    other = hostile_fresh()
    other.scriptOpen(str(tmp_path / "moved" / "ab_010.nk"))
    assert other.shown_file(other.toNode("SeqMatte1"), 5).startswith(str(tmp_path / "moved"))


def test_save_and_reopen_keeps_keys_states_and_options(script, nuke):
    script.node["toy__frame"].setValue(5)
    script.node["guide_kind"].setValue("alpha")
    script.solve()
    place = nuke.root()["name"].value()
    before = {name: knob._value for name, knob in script.node._knobs.items() if name not in ("selected", "missing")}
    nuke.scriptSaveAs(place)
    nuke.scriptOpen(place)
    node = nuke.toNode("SeqMatte1")
    after = {name: knob._value for name, knob in node._knobs.items() if name not in ("selected", "missing")}
    assert after == before
    assert node["status"].value().startswith("ready, 12/12 ready")
    assert nuke.root().modified() is False


def test_a_missing_result_is_black_or_an_error_as_the_artist_chose(script):
    script.nuke.frame(3)
    script.solve("solve_frame")
    assert script.nuke.shown_file(script.node, 8) is None
    script.node["missing"].setValue("error")
    with pytest.raises(RuntimeError, match="no such file"):
        script.nuke.shown_file(script.node, 8)


def test_a_pasted_node_shows_the_same_result_and_never_writes_into_the_first_ones_folder(script, nuke, tmp_path):
    script.solve()
    original = script.shown()
    for node in nuke.allNodes():
        node["selected"].setValue(node is script.node)
    nuke.nodeCopy(str(tmp_path / "clip.nk"))
    pasted = nuke.nodePaste(str(tmp_path / "clip.nk"))
    assert pasted.name() == "SeqMatte2"
    assert pasted["seqmatte_uid"].value() != script.node["seqmatte_uid"].value()
    assert pasted["folder"].value() != script.node["folder"].value()
    assert {frame: nuke.shown_file(pasted, frame) for frame in original} == original
    times = {path: os.stat(path).st_mtime_ns for path in original.values()}
    pasted.setInput(0, script.read)
    pasted.setInput(1, script.roto)
    pasted["keys"].setValue("5")
    script.node, first = pasted, script.node
    script.solve()
    assert set(script.shown().values()).isdisjoint(original.values())
    assert {path: os.stat(path).st_mtime_ns for path in original.values()} == times
    assert first["status"].value().startswith("ready")


def test_a_pasted_node_leaves_a_folder_that_was_set_by_hand_to_its_original(script, nuke, tmp_path):
    script.node["folder"].setValue(str(tmp_path / "mine"))
    nodes = [script.node]
    for _ in range(2):
        for node in nuke.allNodes():
            node["selected"].setValue(node is nodes[-1])
        nuke.nodeCopy(str(tmp_path / "clip.nk"))
        nodes.append(nuke.nodePaste(str(tmp_path / "clip.nk")))
    uids = [node["seqmatte_uid"].value() for node in nodes]
    assert [node["folder"].value() for node in nodes] == [
        str(tmp_path / "mine"),
        *(f"{tmp_path / 'mine'}/{uid}" for uid in uids[1:]),
    ]


def test_a_node_deleted_while_it_is_solved_harms_nobody(script, nuke):
    from seqmatte_nuke import session

    gate = script.gate()
    script.press("solve")
    job = session.running(script.node["seqmatte_uid"].value())
    nuke.delete(script.node)
    script.open_all(gate)
    nuke.pump(lambda: job.over and nuke._posted.empty())
    assert len(list((script.folder / "shots").rglob("matte.*.exr"))) == 12


def test_a_script_that_is_closed_while_a_node_is_solved_keeps_what_is_finished(script, nuke):
    gate = script.gate(1, 2, 3, 4)
    place, folder = nuke.root()["name"].value(), script.results
    script.press("solve")
    nuke.pump(lambda: (folder / "matte/matte.0003.exr").exists())
    nuke.scriptSaveAs(place)
    nuke.scriptOpen(place)
    nuke.pump(nuke._posted.empty)
    script.open_all(gate)
    script.node = nuke.toNode("SeqMatte1")
    script.finish()
    script.press("reload")
    # The fourth is finished too; whether it is handed over before the engine ends is a race that either may win.
    assert script.node["status"].value().startswith(("cancelled, 3/12 ready", "cancelled, 4/12 ready"))
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12 ready")


def test_a_node_renamed_or_moved_into_a_group_is_found_again(script):
    gate = script.gate()
    script.press("solve")
    script.node.setName("Hair")
    script.open_all(gate)
    script.finish()
    assert script.node["status"].value().startswith("ready")


@pytest.mark.parametrize(
    ("change", "direct"),
    [
        ({}, True),
        ({"raw": False, "colorspace": "linear"}, True),
        ({"raw": False, "colorspace": "sRGB"}, False),
        ({"premultiplied": True}, False),
        ({"frame": "frame-1000"}, False),
        ({"frame_mode": "start at"}, False),
        ({"disable": True}, False),
        ({"file": "/plates/a.0001.exr"}, False),
        ({"file": "/plates/%V/a.%04d.exr"}, False),
        ({"file": "/plates/a.%04d.dpx"}, False),
    ],
)
def test_the_plates_own_file_is_used_only_where_nothing_changes_it(script, change, direct):
    from seqmatte_nuke import scene

    for name, value in change.items():
        script.read[name].setValue(value)
    dot = script.nuke.createNode("Dot", inpanel=False)
    dot.setInput(0, script.read)
    assert (scene.direct_plate(dot) is not None) == direct


def test_the_shot_says_what_the_numbers_mean(script, monkeypatch):
    from seqmatte_nuke.working_space import colour

    assert colour().space == "lin_rec709"
    root = script.nuke.root()
    root["colorManagement"].setValue("OCIO")
    root["workingSpaceLUT"].setValue("ACEScg")
    root["OCIO_config"].setValue("custom")
    root["customOCIOConfigPath"].setValue("/show/config.ocio")
    assert (colour().config, colour().space) == ("/show/config.ocio", "ACEScg")
    monkeypatch.setenv("OCIO", "/studio/config.ocio")
    assert colour().config == "/studio/config.ocio"
