"""Fixtures that every test file may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from shots import TinyShot, write_tiny_shot

# So that their asserts explain themselves, as a test file's do.
pytest.register_assert_rewrite("parity_trimap", "parity_vectors")


@pytest.fixture
def tiny_shot(tmp_path: Path) -> TinyShot:
    """64 x 48, frames 1-12, tagged linear Rec.709; alpha, foreground and background known exactly."""
    return write_tiny_shot(tmp_path / "tiny")
