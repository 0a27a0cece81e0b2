import json
import os
import sys

import pytest

from seqlink import settings
from seqlink.settings import Settings, SettingsError


def test_what_is_saved_is_loaded(tmp_path):
    file = tmp_path / "deep" / "settings.json"
    settings.save(Settings("/venv/bin/python", "/cache", "cuda:1"), file)
    assert settings.load(file, {}) == Settings("/venv/bin/python", "/cache", "cuda:1")
    assert os.listdir(file.parent) == ["settings.json"]


def test_without_a_file_the_defaults_hold(tmp_path):
    assert settings.load(tmp_path / "none", {}) == Settings()


def test_a_studios_environment_wins_over_the_file(tmp_path):
    settings.save(Settings("mine", "here", "cpu"), tmp_path / "s")
    environment = {"SEQMATTE_PYTHON": "theirs", "SEQMATTE_DEVICE": "cuda"}
    assert settings.load(tmp_path / "s", environment) == Settings("theirs", "here", "cuda")


def test_a_home_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    settings.save(Settings("~/venv/bin/python", "here"), tmp_path / "s")
    made = settings.load(tmp_path / "s", {"SEQMATTE_CACHE": "~/cache"})
    assert made == Settings(str(tmp_path / "venv/bin/python"), str(tmp_path / "cache"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"python": 3}', "\xff"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, text):
    (tmp_path / "s").write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError, match=r"Delete the file|not a text"):
        settings.load(tmp_path / "s", {})


def test_settings_of_a_later_version_are_read_past(tmp_path):
    (tmp_path / "s").write_text(json.dumps({"python": "p", "colour of the bar": "green"}))
    assert settings.load(tmp_path / "s", {}) == Settings("p")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    settings.save(Settings("old"), tmp_path / "s")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        settings.save(Settings("new"), tmp_path / "s")
    assert settings.load(tmp_path / "s", {}) == Settings("old")
    assert os.listdir(tmp_path) == ["s"]


def test_the_command_names_python_device_and_cache():
    made = settings.command(Settings(sys.executable, "/cache", "cpu"))
    assert made == [sys.executable, "-m", "seqmatte", "worker", "--device", "cpu", "--cache", "/cache"]


def test_without_a_python_the_command_on_the_path_serves(tmp_path, monkeypatch):
    program = tmp_path / "seqmatte"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert settings.command(Settings()) == [str(program), "worker", "--device", "auto"]


def test_without_any_engine_the_error_says_where_to_name_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="SEQMATTE_PYTHON"):
        settings.command(Settings())


def test_the_file_lies_where_the_system_keeps_settings(monkeypatch):
    monkeypatch.delenv("SEQMATTE_SETTINGS", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    assert str(settings.path()) == "/config/seqmatte/settings.json"
    monkeypatch.setenv("SEQMATTE_SETTINGS", "/studio/s.json")
    assert str(settings.path()) == "/studio/s.json"
