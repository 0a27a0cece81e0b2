"""Every assumption that the stand-in (tests/fakes/nuke.py) makes of Nuke, asked of a real one.

    nuke -t tests/nuke/in_nuke.py

For whoever has a licence: it takes a render licence, a minute and a temporary folder, and touches nothing else. It
prints one line a check; the exit code is the number of checks that failed. The same CHECKS run against the stand-in
in test_in_nuke.py, so the stand-in may only say what is asked here. PIXELS need Nuke's renderer.
"""

import importlib
import os
import re
import shutil
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHECKS, PIXELS = [], []


def check(call):
    CHECKS.append(call)
    return call


def pixels(call):
    PIXELS.append(call)
    return call


def raises(kinds, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kinds:
        return
    raise AssertionError("nothing was raised")


def made(nuke, kind, **knobs):
    node = nuke.createNode(kind, inpanel=False)
    for index in range(node.inputs()):
        node.setInput(index, None)
    for name, value in knobs.items():
        node[name].setValue(value)
    return node


def ours():
    return importlib.import_module("seqmatte_nuke")


@check
def an_unknown_knob_is_a_name_error(nuke, folder):
    raises(NameError, lambda: made(nuke, "Read")["no_such_knob"])
    assert made(nuke, "Read").knob("no_such_knob") is None


@check
def a_read_has_the_knobs_and_words_that_we_set(nuke, folder):
    read = made(nuke, "Read", raw=True, premultiplied=False, auto_alpha=False, frame="", disable=False)
    words = {
        "on_error": ("error", "black"),
        "before": ("hold", "black"),
        "after": ("hold", "black"),
        "frame_mode": ("expression", "start at", "offset"),
        "localizationPolicy": ("off",),
    }
    for name, values in words.items():
        for value in values:
            read[name].setValue(value)
            assert read[name].value() == value, (name, value, read[name].value())
    for name in ("first", "last", "origfirst", "origlast"):
        read[name].setValue(1001)
        assert int(read[name].value()) == 1001
    read["colorspace"].value()


@check
def the_knobs_of_exr_appear_with_the_file_type(nuke, folder):
    write = made(nuke, "Write")
    if write["file_type"].value() != "exr":
        raises(NameError, lambda: write["datatype"])
    write["file_type"].setValue("exr")
    words = {"datatype": "32 bit float", "compression": "Zip (1 scanline)", "metadata": "no metadata"}
    for name, value in words.items():
        write[name].setValue(value)
        assert write[name].value() == value
    write["autocrop"].setValue(False)
    for name, value in {"channels": "alpha", "raw": True, "create_directories": True, "views": "main"}.items():
        write[name].setValue(value)
        assert write[name].value() == value, name


@check
def a_reload_raises_the_version_of_a_read(nuke, folder):
    read = made(nuke, "Read")
    before = int(read["version"].value())
    read["reload"].execute()
    assert int(read["version"].value()) == before + 1


@check
def a_group_is_a_context_and_has_as_many_inputs_as_input_nodes(nuke, folder):
    above, group = made(nuke, "Dot"), made(nuke, "Group")
    assert not group.setInput(0, above)
    with group:
        inner = made(nuke, "Input")
        inner.setName("plate")
        inner["number"].setValue(0)
    assert group.setInput(0, above) and group.input(0) == above
    assert inner.fullName() == group.name() + ".plate"
    with group, nuke.root():
        assert nuke.toNode(group.name()) == group
    assert (inner.Class(), int(inner["number"].value())) == ("Input", 0)
    assert group.node("plate") == inner and group.node("nobody") is None
    assert nuke.toNode("nobody") is None
    assert inner not in nuke.allNodes() and inner in nuke.allNodes("Input", recurseGroups=True)


@check
def names_stay_unique_when_they_are_set(nuke, folder):
    first, second = made(nuke, "Dot"), made(nuke, "Dot")
    first.setName("Same1")
    second.setName("Same1")
    assert (first.name(), second.name()) == ("Same1", "Same2")


@check
def a_new_node_is_connected_to_the_selection_and_selected_itself(nuke, folder):
    first = nuke.createNode("Dot", inpanel=False)
    second = nuke.createNode("Dot", inpanel=False)
    assert second.input(0) == first and nuke.selectedNodes() == [second]


@check
def a_switch_follows_the_groups_list_by_its_place(nuke, folder):
    group = made(nuke, "Group")
    group.addKnob(nuke.Enumeration_Knob("show", "show", ["a", "b", "c"]))
    with group:
        switch = made(nuke, "Switch")
    switch["which"].setExpression("parent.show")
    group["show"].setValue("c")
    assert switch["which"].value() == 2.0


@check
def a_link_knob_reaches_a_knob_inside(nuke, folder):
    group = made(nuke, "Group")
    with group:
        made(nuke, "Read", on_error="black").setName("Inner")
    link = nuke.Link_Knob("missing", "missing frames")
    link.setLink("Inner.on_error")
    group.addKnob(link)
    assert group.node("Inner")["on_error"].value() == "black"


@check
def a_wrong_word_is_refused_or_changes_nothing(nuke, folder):
    read = made(nuke, "Read", on_error="black")
    try:
        read["on_error"].setValue("no such word")
    except (TypeError, ValueError):
        pass
    assert read["on_error"].value() == "black"


@check
def the_root_has_the_knobs_that_say_what_numbers_mean(nuke, folder):
    root = nuke.root()
    for name in ("colorManagement", "OCIO_config", "customOCIOConfigPath", "workingSpaceLUT", "proxy", "name"):
        root[name].value()
    assert root["colorManagement"].value() in ("Nuke", "OCIO")
    assert root["proxy"].value() in (True, False)


@check
def a_file_knob_evaluates_the_scripts_folder_and_keeps_the_number(nuke, folder):
    nuke.scriptSaveAs(os.path.join(folder, "evaluated.nk"))
    group = made(nuke, "Group")
    group.addKnob(nuke.File_Knob("folder", "folder"))
    group["folder"].setValue("[file dirname [value root.name]]/x.%04d.exr")
    assert group["folder"].value() == "[file dirname [value root.name]]/x.%04d.exr"
    assert group["folder"].getEvaluatedValue() == folder.replace("\\", "/") + "/x.%04d.exr"


@check
def a_read_and_a_write_tell_of_views(nuke, folder):
    """The one keeps the mark for a view where its file is evaluated, the other names them in words."""
    read, write = made(nuke, "Read", file="/a/%V/x.%04d.exr"), made(nuke, "Write")
    assert read["file"].getEvaluatedValue() == "/a/%V/x.%04d.exr"
    before = [str(view) for view in nuke.views()]
    nuke.addView("right")
    try:
        assert [str(view) for view in nuke.views()] == [*before, "right"]
        write["views"].setValue(before[0] + " right")
        assert write["views"].value().split() == [before[0], "right"]
    finally:
        nuke.deleteView("right")


@check
def a_write_that_is_disabled_nameless_or_without_folder_is_not_executed(nuke, folder):
    write = exr_write(nuke, os.path.join(folder, "new", "a.%04d.exr"))
    write["disable"].setValue(True)
    raises(RuntimeError, nuke.execute, write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
    write["disable"].setValue(False)
    write["create_directories"].setValue(False)
    raises(RuntimeError, nuke.execute, write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
    write["file"].setValue("")
    raises(RuntimeError, nuke.execute, write, nuke.FrameRanges([1]), ["main"], continueOnError=False)


@check
def an_execute_writes_the_frames_named_makes_the_folder_and_puts_the_frame_back(nuke, folder):
    write = exr_write(nuke, os.path.join(folder, "made", "a.%04d.exr"))
    nuke.frame(7)
    nuke.execute(write, nuke.FrameRanges([2, 5]), ["main"], continueOnError=False)
    assert sorted(os.listdir(os.path.join(folder, "made"))) == ["a.0002.exr", "a.0005.exr"]
    assert nuke.frame() == 7 and not nuke.executing()


@check
def a_default_of_the_studio_holds_for_new_nodes(nuke, folder):
    nuke.knobDefault("Read.before", "loop")
    assert made(nuke, "Read")["before"].value() == "loop"
    nuke.knobDefault("Read.before", "hold")


@check
def what_we_rely_on_is_saved_even_where_it_is_a_default(nuke, folder):
    """And survives a studio that has another default when the script is opened."""
    read = made(nuke, "Read", before="hold")
    read.setName("Relied1")
    read["before"].setFlag(nuke.ALWAYS_SAVE)
    place = os.path.join(folder, "relied.nk")
    nuke.scriptSaveAs(place)
    with open(place) as file:
        assert re.search(r"\bbefore\b", file.read())
    nuke.knobDefault("Read.before", "loop")
    nuke.scriptClear()
    nuke.scriptOpen(place)
    nuke.knobDefault("Read.before", "hold")
    assert nuke.toNode("Relied1")["before"].value() == "hold"


@check
def on_create_is_called_for_a_pasted_node_when_it_is_complete(nuke, folder):
    seen = []

    def called():
        node = nuke.thisNode()
        if node.knob("in_nuke") is not None:
            seen.append((node.Class(), node["in_nuke"].value()))

    nuke.addOnCreate(called, nodeClass="Group")
    group = made(nuke, "Group")
    group.addKnob(nuke.String_Knob("in_nuke", "in_nuke"))
    group["in_nuke"].setValue("abc")
    for node in nuke.allNodes():
        node["selected"].setValue(node == group)
    nuke.nodeCopy(os.path.join(folder, "clip.nk"))
    nuke.nodePaste(os.path.join(folder, "clip.nk"))
    assert ("Group", "abc") in seen


@check
def a_deleted_node_raises_when_it_is_touched(nuke, folder):
    node = made(nuke, "Dot")
    nuke.delete(node)
    raises(ValueError, node.name)


@check
def nodes_that_change_time_have_the_knobs_that_we_read(nuke, folder):
    offset, hold = made(nuke, "TimeOffset", time_offset=10), made(nuke, "FrameHold")
    assert (offset["time_offset"].value(), offset["reverse_input"].value()) == (10, False)
    held = hold.knob("firstFrame") or hold.knob("first_frame")
    held.setValue(7)
    assert (held.value(), hold["increment"].value()) == (7, 0)


@pixels
def a_time_offset_shows_the_frame_so_many_before(nuke, folder):
    ramp = made(nuke, "Constant", channels="rgba")
    ramp["color"].setExpression("frame")
    offset = made(nuke, "TimeOffset", time_offset=10)
    offset.setInput(0, ramp)
    nuke.frame(50)
    assert offset.sample("rgba.red", 5, 5) == 40


@check
def without_a_window_there_is_no_menu(nuke, folder):
    if not nuke.GUI:
        raises(RuntimeError, nuke.menu, "Nodes")


@check
def calling_for_the_main_thread_from_the_main_thread_is_an_error(nuke, folder):
    """Or at least nothing that we do: the adapter never does it."""
    try:
        nuke.executeInMainThread(len, args=((),))
    except RuntimeError:
        pass


@check
def the_knobs_that_a_node_is_made_of_exist(nuke, folder):
    group = made(nuke, "Group")
    for knob in (
        nuke.Tab_Knob("t", "t"), nuke.Tab_Knob("g", "g", nuke.TABBEGINCLOSEDGROUP), nuke.Int_Knob("i", "i"),
        nuke.Double_Knob("d", "d"), nuke.Boolean_Knob("b", "b"), nuke.PyScript_Knob("p", "p", "pass"),
        nuke.Text_Knob("x", "x", "words"), nuke.Tab_Knob("e", "", nuke.TABENDGROUP),
    ):  # fmt: skip
        knob.setTooltip("a tip")
        group.addKnob(knob)
    group["d"].setRange(0.0, 2.0)
    group["d"].setValue(0.1)
    group["x"].setValue("other words")
    assert (group["d"].value(), group["x"].value()) == (0.1, "other words")


@check
def our_node_is_made_saved_and_wired(nuke, folder):
    nuke.scriptSaveAs(os.path.join(folder, "node.nk"))
    group = ours().create()
    inputs = {
        node.name(): [node.input(i) and node.input(i).name() for i in range(node.inputs())] for node in group.nodes()
    }
    assert inputs["Show"] == ["MatteResult", "PlateAlpha", "CheckOver", "plate"]
    assert inputs["PlateAlpha"] == ["plate", "MatteResult"] and inputs["CheckOver"] == ["CheckGrey", "MatteResult"]
    assert inputs["MattePlateWrite"] == ["plate"] and inputs["MatteMaskWrite"] == ["mask"]
    assert all(node["disable"].value() for node in group.nodes() if node.Class() == "Write")
    nuke.scriptSaveAs(os.path.join(folder, "node.nk"))


@pixels
def raw_float_goes_to_disk_and_back_exactly(nuke, folder):
    constant = made(nuke, "Constant", channels="rgba", color=3.7)
    write = exr_write(nuke, os.path.join(folder, "raw.%04d.exr"), constant)
    nuke.execute(write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
    read = made(nuke, "Read", raw=True, first=1, last=1)
    read["file"].fromUserText(os.path.join(folder, "raw.%04d.exr"))
    assert abs(read.sample("rgba.red", 5, 5) - 3.7) < 1e-6


@pixels
def the_windows_of_a_cropped_picture_reach_the_file(nuke, folder):
    constant = made(nuke, "Constant", channels="rgba", color=1.0)
    crop = made(nuke, "Crop", reformat=False)
    crop["box"].setValue((10, 20, 110, 70))
    crop.setInput(0, constant)
    write = exr_write(nuke, os.path.join(folder, "crop.%04d.exr"), crop)
    nuke.execute(write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
    header, _ = importlib.import_module("seqmatte_nuke.exr_bytes")._header(
        content(os.path.join(folder, "crop.0001.exr"))
    )
    print("   data window of a crop to 10,20 - 110,70:", header["dataWindow"].hex())


@pixels
def the_same_picture_rendered_twice_has_one_digest(nuke, folder):
    exr_bytes = importlib.import_module("seqmatte_nuke.exr_bytes")
    constant = made(nuke, "Constant", channels="rgba", color=0.25)
    found = []
    for name in ("one", "two"):
        write = exr_write(nuke, os.path.join(folder, name + ".%04d.exr"), constant)
        nuke.execute(write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
        found.append(exr_bytes.digest(os.path.join(folder, name + ".0001.exr")))
    assert found[0] == found[1]


@pixels
def the_keys_of_a_roto_are_found(nuke, folder):
    import nuke.rotopaint as rotopaint

    roto = made(nuke, "Roto")
    curves = roto["curves"]
    shape = rotopaint.Shape(curves, type="bezier")
    for x, y in ((10, 10), (100, 10), (50, 90)):
        shape.append((x, y))
    shape[0].center.addPositionKey(5, (12, 12))
    curves.rootLayer.append(shape)
    keys = importlib.import_module("seqmatte_nuke.keys")
    assert any(5 in set(keys._key_frames(found)) for found in keys._shapes(curves.rootLayer))


@check
def what_is_set_while_undo_is_disabled_is_set(nuke, folder):
    nuke.Undo.disable()
    nuke.Undo.disable()
    try:
        read = made(nuke, "Read", first=7)
    finally:
        nuke.Undo.enable()
        nuke.Undo.enable()
    assert int(read["first"].value()) == 7
    assert issubclass(nuke.CancelledError, Exception)


@check
def a_label_can_be_changed(nuke, folder):
    group = made(nuke, "Group")
    group.addKnob(nuke.String_Knob("words", "before"))
    group["words"].setLabel("after")
    assert group["words"].label() == "after"


@check
def on_a_save_the_script_has_its_new_name_already(nuke, folder):
    """What is set then is saved too."""
    seen = []

    def called():
        seen.append(nuke.root()["name"].value())
        nuke.toNode("Saved1")["label"].setValue("set while it is saved")

    made(nuke, "Dot").setName("Saved1")
    nuke.addOnScriptSave(called)
    place = os.path.join(folder, "new.nk").replace("\\", "/")
    try:
        nuke.scriptSaveAs(place)
    finally:
        nuke.removeOnScriptSave(called)
    assert seen == [place]
    with open(place) as file:
        assert "set while it is saved" in file.read()


@check
def before_each_frame_of_a_render_its_write_and_number_are_known(nuke, folder):
    seen = []

    def called():
        seen.append((nuke.thisNode().name(), nuke.frame()))

    nuke.addBeforeFrameRender(called)
    write = exr_write(nuke, os.path.join(folder, "a.%04d.exr"))
    try:
        nuke.execute(write, nuke.FrameRanges([2, 5]), ["main"], continueOnError=False)
    finally:
        nuke.removeBeforeFrameRender(called)
    assert seen == [(write.name(), 2), (write.name(), 5)]


@check
def the_boxes_that_buttons_open_are_there(nuke, folder):
    for name in ("ask", "getInput", "message"):
        assert callable(getattr(nuke, name)), name


@pixels
def every_config_that_comes_with_nuke_is_found_by_its_name(nuke, folder):
    space = importlib.import_module("seqmatte_nuke.working_space")
    root, lost = nuke.root(), []
    root["colorManagement"].setValue("OCIO")
    for name in (entry.partition("\t")[0] for entry in root["OCIO_config"].values()):
        root["OCIO_config"].setValue(name)
        try:
            print("  ", name, "works in", root["workingSpaceLUT"].value(), "told as", space.colour())
        except Exception as error:  # noqa: BLE001 - the adapter's own, whatever it is
            lost += [] if name == "custom" else [f"{name}: {error}"]
    assert lost == []


@pixels
def what_nuke_sets_for_itself_is_stripped_for_the_engine(nuke, folder):
    child = importlib.import_module("seqlink.child")
    kept = child.stripped(os.environ)
    print("   taken from the engine's environment:", ", ".join(sorted(set(os.environ) - set(kept))) or "nothing")
    strange = [name for name in kept if "NUKE" in name.upper() or name.upper().startswith("FN_")]
    print("   left in it:", ", ".join(sorted(strange)) or "nothing of Nuke's")


def exr_write(nuke, place, above=None):
    write = made(nuke, "Write", file_type="exr", channels="rgba", raw=True, create_directories=True, disable=False)
    write["file"].setValue(place.replace("\\", "/"))
    write["datatype"].setValue("32 bit float")
    write["compression"].setValue("Zip (1 scanline)")
    write["views"].setValue("main")
    write.setInput(0, above if above is not None else made(nuke, "Constant"))
    return write


def content(path):
    with open(path, "rb") as file:
        return file.read()


def run(nuke, checks):
    """Runs checks, each in an empty script and folder; gives the names of those that failed."""
    failed = []
    for one in checks:
        folder = tempfile.mkdtemp()
        try:
            nuke.scriptClear()
            one(nuke, folder)
        except Exception:  # noqa: BLE001 - the next check is asked whatever this one met
            failed.append(one.__name__)
            traceback.print_exc()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print("{}  {}".format("FAILED" if one.__name__ in failed else "ok    ", one.__name__.replace("_", " ")))
    return failed


def main():
    import nuke

    for name in ("nuke", "plugins"):
        sys.path.insert(0, os.path.join(ROOT, name))
    print("Nuke", nuke.NUKE_VERSION_STRING, "Python", sys.version.split()[0])
    failed = run(nuke, CHECKS + PIXELS)
    print(f"{len(failed)} of {len(CHECKS + PIXELS)} failed")
    sys.exit(len(failed))


if __name__ == "__main__":
    main()
