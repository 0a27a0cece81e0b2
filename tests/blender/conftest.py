"""What lies in inside/ runs in Blender's own Python: never collected by the ordinary suite, which must not load bpy."""

from __future__ import annotations

from pathlib import Path

import pytest

INSIDE = Path(__file__).parent / "inside"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = any(Path(arg.split("::")[0]).resolve().is_relative_to(INSIDE) for arg in config.args)
    return True if collection_path == INSIDE and not named else None
