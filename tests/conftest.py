"""Fixtures that every test file may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shots import TinyShot, write_tiny_shot

if TYPE_CHECKING:
    from shared_graphs import SharedGraphs

# So that their asserts explain themselves, as a test file's do.
pytest.register_assert_rewrite("parity_trimap", "parity_vectors")


@pytest.fixture
def tiny_shot(tmp_path: Path) -> TinyShot:
    """64 x 48, frames 1-12, tagged linear Rec.709; alpha, foreground and background known exactly."""
    return write_tiny_shot(tmp_path / "tiny")


@pytest.fixture(scope="session")
def graphs_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> SharedGraphs:
    """One folder for all workers of pytest-xdist: graphs that take up to minutes to write."""
    from shared_graphs import SharedGraphs  # Blender's Python, which reads this file too, has no torch

    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "graphs"
    home.mkdir(exist_ok=True)
    return SharedGraphs(home)


@pytest.fixture
def shared_graphs(graphs_of_the_run: SharedGraphs, monkeypatch: pytest.MonkeyPatch) -> SharedGraphs:
    """They, in the user's own folder."""
    monkeypatch.setenv("SEQMATTE_HOME", str(graphs_of_the_run.home))
    return graphs_of_the_run
