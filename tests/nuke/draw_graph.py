"""Draws the node from its .nk text, for the README: python tests/nuke/draw_graph.py nuke/graph.png"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# Where each node stands: column and row. A node that is not here is an error, so the picture cannot lack one.
PLACES = {
    "plate": (1, 0), "mask": (4, 0), "MattePlateWrite": (0, 1), "MatteResult": (2, 1), "CheckGrey": (3, 1),
    "MatteMaskWrite": (4, 1), "PlateAlpha": (1, 2), "CheckOver": (3, 2), "Show": (2, 3), "Output1": (2, 4),
}  # fmt: skip
NOTES = {
    "plate": "input 0", "mask": "input 1", "MattePlateWrite": "disabled; only if needed",
    "MatteMaskWrite": "disabled; key frames", "MatteResult": "raw, what the engine made",
    "PlateAlpha": "plate with the alpha", "CheckOver": "over grey", "Show": "parent.show",
}  # fmt: skip
COLOURS = {
    "Input": (70, 70, 70), "Output": (70, 70, 70), "Read": (75, 110, 80), "Write": (60, 95, 150),
    "Switch": (125, 95, 60), "Merge2": (125, 80, 75), "Copy": (95, 75, 120), "Constant": (85, 85, 85),
}  # fmt: skip
WIDTH, HEIGHT, STEP_X, STEP_Y, SCALE = 190, 46, 216, 104, 2


def saved_node():
    """The node as the adapter makes it and Nuke saves it, read back from the text."""
    sys.path[:0] = [str(ROOT / name) for name in ("tests", "nuke", "plugins")]
    from fakes import nk

    spec = importlib.util.spec_from_file_location("nuke", ROOT / "tests/fakes/nuke.py")
    nuke = sys.modules["nuke"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nuke)
    import seqmatte_nuke

    seqmatte_nuke.create()
    with tempfile.TemporaryDirectory() as folder:
        nuke.scriptSaveAs(f"{folder}/saved.nk")
        return nk.read(Path(folder, "saved.nk").read_text(encoding="utf-8")).nodes[0]


def draw(node):
    """A picture, H x W x 3."""
    columns, rows = (1 + max(place[i] for place in PLACES.values()) for i in (0, 1))
    picture = np.full((SCALE * (rows * STEP_Y - 30), SCALE * columns * STEP_X, 3), 244, np.uint8)
    for below in node.nodes:
        for index, above in enumerate(below.inputs):
            if above is not None:
                arrow(picture, above, below, index)
    for one in node.nodes:
        box(picture, one)
    return picture


def corner(name):
    column, row = PLACES[name]
    return column * STEP_X + 13, row * STEP_Y + 12


def arrow(picture, above, below, index):
    (x, y), (to_x, to_y) = corner(above.name), corner(below.name)
    spread = (index + 1) * WIDTH // (len(below.inputs) + 1)
    start, end = (x + WIDTH // 2, y + HEIGHT), (to_x + spread, to_y)
    cv2.arrowedLine(picture, scaled(start), scaled(end), (90, 90, 90), SCALE, cv2.LINE_AA, tipLength=0.04)
    if len(below.inputs) > 1:
        words(picture, str(index), end[0] + 4, end[1] - 5, 0.4, (90, 90, 90))


def box(picture, one):
    x, y = corner(one.name)
    colour = COLOURS[one.kind][::-1]
    cv2.rectangle(picture, scaled((x, y)), scaled((x + WIDTH, y + HEIGHT)), colour, -1, cv2.LINE_AA)
    words(
        picture, f"{one.name}  ({one.kind})" if one.kind != "Input" else f"{one.name}", x + 8, y + 19, 0.42, (255,) * 3
    )
    words(picture, NOTES.get(one.name, ""), x + 8, y + 37, 0.38, (225, 225, 225))


def words(picture, text, x, y, size, colour):
    cv2.putText(picture, text, scaled((x, y)), cv2.FONT_HERSHEY_SIMPLEX, size * SCALE, colour, SCALE, cv2.LINE_AA)


def scaled(point):
    return tuple(SCALE * value for value in point)


if __name__ == "__main__":
    cv2.imwrite(sys.argv[1], cv2.resize(draw(saved_node()), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
