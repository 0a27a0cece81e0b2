"""What the adapter assumes of nodes, knobs and groups."""

import os

from in_nuke_asking import check, made, ours, raises


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
    assert isinstance(group, nuke.Group) and inner in group.nodes()
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


@check
def a_label_can_be_changed(nuke, folder):
    group = made(nuke, "Group")
    group.addKnob(nuke.String_Knob("words", "before"))
    group["words"].setLabel("after")
    assert group["words"].label() == "after"
