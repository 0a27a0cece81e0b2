"""The whole flow in a Blender whose user has a colour config of their own among the data files: FOLDER."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

folder = Path(sys.argv[1])
os.environ["BLENDER_USER_RESOURCES"] = str(folder / "user")
root = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), *(str(root / name) for name in ("core", "plugins", "blender", "tests"))]

blender = Path(str(importlib.util.find_spec("bpy").origin)).parent  # type: ignore[union-attr]
theirs = folder / "user" / "datafiles" / "colormanagement"
shutil.copytree(next(blender.glob("*/datafiles/colormanagement")), theirs)
config = theirs / "config.ocio"
config.write_text(config.read_text("utf-8").replace("Linear Rec.709", "Show Linear"), "utf-8")

import bpy  # noqa: E402
import rig  # noqa: E402

rig.install(folder)
bpy.ops.wm.read_homefile(use_empty=True)
comp = rig.Comp(folder / "shot", count=2, tag="")
comp.key(1002, source="MASK", mask=rig.mask("Head", comp.disc(1002)))
comp.solve()
colour = comp.record().shot["colour"]
assert colour == {"config": str(config), "space": "Show Linear", "encoding": "auto"}, colour
assert comp.status.word == "ready" and comp.status.note.endswith("read directly"), comp.status
print("own config:", comp.status.word)
rig.part("session").stop()
sys.stdout.flush()
os._exit(0)
