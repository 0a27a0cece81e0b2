"""What the adapter assumes of scripts: evaluated, rendered, saved, pasted, and what is called on the way."""

import os
import re

from in_nuke_asking import check, exr_write, made, raises


@check
def a_file_knob_evaluates_the_scripts_folder_and_keeps_the_number(nuke, folder):
    nuke.scriptSaveAs(os.path.join(folder, "evaluated.nk"))
    group = made(nuke, "Group")
    group.addKnob(nuke.File_Knob("folder", "folder"))
    group["folder"].setValue("[file dirname [value root.name]]/x.%04d.exr")
    assert group["folder"].value() == "[file dirname [value root.name]]/x.%04d.exr"
    assert group["folder"].getEvaluatedValue() == folder.replace("\\", "/") + "/x.%04d.exr"


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
