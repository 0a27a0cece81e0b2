"""What an artist does, as a few functions: build a comp, draw masks, press buttons, render."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
import OpenImageIO as oiio

import shots

MODULE = "bl_ext.user_default.seqmatte"
WIDTH, HEIGHT = 64, 48


def part(name: str) -> ModuleType:
    """A module of the installed extension."""
    return importlib.import_module(f"{MODULE}.{name}")


def packer() -> ModuleType:
    """blender/pack.py, by its path: the Nuke adapter has a pack.py too."""
    spec = importlib.util.spec_from_file_location("blender_pack", Path(__file__).parents[3] / "blender" / "pack.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def install(home: Path) -> None:
    """Builds the zip, has Blender's tool check it, installs it as the preferences do."""
    pack = packer()
    made = pack.pack(pack.stage(home / "staged"), home / "built")
    tool = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    pack.validate(tool, made)
    done = bpy.ops.extensions.package_install_files(filepath=str(made), repo="user_default", enable_on_install=True)
    assert done == {"FINISHED"} and MODULE in bpy.context.preferences.addons


class Comp:
    """A saved file with a plate, a Matte node, and the node's picture as the scene's output."""

    def __init__(self, folder: Path, first: int = 1001, count: int = 5, **options: Any) -> None:
        self.folder = folder
        self.tiny = shots.write_tiny_shot(folder / "plates", first=first, count=count, **options)
        self.frames = self.tiny.frames
        self.scene = bpy.context.scene
        width, height = self.tiny.header.display[2:]
        set_up(self.scene, width, height, first, first + count - 1)
        self.tree = part("compositor").tree_made(self.scene)
        self.tree.nodes.clear()
        self.plate = add_plate(self.tree, self.tiny.plate.path(first), first, count)
        self.matte = self.add_matte(self.plate)
        self.output = part("compositor").add_output(self.tree)
        self.tree.links.new(self.matte.outputs["Image"], self.output.inputs[0])
        self.save()

    def add_matte(self, feeding: Any) -> Any:
        for node in self.tree.nodes:
            node.select = node == feeding
        self.tree.nodes.active = feeding
        assert bpy.ops.seqmatte.add() == {"FINISHED"}
        made = self.tree.nodes.active
        made.node_tree.seqmatte.recipe = "flow-closed-form"
        return made

    @property
    def group(self) -> Any:
        return self.matte.node_tree

    @property
    def status(self) -> Any:
        return part("status").of(self.group)

    def save(self, path: Path | None = None) -> Path:
        path = path or self.folder / "comp.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(path))
        return path

    def key(self, frame: int, **choice: Any) -> Any:
        """A key at a frame: on the Mask socket unless the choice says source, mask or image."""
        self.scene.frame_set(frame)
        assert bpy.ops.seqmatte.key_add(node=self.matte.name) == {"FINISHED"}
        key = self.group.seqmatte.keys[self.group.seqmatte.active_key]
        for name, value in choice.items():
            setattr(key, name, value)
        return key

    def link_mask(self, mask: Any) -> None:
        made = part("compositor").add_mask(self.tree, mask)
        self.tree.links.new(made.outputs["Mask"], self.matte.inputs["Mask"])

    def disc(self, frame: int) -> list[tuple[float, float]]:
        """The outline of the true disc at a frame, in mask space, as an artist would draw it: 24 points."""
        alpha = self.tiny.alpha[frame]
        rows, columns = np.nonzero(alpha > 0.5)
        centre = (columns.mean() + 0.5, alpha.shape[0] - rows.mean() - 0.5)
        radius = np.sqrt((alpha > 0.5).sum() / np.pi)
        return [outline(centre, radius, turn, *alpha.shape[::-1]) for turn in np.linspace(0, 2 * np.pi, 24, False)]

    def solve(self, **options: Any) -> None:
        assert bpy.ops.seqmatte.solve(node=self.matte.name, **options) == {"FINISHED"}

    def begin(self) -> Any:
        """Presses Solve as in a Blender with windows: it goes on in `pump`."""
        self.solve(wait=False)
        return part("session").job_of(self.group.seqmatte.uid)

    def result(self, frame: int) -> Path:
        return Path(part("node").results(self.group).path(frame))

    def digests(self) -> dict[int, str]:
        """The results on disk by frame."""
        there = {frame: self.result(frame) for frame in self.frames}
        return {frame: hashlib.sha256(path.read_bytes()).hexdigest() for frame, path in there.items() if path.exists()}

    def render(self, frame: int) -> np.ndarray:
        """The scene's own render of a frame, H x W x 4."""
        return render(self.scene, frame, self.folder / "renders")

    def record(self) -> Any:
        return part("record").read(part("node").folder(self.group))


