"""What Nuke runs at its start, the menu, the engine that an artist names, and bugs that Nuke outlives."""

import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_start_files_never_stop_nuke_from_starting(hostile_nuke, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "seqmatte_nuke", None)
    for name in ("init.py", "menu.py"):
        runpy.run_path(str(ROOT / "nuke" / name))
    said = capsys.readouterr()
    assert "Nuke goes on without it" in said.out and "ModuleNotFoundError" in said.err


def test_start_without_a_window_adds_no_menu_and_no_label(hostile_nuke):
    hostile_nuke.GUI = False
    runpy.run_path(str(ROOT / "nuke/init.py"))
    assert hostile_nuke._callbacks["onCreate"] and not hostile_nuke._callbacks["autolabel"]


def test_the_menu_makes_a_node_that_is_connected_to_the_selection(adapter, nuke, capsys):
    runpy.run_path(str(ROOT / "nuke/menu.py"))
    read = nuke.createNode("Read", inpanel=False)
    nuke.menu("Nodes").menus["SeqMatte"].commands["Matte"]()
    assert nuke.toNode("SeqMatte1").input(0) is read
    assert nuke.toNode("SeqMatte1").fullName() == "SeqMatte1"
    assert "goes on without" not in capsys.readouterr().out


def test_the_engine_is_named_tried_and_kept(script, monkeypatch, settings):
    from seqlink import settings as kept

    program = os.environ["SEQMATTE_PYTHON"]
    monkeypatch.delenv("SEQMATTE_PYTHON")
    script.nuke.answers[:] = [program]
    script.press("engine")
    assert script.nuke.told[0].startswith("SeqMatte ") and "device cpu" in script.nuke.told[0]
    assert kept.load().python == program
    script.nuke.answers[:] = ["/no/such/python"]
    script.press("engine")
    assert "cannot start the engine" in script.nuke.told[1]
    assert kept.load().python == program


def test_a_bug_of_ours_is_shown_and_nuke_goes_on(script, monkeypatch):
    from seqmatte_nuke import actions

    monkeypatch.setitem(actions.ACTIONS, "solve", lambda group: 1 / 0)
    script.press("solve")
    assert "SeqMatte met a bug" in script.nuke.told[0] and "ZeroDivisionError" in script.nuke.told[0]
