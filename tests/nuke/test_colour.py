"""What the script says of its colours reaches the engine under the config that it means, or is asked for."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def nuke(hostile_nuke):
    """Under hostile defaults alone: what is tried here is not the node."""
    return hostile_nuke


@pytest.fixture
def ocio(script, nuke, monkeypatch):
    """A project managed by a config that lies beside a Nuke of our own; chosen(name, space) chooses one."""
    monkeypatch.setattr(nuke, "EXE_PATH", str(script.folder / "Nuke/Nuke15.1"))
    configs = script.folder / "Nuke/plugins/OCIOConfigs/configs"
    (configs / "aces_1.2").mkdir(parents=True)
    for name in ("aces_1.2/config.ocio", "fn-nuke_cg-config-v1.0.0.ocio"):
        (configs / name).write_text("a config")
    nuke.root()["colorManagement"].setValue("OCIO")

    def chosen(name, space="ACEScg"):
        nuke.root()["OCIO_config"].setValue(name)
        nuke.root()["workingSpaceLUT"].setValue(space)
        return configs

    return chosen


@pytest.mark.parametrize(
    ("name", "file"),
    [("aces_1.2", "aces_1.2/config.ocio"), ("fn-nuke_cg-config-v1.0.0", "fn-nuke_cg-config-v1.0.0.ocio")],
)
def test_a_config_that_comes_with_nuke_is_found_as_a_folder_and_as_one_file(ocio, name, file):
    from seqmatte_nuke import working_space

    configs = ocio(name)
    assert working_space.colour().config == str(configs / file)


@pytest.mark.parametrize("name", ["nuke-default", "custom"])
@pytest.mark.parametrize("button", ["solve", "check", "bundle"])
def test_a_config_that_is_not_found_is_never_taken_for_another(script, nuke, ocio, name, button):
    """The engine's own has spaces of the same names and other colours."""
    ocio(name, "scene_linear")
    before = script.node["folder"].value()
    script.press(button)
    assert len(nuke.told) == 1 and name in nuke.told[0] and "project settings" in nuke.told[0]
    assert script.written == [] and script.node["folder"].value() == before


def test_a_role_is_told_to_the_engine_by_the_space_that_it_stands_for(ocio):
    from seqmatte_nuke import working_space

    ocio("aces_1.2", "scene_linear (ACES - ACEScg)")
    assert working_space.colour().space == "ACES - ACEScg"


@pytest.mark.parametrize(
    ("space", "direct"),
    [
        ("ACES - ACEScg", True),
        ("ACES - ACEScg\tColorspaces/ACES - ACEScg", True),
        ("scene_linear (ACES - ACEScg)", True),
        ("default (ACES - ACES2065-1)", False),
        ("linear", False),
    ],
)
def test_a_read_in_the_working_space_is_read_directly_however_the_list_says_it(script, ocio, space, direct):
    from seqmatte_nuke import scene

    ocio("aces_1.2", "scene_linear (ACES - ACEScg)")
    script.read["raw"].setValue(False)
    script.read["colorspace"].setValue(space)
    assert (scene.direct_plate(script.read) is not None) == direct


def test_a_clean_plate_of_each_view_is_that_views(script, nuke):
    nuke.addView("right")
    script.node["clean"].setValue(str(script.folder / "clean/%V.%v.exr"))
    for view in ("main", "right"):
        place = script.folder / f"clean/{view}.{view[0]}.exr"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(Path(script.tiny.plate.path(1)).read_bytes())
    script.solve()
    assert script.node["status"].value().startswith("ready, 12/12"), script.node["status"].value()
    for view in ("main", "right"):
        told = json.loads((script.results / view / "shot.json").read_text())["clean"]
        assert told == str(script.folder / f"clean/{view}.{view[0]}.exr")


def test_a_clean_plate_that_is_named_from_nowhere_is_asked_for_in_full(script, nuke):
    script.node["clean"].setValue("clean/plate.exr")
    script.press("solve")
    assert nuke.told == ["The clean plate is 'clean/plate.exr'; it has to begin at the root of a disk."]