class Gate:
    """How far a solve may go: see gated_engine.py. Closed at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def open(self, *frames: int) -> None:
        for frame in frames:
            (self.folder / str(frame)).touch()

    def close(self) -> None:
        for frame in self.folder.iterdir():
            frame.unlink()

    def open_once_heard(self, *frames: int) -> None:
        """Opens when the engine has heard what Blender wants of it now: it reads in order."""
        part("session").pump()
        part("session").worker().ask("hello", {"protocol": 1})
        self.open(*frames)


def set_up(scene: Any, width: int, height: int, first: int, last: int) -> None:
    """The scene's render settings: float EXR of the plate's size."""
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.frame_start, scene.frame_end = first, last
    scene.frame_set(first)
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_depth, settings.color_mode = "OPEN_EXR", "32", "RGBA"


def add_plate(tree: Any, path: str, first: int, count: int) -> Any:
    image = bpy.data.images.load(path)
    image.source = "SEQUENCE"
    node = tree.nodes.new("CompositorNodeImage")
    node.image = image
    node.frame_start, node.frame_duration, node.frame_offset = first, count, first - 1
    return node


def outline(centre: tuple[float, float], radius: float, turn: float, width: int, height: int) -> tuple[float, float]:
    """A point of a circle given in pixels from the bottom left, in mask space (a square of the longer side)."""
    side = max(width, height)
    x, y = centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn)
    return float((x - width / 2) / side + 0.5), float((y - height / 2) / side + 0.5)


def mask(name: str, points: list[tuple[float, float]]) -> Any:
    """A Mask datablock with one closed polygon."""
    made = bpy.data.masks.new(name)
    spline = made.layers.new(name="outline").splines.new()
    spline.points.add(len(points) - 1)
    spline.use_cyclic = True
    place(made, points)
    return made


def place(made: Any, points: list[tuple[float, float]]) -> None:
    for point, (x, y) in zip(made.layers[0].splines[0].points, points, strict=True):
        point.co = point.handle_left = point.handle_right = (x, y)
        point.select = True


def shape_keys(scene: Any, made: Any, by_frame: dict[int, list[tuple[float, float]]]) -> None:
    """Moves a mask to its place on each frame and keys it there, with the operator that the artist's I key calls."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    area.type = "IMAGE_EDITOR"
    space = area.spaces.active
    space.image = bpy.data.images.new("reference", WIDTH, HEIGHT)
    try:
        space.mode = "MASK"
    except TypeError:
        space.ui_mode = "MASK"
    space.mask = made
    region = next(region for region in area.regions if region.type == "WINDOW")
    for frame, points in by_frame.items():
        scene.frame_set(frame)
        place(made, points)
        with bpy.context.temp_override(window=window, area=area, region=region, scene=scene, edit_mask=made):
            assert bpy.ops.mask.shape_key_insert() == {"FINISHED"}


def paint(name: str, picture: np.ndarray) -> Any:
    """An image datablock with a picture painted into it, H x W from the top, 0..1; never saved."""
    height, width = picture.shape
    image = bpy.data.images.new(name, width, height)
    rgba = np.dstack([picture, picture, picture, np.ones_like(picture)])[::-1]
    image.pixels.foreach_set(np.ascontiguousarray(rgba, np.float32).ravel())
    image.update()
    return image


def render(scene: Any, frame: int, folder: Path) -> np.ndarray:
    scene.frame_set(frame)
    scene.render.filepath = str(folder / f"final.{frame}.exr")
    bpy.ops.render.render(write_still=True)
    return read(Path(scene.render.filepath))


def read(path: Path) -> np.ndarray:
    """R, G, B, A of a file's data window, as floats."""
    picture = oiio.ImageBuf(str(path))
    names = list(picture.spec().channelnames)
    pixels = picture.get_pixels(oiio.FLOAT)
    return pixels[:, :, [names.index(name) for name in "RGBA"]]


def until(job: Any, condition: Any, seconds: float = 300.0) -> None:
    """Pumps, as the timer of a Blender with windows would, until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{job.phase} after {seconds} s: {job.record.message}"
        part("session").pump()
        time.sleep(0.005)


def message_of(press: Any) -> str:
    """What Blender shows when a button reports an error."""
    try:
        press()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("no error was reported")


def read_first(path: Path) -> np.ndarray:
    """A guide as the engine takes it: the red or only channel, H x W."""
    return oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT)[:, :, 0]
