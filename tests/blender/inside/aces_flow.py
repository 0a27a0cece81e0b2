"""The whole flow in a Blender that works in ACEScg ($OCIO names the config): FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path

folder = Path(sys.argv[1])
os.environ["BLENDER_USER_RESOURCES"] = str(folder / "user")
root = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), *(str(root / name) for name in ("core", "plugins", "blender", "tests"))]

import bpy  # noqa: E402
import numpy as np  # noqa: E402
import rig  # noqa: E402

rig.install(folder)
bpy.ops.wm.read_homefile(use_empty=True)
comp = rig.Comp(folder / "shot", count=3, tag="lin_ap1_scene")
comp.key(1002, source="MASK", mask=rig.mask("Head", comp.disc(1002)))
comp.solve()
colour = comp.record().shot["colour"]
assert comp.status.word == "ready" and comp.status.note.endswith("read directly"), comp.status
assert colour == {"config": os.environ["OCIO"], "space": "ACEScg", "encoding": "auto"}, colour
for frame in comp.frames:
    np.testing.assert_array_equal(comp.render(frame), rig.read(comp.record().source[frame]))
    assert np.abs(comp.render(frame)[:, :, 3] - comp.tiny.alpha[frame]).mean() < 0.03
print("ACES flow: equal,", comp.plate.image.colorspace_settings.name)
rig.part("session").stop()
sys.stdout.flush()
os._exit(0)
