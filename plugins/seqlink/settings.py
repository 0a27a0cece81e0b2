"""Per user: which Python has the engine, where its cache lies, which device it uses. One small JSON file.

The environment wins over the file, so that a studio sets one thing in one place: SEQMATTE_PYTHON, SEQMATTE_CACHE,
SEQMATTE_DEVICE.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(ValueError):
    """The settings cannot be read or are not enough; says what to do."""


@dataclass(frozen=True)
class Settings:
    """python: the interpreter that has seqmatte installed; empty: the `seqmatte` command on the path.

    cache: folder of results; empty: the engine's own choice. device: auto, cpu, cuda, cuda:1.
    """

    python: str = ""
    cache: str = ""
    device: str = "auto"


def path() -> Path:
    """The settings file: $SEQMATTE_SETTINGS, else in the system's folder of settings."""
    named = os.environ.get("SEQMATTE_SETTINGS")
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "seqmatte" / "settings.json"
    base = os.environ.get("APPDATA") if sys.platform == "win32" else os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "seqmatte" / "settings.json"


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The user's settings with the environment's on top; the defaults where there is no file.

    Raises SettingsError for a file that cannot be read. Names this build does not know are left alone.
    """
    saved = _read(file or path())
    environment = os.environ if environment is None else environment
    for field in dataclasses.fields(Settings):
        named = environment.get("SEQMATTE_" + field.name.upper())
        if named:
            saved[field.name] = named
    for name in {"python", "cache"} & set(saved):
        saved[name] = os.path.expanduser(saved[name])  # no shell stands between, and a folder called ~ would be made
    return Settings(**saved)


def save(settings: Settings, file: Path | None = None) -> None:
    """Written whole or not at all. Raises OSError."""
    file = file or path()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=str(file.parent), suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(dataclasses.asdict(settings), stream, indent=2)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


def command(settings: Settings) -> list[str]:
    """What starts the worker. Raises SettingsError when no engine is set and none is on the path."""
    options = ["worker", "--device", settings.device]
    if settings.cache:
        options += ["--cache", settings.cache]
    if settings.python:
        return [settings.python, "-m", "seqmatte", *options]
    found = shutil.which("seqmatte")
    if not found:
        raise SettingsError(
            "no engine is set. Name the Python that has seqmatte installed in the preferences, "
            "or in the variable SEQMATTE_PYTHON"
        )
    return [found, *options]


def _read(file: Path) -> dict[str, str]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: cannot read the settings ({error}). Delete the file to begin afresh") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{file}: not a JSON object. Delete the file to begin afresh")
    known = {field.name for field in dataclasses.fields(Settings)}
    for name in known & set(document):
        if not isinstance(document[name], str):
            raise SettingsError(f"{file}: {name} is not a text")
    return {name: value for name, value in document.items() if name in known}
