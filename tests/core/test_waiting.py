"""Idle threads sleep soon, unless the user says how they wait."""

import os

import pytest

from seqmatte import cli


@pytest.mark.parametrize("said", [{}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}])
def test_a_command_has_idle_threads_sleep_soon_unless_the_environment_says_how_they_wait(monkeypatch, said, capsys):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["recipes"]) == 0
    found = os.environ.get("GOMP_SPINCOUNT")
    assert found == (said.get("GOMP_SPINCOUNT") if said else "1000")
