"""The panel, drawn on paper: every property and button it names must exist, and it must say what matters."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest
import rig
from paper import drawn


@pytest.fixture
def keyed(comp: rig.Comp) -> rig.Comp:
    comp.key(1001, source="MASK", mask=rig.mask("Head", comp.disc(1001)))
    return comp


def test_without_a_node_it_offers_to_add_one():
    assert drawn() == ["Choose a Matte node, or add one:", "(Matte)"]


def test_a_new_node_says_what_to_do(keyed: rig.Comp):
    lines = drawn()
    assert "Plate: Image" in lines and "Not solved: press Solve" in lines
    assert "[1001]" in lines and "[Head]" in lines and "(Solve)" in lines and "(Solve from Here)" in lines


def test_options_of_every_method_of_the_recipe_are_drawn(keyed: rig.Comp):
    keyed.group.seqmatte.show_options = True
    text, props = "\n".join(drawn()), rig.part("props")
    wanted = props.methods_of("flow-closed-form")
    assert "guide_flow" in wanted
    for method in (row for row in props.catalogue()["methods"] if row["name"] in wanted):
        for option in method["params"]:
            assert (
                getattr(keyed.group.seqmatte, f"options_{method['name']}").bl_rna.properties[option["name"]].name
                in text
            )


def test_every_recipe_can_be_chosen_and_auto_has_the_options_of_every_recipe(keyed: rig.Comp):
    chosen = keyed.group.seqmatte
    chosen.show_options = True
    for name, *_ in rig.part("props").recipes():
        chosen.recipe = name
        assert any(line.startswith("[Quality:") for line in drawn())
    chosen.recipe = "auto"
    lines = drawn()
    assert "refine" in lines and "closed_form" not in lines and any(line.startswith("[Clean") for line in lines)
    assert rig.part("props").params(chosen) == {}
    chosen.options_refine.brightest = 8.0
    assert rig.part("props").params(chosen) == {"refine": {"brightest": 8.0}}


def test_while_it_solves_there_is_a_bar_and_cancel_and_afterwards_the_frames(keyed: rig.Comp):
    job = keyed.begin()
    assert any(line.startswith("exporting") for line in drawn()) and "(Cancel)" in drawn()
    rig.until(job, lambda: job.over)
    lines = drawn()
    assert "(Cancel)" not in lines and "Ready 5: 1001-1005" in lines
    assert "Ready: every frame of the range is there" in lines
    assert "Plate: plate.1001.exr: read directly" in lines


def test_failures_are_drawn_with_their_frame_and_sentence(keyed: rig.Comp, broken_engine):
    broken_engine("half")
    rig.message_of(keyed.solve)
    lines = drawn()
    assert "Failed: see the message" in lines and "Frame 1004: frame 1004 is unreadable" in lines


def test_the_panel_is_in_the_compositor_only():
    poll = rig.part("panel").SEQMATTE_PT_matte.poll
    assert poll(SimpleNamespace(space_data=SimpleNamespace(tree_type="CompositorNodeTree")))
    assert not poll(SimpleNamespace(space_data=SimpleNamespace(tree_type="ShaderNodeTree")))
    assert not poll(SimpleNamespace(space_data=None))


def test_disabling_and_enabling_the_add_on_leaves_nothing_behind(keyed: rig.Comp):
    handlers = bpy.app.handlers
    counts = [len(handlers.load_post), len(handlers.render_pre)]
    bpy.ops.preferences.addon_disable(module=rig.MODULE)
    assert not hasattr(bpy.types.CompositorNodeTree, "seqmatte")
    assert [len(handlers.load_post), len(handlers.render_pre)] == [count - 1 for count in counts]
    bpy.ops.preferences.addon_enable(module=rig.MODULE)
    assert [key.frame for key in keyed.group.seqmatte.keys] == [1001]
