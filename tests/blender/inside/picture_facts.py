"""What the README's pictures show, out of a real Blender: SAMPLE_FOLDER OUT_FOLDER.

Solves a sample shot, renders the comp, and writes the node tree and the panel as facts.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sample, out = (Path(argument).resolve() for argument in sys.argv[1:])
os.environ["BLENDER_USER_RESOURCES"] = str(out / "user")
root = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), *(str(root / name) for name in ("core", "plugins", "blender", "tests"))]

import bpy  # noqa: E402
import numpy as np  # noqa: E402
import paper  # noqa: E402
import rig  # noqa: E402


def graph(tree: Any) -> dict[str, Any]:
    """Nodes with their place and sockets, and links as (node, socket, node, socket)."""
    nodes = [
        {
            "name": node.label or node.name,
            "matte": rig.part("node").is_matte(node),
            "x": node.location.x,
            "y": node.location.y,
            "inputs": [socket.name for socket in node.inputs if socket.enabled],
            "outputs": [socket.name for socket in node.outputs if socket.enabled],
        }
        for node in tree.nodes
    ]
    place = {node.name: index for index, node in enumerate(tree.nodes)}
    links = [
        (place[link.from_node.name], link.from_socket.name, place[link.to_node.name], link.to_socket.name)
        for link in tree.links
    ]
    return {"nodes": nodes, "links": links}


def traced(path: Path, points: int = 64) -> Any:
    """A Mask around the picture in a mask file, drawn from its middle: as an artist's quick roto."""
    inside = rig.read_first(path) > 0.5
    height, width = inside.shape
    rows, columns = np.nonzero(inside)
    y, x = rows.mean(), columns.mean()
    outline = []
    for turn in np.linspace(0, 2 * np.pi, points, False):
        reach = np.arange(0, max(width, height), 0.5)
        at = np.round(y - reach * np.sin(turn)).astype(int), np.round(x + reach * np.cos(turn)).astype(int)
        kept = (at[0] >= 0) & (at[0] < height) & (at[1] >= 0) & (at[1] < width)
        radius = reach[kept][inside[at[0][kept], at[1][kept]]].max()
        outline.append(rig.outline((x + 0.5, height - y - 0.5), radius, turn, width, height))
    return rig.mask("Subject", outline)


def build() -> Any:
    """The comp of a first matte: plate, mask, Matte, over a colour."""
    scene = bpy.context.scene
    frames = sorted(int(path.name.split(".")[1]) for path in sample.glob("plate.*.exr"))
    first, last = frames[0], frames[-1]
    tree = rig.part("compositor").tree_made(scene)
    tree.nodes.clear()
    plate = rig.add_plate(tree, str(sample / f"plate.{first}.exr"), first, len(frames))
    plate.name = plate.label = "Plate"
    plate.image.colorspace_settings.name = rig.part("scene").working_space()
    width, height = rig.part("windows").of(str(sample / f"plate.{first}.exr")).size
    rig.set_up(scene, width, height, first, last)
    tree.nodes.active, plate.select = plate, True
    bpy.ops.seqmatte.add()
    matte = tree.nodes.active
    over = tree.nodes.new("CompositorNodeAlphaOver")
    over.name = over.label = "Over a colour"
    back, front = (socket for socket in over.inputs if socket.type == "RGBA")
    back.default_value = (0.02, 0.16, 0.18, 1.0)
    output = rig.part("compositor").add_output(tree)
    output.label = "Output"
    tree.links.new(matte.outputs["Image"], front)
    tree.links.new(over.outputs["Image"], output.inputs[0])
    drawn = rig.part("compositor").add_mask(tree, traced(sample / f"mask.{first}.exr"))
    drawn.name = drawn.label = "Mask: Subject"
    tree.links.new(drawn.outputs["Mask"], matte.inputs["Mask"])
    for index, node in enumerate((plate, matte, over, output)):
        node.location = (index * 260, -20 * (index % 2))
    drawn.location = (0, -110)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "comp.blend"))
    return scene, tree, matte, frames


rig.install(out)
bpy.ops.wm.read_homefile(use_empty=True)
scene, tree, matte, frames = build()
scene.frame_set(frames[0])
bpy.ops.seqmatte.key_add(node=matte.name)
bpy.ops.seqmatte.solve(node=matte.name)
state = rig.part("status").of(matte.node_tree)
assert state.word == "ready", state
shown = [frames[0], frames[len(frames) // 2], frames[-1]]
for frame in shown:
    rig.render(scene, frame, out / "renders")
results = [str(rig.part("node").results(matte.node_tree).path(frame)) for frame in shown]
facts = {"frames": shown, "results": results, "graph": graph(tree), "panel": paper.drawn_rows()}
(out / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
rig.part("session").stop()
sys.stdout.flush()
os._exit(0)
