"""Keys of several kinds on one node, weights fitted to a shot, and nodes of the release before both."""

import json
import shutil
from pathlib import Path

import pytest

from seqlink import Shot
from shots import guide_pixels


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


def shot(script):
    return Shot.from_json((script.results / "shot.json").read_text())


def given(script):
    """What the Shot's guides are, by frame."""
    return {guide.frame: guide.kind for guide in shot(script).guides}


def test_a_key_says_what_it_is_and_a_bare_number_is_what_new_keys_are(script):
    from seqmatte_nuke import keys

    script.node["keys"].setValue("9=trimap, 3 5-6 = alpha")
    assert keys.kinds(script.node) == {3: "mask", 5: "alpha", 6: "alpha", 9: "trimap"}
    script.node["guide_kind"].setValue("alpha")
    assert keys.kinds(script.node)[3] == "alpha"
    script.node["keys"].setValue("3=hair")
    script.press("solve")
    assert script.nuke.told == ["Key frames: 3=hair: 'hair' is none of mask, trimap, alpha."]


def test_a_mask_is_corrected_by_a_trimap_and_an_alpha(script):
    script.node["recipe"].setValue("flow-closed-form")
    script.node["last"].setValue(7)
    script.node["keys"].setValue("3 5=trimap 7=alpha")
    for frame, kind in ((5, "trimap"), (7, "alpha")):
        script.masks[frame] = guide_pixels(script.tiny.alpha[frame], kind)
    script.solve()
    assert script.node["status"].value().startswith("ready, 7/7"), script.node["status"].value()
    assert given(script) == {3: "mask", 5: "trimap", 7: "alpha"}
    assert [Path(guide.path).name.split(".")[0] for guide in shot(script).guides] == ["mask", "trimap", "alpha"]
    assert [row for row in script.written if row[0] == "MatteMaskWrite"] == [
        ("MatteMaskWrite", frame, "main") for frame in (3, 5, 7)
    ]
    assert not list(script.results.glob("guides/new.*/*"))


def test_keys_that_were_added_stay_what_they_were_when_new_ones_are_of_another_kind(script):
    script.node["keys"].setValue("")
    for frame, kind in ((3, "mask"), (9, "trimap"), (10, "trimap"), (11, "alpha")):
        script.node["guide_kind"].setValue(kind)
        script.nuke.frame(frame)
        script.press("add_key")
    assert script.node["keys"].value() == "3=mask 9-10=trimap 11=alpha"
    script.node["guide_kind"].setValue("mask")
    script.press("add_key")
    assert script.node["keys"].value() == "3=mask 9-10=trimap 11=mask"


def test_keys_from_the_roto_leave_the_kind_of_those_that_are_there(script):
    nuke = script.nuke
    script.roto["curves"].rootLayer.append(nuke.Shape([nuke.point(3, 4)]))
    script.node["keys"].setValue("3=trimap")
    script.press("keys_from_roto")
    assert script.node["keys"].value() == "3=trimap 4=mask"


def old_script(script):
    """The script as the release before saved it: no knob for weights, one list for what all keys are."""
    from fakes import nk

    nuke, place = script.nuke, script.nuke.root()["name"].value()
    script.node["guide_kind"].setValue("trimap")
    nuke.scriptSaveAs(place)
    tree = nk.read(Path(place).read_text())
    saved = tree["SeqMatte1"]
    saved.user = [row for row in saved.user if row[1] != "weights"]
    saved.knobs.pop("weights", None)
    saved.knobs["seqmatte_version"] = "1"
    next(rest for _, name, rest in saved.user if name == "guide_kind")["l"] = "mask input is"
    Path(place).write_text(nk.write(tree))
    return place


def test_a_node_of_the_release_before_keeps_its_keys_and_gets_the_knob_for_weights(script, nuke):
    script.node["keys"].setValue("3 5 9")
    nuke.scriptOpen(old_script(script))
    script.node = nuke.toNode("SeqMatte1")
    assert script.node["guide_kind"].label() == "new keys are"
    assert nuke.root().modified() is False
    script.node["guide_kind"].setValue("mask")
    assert script.node["weights"].value() == ""
    script.node.setInput(1, nuke.toNode("Roto1"))
    script.solve()
    assert given(script) == {3: "trimap", 5: "trimap", 9: "trimap"}


def test_a_node_of_the_release_before_that_is_pasted_is_brought_up_by_its_buttons(script, nuke):
    from seqmatte_nuke import node

    script.node["keys"].setValue("3 5 9")
    place = old_script(script)
    nuke.delete(script.node)
    nuke.nodePaste(place)
    (script.node,) = node.all_of_ours()
    assert script.node.knob("weights") is None
    script.node.setInput(0, script.read)
    script.node.setInput(1, script.roto)
    script.nuke.frame(7)
    script.node["guide_kind"].setValue("trimap")
    script.press("add_key")
    assert script.node["keys"].value() == "3-9:2=trimap"
    assert script.node["weights"].value() == ""


def test_weights_fitted_to_the_shot_are_used(script):
    shipped = Path(__file__).resolve().parents[2] / "core/seqmatte/weights_shipped"
    folder = script.folder / "shots/adapted"
    folder.mkdir()
    card = json.loads((shipped / "hstsg-compact.json").read_text())
    shutil.copy(shipped / "hstsg-compact.safetensors", folder / "weights.safetensors")
    (folder / "weights.json").write_text(json.dumps(card))
    script.node["weights"].setValue("[file dirname [value root.name]]/adapted")
    script.solve()
    assert shot(script).weights == {"hstsg-compact": str(folder / "weights.safetensors")}
    assert "train --shot" in script.node["weights"].tooltip()


def test_weights_that_are_not_there_are_told_in_a_sentence(script):
    script.node["weights"].setValue("/no/such/weights")
    script.press("solve")
    assert len(script.nuke.told) == 1
    assert script.nuke.told[0].startswith("Adapted weights: there are no weights at /no/such/weights")


def through(script, kind, **knobs):
    """The roto is seen through a node that changes time."""
    node = script.nuke.createNode(kind, inpanel=False)
    for name, value in knobs.items():
        node[name].setValue(value)
    node.setInput(0, script.roto)
    script.node.setInput(1, node)
    return node


def test_keys_of_a_roto_that_is_offset_lie_where_they_are_seen(script):
    script.roto["curves"].rootLayer.append(script.nuke.Shape([script.nuke.point(1, 6, 11)]))
    through(script, "TimeOffset", time_offset=4.0)
    script.node["keys"].setValue("")
    script.press("keys_from_roto")
    assert script.node["keys"].value() == "5=mask 10=mask"


@pytest.mark.parametrize("kind", ["FrameHold", "TimeWarp"])
def test_keys_of_a_roto_that_is_held_or_retimed_are_left_to_the_artist(script, kind):
    script.roto["curves"].rootLayer.append(script.nuke.Shape([script.nuke.point(6)]))
    through(script, kind)
    script.press("keys_from_roto")
    assert script.nuke.told == [f"{kind}1 shows Roto1 at other times: add its good frames by hand."]
    assert script.node["keys"].value() == "3"
