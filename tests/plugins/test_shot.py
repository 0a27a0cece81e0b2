import json

import pytest

from seqlink import Colour, FramePath, FrameRange, Guide, Shot


def whole_shot():
    return Shot(
        plate=FramePath("/shows/ä b/plate.####.exr"),
        frames=FrameRange.parse("1001-1100"),
        guides=(Guide(1001, "m.exr"), Guide(1050, "t.exr", "trimap"), Guide(1001, "h.exr", "alpha", "head")),
        clean=FramePath("clean.exr"),
        colour=Colour("ocio://default", "ACEScg"),
        recipe="flow-closed-form",
        params={"refine": {"strength": 0.5}},
        out=FramePath("out.####.exr"),
        weights={"rvm": "rvm.pth"},
    )


def test_a_shot_survives_json():
    assert Shot.from_json(whole_shot().to_json()) == whole_shot()


def test_the_smallest_document_is_a_plate_and_frames():
    shot = Shot.from_dict({"plate": "p.####.exr", "frames": "1-3"})
    assert (list(shot.frames), shot.recipe, shot.subjects()) == ([1, 2, 3], "auto", ("matte",))


def test_subjects_come_in_the_order_they_were_guided():
    assert whole_shot().subjects() == ("matte", "head")
    assert [guide.frame for guide in whole_shot().guided("head")] == [1001]


def test_an_empty_text_is_as_if_it_were_not_there():
    shot = Shot.from_dict({"plate": "p.####.exr", "frames": "1-3", "clean": "", "out": "", "recipe": "", "layer": ""})
    assert shot == Shot.from_dict({"plate": "p.####.exr", "frames": "1-3"})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"plate": None}, "plate"),
        ({"frames": "9-1"}, "frames"),
        ({"frmes": "1"}, "frmes"),
        ({"version": 99}, "version"),
        ({"version": "1"}, "version"),
        ({"guides": [{"frame": "1", "path": "m"}]}, r"guides\[0\].frame"),
        ({"guides": [{"frame": 1}]}, r"guides\[0\].path"),
        ({"guides": [{"frame": 1, "path": "m", "kind": "matte"}]}, r"guides\[0\].kind"),
        ({"guides": [{"frame": 1, "path": "m", "colour": "x"}]}, r"guides\[0\].colour"),
        ({"guides": 5}, "guides"),
        ({"colour": {"space": 3}}, "colour.space"),
        ({"params": {"refine": 3}}, "params.refine"),
        ({"recipe": 7}, "recipe"),
    ],
)
def test_a_wrong_document_names_its_field(change, named):
    document = {"plate": "p.####.exr", "frames": "1-3", **change}
    with pytest.raises(ValueError, match=named):
        Shot.from_dict(document)


@pytest.mark.parametrize("text", ["", "[]", "{", "3", json.dumps({"frames": "1"})])
def test_what_is_no_shot_is_refused(text):
    with pytest.raises(ValueError, match="shot"):
        Shot.from_json(text)
