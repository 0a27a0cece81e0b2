"""The node's panel: keys, options drawn from their declaration, and sentences about what is missing."""

import pytest


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s.node.setInput(0, None), "Connect the plate input of SeqMatte1."),
        (lambda s: s.node["keys"].setValue(""), "No key frames: go to a frame where the mask is good"),
        (lambda s: s.node["keys"].setValue("3 soon"), "cannot read 'soon'"),
        (lambda s: s.node["keys"].setValue("3 40"), "Key frames 40 lie outside the range 1-12"),
        (lambda s: s.node["first"].setValue(50), "The range runs backwards: 50 to 12."),
        (lambda s: s.nuke.root()["name"].setValue(""), "Save the script first"),
        (lambda s: s.node["folder"].setValue("relative"), "has to begin at the root of a disk"),
        (lambda s: setattr(s.nuke.state, "executing", True), "Nuke is rendering"),
        (lambda s: s.nuke.delete(s.node.node("MatteMaskWrite")), "has no MatteMaskWrite inside any more"),
    ],
)
def test_what_is_missing_is_told_in_a_sentence(script, spoil, said):
    spoil(script)
    script.press("solve")
    assert len(script.nuke.told) == 1 and said in script.nuke.told[0]
    assert "Traceback" not in script.nuke.told[0]


def test_a_mask_that_is_not_connected_is_told_when_there_are_keys(script):
    script.node.setInput(1, None)
    script.press("solve")
    assert script.nuke.told == ["Connect the mask input of SeqMatte1."]


def test_keys_are_added_and_removed_at_the_frame_shown(script):
    script.nuke.frame(9)
    script.press("add_key")
    script.press("add_key")
    assert script.node["keys"].value() == "3=mask 9=mask"
    script.nuke.frame(3)
    script.press("remove_key")
    assert script.node["keys"].value() == "9=mask"


def test_keys_come_from_the_rotos_shapes_within_the_range(script):
    nuke, layer = script.nuke, script.nuke.Layer()
    layer.append(nuke.Shape([nuke.point(4, 7.0000001), nuke.point(7)]))
    script.roto["curves"].rootLayer.extend([nuke.Shape([nuke.point(2)]), layer, nuke.Stroke([nuke.point(11)])])
    script.roto["curves"].rootLayer.append(nuke.Shape([nuke.point(400)]))
    script.press("keys_from_roto")
    assert script.node["keys"].value() == "2-4=mask 7=mask"


def test_without_a_roto_there_are_no_keys_to_take(script):
    script.node.setInput(1, script.read)
    script.press("keys_from_roto")
    assert script.nuke.told == ["There is no Roto or RotoPaint above the mask input."]


def test_options_that_are_not_the_default_go_into_the_shot(script):
    from seqmatte_nuke import knobs

    assert knobs.values(script.node, knobs.document()) == {}
    script.node["toy__frame"].setValue(4)
    script.node["closed_form__steadiness"].setValue(0.5)
    assert knobs.values(script.node, knobs.document()) == {"toy": {"frame": 4}, "closed_form": {"steadiness": 0.5}}


def test_every_declared_option_has_its_knob_with_its_default_and_help(script):
    from seqmatte_nuke import knobs

    for method in knobs.document()["methods"]:
        for option in method["params"]:
            knob = script.node[knobs.knob_name(method["name"], option["name"])]
            assert knob.value() == option["default"]
            assert knob.tooltip().startswith(option["help"])


def test_without_the_generated_file_the_running_engine_is_asked(adapter, monkeypatch, tmp_path):
    import seqlink
    from seqmatte_nuke import knobs

    monkeypatch.setattr(knobs, "document", knobs.document.__wrapped__)
    monkeypatch.setattr(seqlink, "__file__", str(tmp_path / "__init__.py"))
    document = knobs.document()
    assert "toy" in knobs.recipes(document)
