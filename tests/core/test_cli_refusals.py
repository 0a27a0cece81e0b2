"""What the command line refuses, and with which words: before anything is computed or written over."""

import pytest

from seqlink import Shot
from seqmatte import cli, colour
from seqmatte.errors import OutputError

RECIPE = ("--recipe", "flow-closed-form")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def guided(tiny_shot):
    """The words that name the plate and one mask."""
    return (tiny_shot.plate, "--mask", f"1={tiny_shot.guide(1).path}", *RECIPE)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_a_saved_document_finds_its_colour_config_from_any_folder(guided, tmp_path, monkeypatch):
    import PyOpenColorIO as ocio

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.ocio").write_text(ocio.Config.CreateFromFile(colour.BUILT_IN).serialize())
    assert run("matte", *guided, "--config", "my.ocio", "--save", "shot.json", "--dry-run") == 0
    assert Shot.from_json((tmp_path / "shot.json").read_text()).colour.config == str(tmp_path / "my.ocio")
    assert run("matte", *guided, "--config", colour.BUILT_IN, "--save", "shot.json", "--dry-run") == 0
    assert Shot.from_json((tmp_path / "shot.json").read_text()).colour.config == colour.BUILT_IN


def test_a_bundle_is_not_written_over_the_document_it_was_made_from(guided, tmp_path, capsys):
    saved = tmp_path / "shot.json"
    assert run("matte", *guided, "--save", saved, "--dry-run") == 0
    before = saved.read_bytes()
    assert run("bundle", saved, "--out", tmp_path / "m.####.exr", "--folder", tmp_path) == OutputError.code
    assert "--folder" in capsys.readouterr().err
    assert saved.read_bytes() == before
    assert not (tmp_path / "template.json").exists()
