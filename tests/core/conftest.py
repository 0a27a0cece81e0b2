"""Fixtures of the tests that read plates and guides themselves."""

from __future__ import annotations

import pytest

from seqmatte.keys import FileDigests


@pytest.fixture
def digests(tmp_path):
    made = FileDigests(tmp_path / "digests.sqlite")
    yield made
    made.close()


@pytest.fixture
def no_studio_config(monkeypatch):
    monkeypatch.delenv("OCIO", raising=False)
