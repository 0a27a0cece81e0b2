"""Draws the Blender pictures of the README: python tests/blender/pictures.py

A sample shot is matted by the real extension in a real Blender (found as test_in_blender.py finds it); its node tree,
its panel and its frames are then drawn, since a Blender without windows draws nothing itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from test_in_blender import HERE, ROOT, blender_python

from seqmatte import exr
from shots import source_environment

OUT = ROOT / "blender" / "pictures"
FONT = cv2.FONT_HERSHEY_SIMPLEX
GREY, DARK, WHITE, GREEN, BLUE = (58, 58, 58), (29, 29, 29), (225, 225, 225), (74, 122, 62), (150, 100, 50)
Picture = npt.NDArray[np.uint8]


def main() -> int:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sample, work = Path(folder) / "sample", Path(folder) / "work"
        facts = solved(sample, work)
        write("graph.png", graph(facts["graph"]))
        write("panel.png", panel([[item.replace(str(work), "/shots/ab010") for item in row] for row in facts["panel"]]))
        write("first_matte.png", frames(facts, sample, work))
    return 0


def solved(sample: Path, work: Path) -> dict[str, Any]:
    """Makes the sample shot and has Blender matte it."""
    work.mkdir()
    engine = work / "python"
    engine.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT / "core"}:{ROOT / "plugins"}" exec "{sys.executable}" "$@"\n')
    engine.chmod(0o755)
    size = ["--width", "480", "--height", "270", "--frames", "12", "--space", "Rec.709"]
    subprocess.run(
        [sys.executable, "-m", "seqmatte", "sample", str(sample), *size], env=source_environment(), check=True
    )
    env = {
        **os.environ,
        "SEQMATTE_PYTHON": str(engine),
        "SEQMATTE_HOME": str(work),
        "SEQMATTE_SETTINGS": str(work / "s"),
    }
    script = str(HERE / "inside" / "picture_facts.py")
    subprocess.run([blender_python(), script, str(sample), str(work)], env=env, check=True, stdin=subprocess.DEVNULL)
    facts: dict[str, Any] = json.loads((work / "facts.json").read_text("utf-8"))
    return facts


def graph(facts: dict[str, Any]) -> Picture:
    """The node tree, as in the compositor."""
    row, width = 22, 180
    nodes = facts["nodes"]
    left = min(node["x"] for node in nodes) - 30
    top = max(node["y"] for node in nodes) + 30
    lowest = max(row * (len(node["inputs"]) + len(node["outputs"])) - node["y"] for node in nodes)
    wide = int(max(node["x"] for node in nodes) - left + width + 30)
    made = np.full((int(top + lowest + 60), wide, 3), 38, np.uint8)

    def socket(node: dict[str, Any], side: str, name: str) -> tuple[int, int]:
        index = node["outputs"].index(name) if side == "outputs" else len(node["outputs"]) + node["inputs"].index(name)
        x = node["x"] - left + (width if side == "outputs" else 0)
        return int(x), int(top - node["y"] + 40 + index * row)

    for source, out_name, target, in_name in facts["links"]:
        curve(made, socket(nodes[source], "outputs", out_name), socket(nodes[target], "inputs", in_name))
    for node in nodes:
        x, y = int(node["x"] - left), int(top - node["y"])
        height = 34 + row * (len(node["outputs"]) + len(node["inputs"]))
        cv2.rectangle(made, (x, y), (x + width, y + height), GREY, -1, cv2.LINE_AA)
        cv2.rectangle(made, (x, y), (x + width, y + 24), GREEN if node["matte"] else BLUE, -1, cv2.LINE_AA)
        text(made, node["name"], (x + 8, y + 17))
        for side in ("outputs", "inputs"):
            for name in node[side]:
                at = socket(node, side, name)
                cv2.circle(made, at, 5, (60, 190, 200) if name == "Image" else (160, 160, 160), -1, cv2.LINE_AA)
                long = cv2.getTextSize(name, FONT, 0.42, 1)[0][0]
                text(made, name, (at[0] - long - 12 if side == "outputs" else at[0] + 12, at[1] + 5))
    return made


def curve(made: Picture, start: tuple[int, int], end: tuple[int, int]) -> None:
    t = np.linspace(0, 1, 40)[:, None]
    a, d = np.array(start, float), np.array(end, float)
    pull = np.array((60.0, 0.0))
    b, c = a + pull, d - pull
    points = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    cv2.polylines(made, [points.round().astype(np.int32)], False, (170, 170, 170), 2, cv2.LINE_AA)


ICONS = {"(ADD)": "+", "(REMOVE)": "-", "(PREVIEW_RANGE)": "<>"}


def panel(rows: list[list[str]]) -> Picture:
    """The sidebar tab: text as text, fields and buttons in boxes."""
    made = np.full((27 * len(rows) + 44, 460, 3), 48, np.uint8)
    text(made, "Matte", (12, 22), 0.5)
    for index, row in enumerate(rows):
        y, wide = 40 + 27 * index, 440 // len(row)
        for place, item in enumerate(row):
            x = 10 + place * wide
            if item[:1] in "([" and item[-1:] in ")]":
                shade = (84, 84, 84) if item[0] == "(" else DARK
                cv2.rectangle(made, (x + 1, y), (x + wide - 3, y + 22), shade, -1, cv2.LINE_AA)
                text(made, ICONS.get(item, item[1:-1]), (x + 10, y + 16))
            else:
                text(made, item if len(item) < 62 else item[:24] + " ... " + item[-32:], (x + 2, y + 16))
    return made


def frames(facts: dict[str, Any], sample: Path, work: Path) -> Picture:
    """Three frames: the plate, the matte, the comp."""
    rows = []
    for frame, result in zip(facts["frames"], facts["results"], strict=True):
        plate = exr.read(sample / f"plate.{frame}.exr").take("R", "G", "B")
        alpha = exr.read(result)["A"]
        comp = exr.read(work / "renders" / f"final.{frame}.exr").take("R", "G", "B")
        row = [shown(plate), np.repeat((alpha * 255).round().astype(np.uint8)[:, :, None], 3, 2), shown(comp)]
        text(row[0], str(frame), (8, 20), 0.5)
        rows.append(np.concatenate(row, axis=1))
    made = np.concatenate(rows)
    return np.asarray(cv2.resize(made, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), np.uint8)


def shown(light: npt.NDArray[np.float32]) -> Picture:
    """Scene-linear Rec.709 as an sRGB picture, in OpenCV's order."""
    x = np.clip(light[:, :, ::-1], 0, 1)
    encoded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.ascontiguousarray((encoded * 255).round(), np.uint8)


def text(made: Picture, words: str, at: tuple[int, int], size: float = 0.42) -> None:
    cv2.putText(made, words, at, FONT, size, WHITE, 1, cv2.LINE_AA)


def write(name: str, picture: Picture) -> None:
    cv2.imwrite(str(OUT / name), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(OUT / name, picture.shape)


if __name__ == "__main__":
    sys.exit(main())
