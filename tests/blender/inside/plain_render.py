"""Opens a file in a Blender that knows nothing of us, renders a frame and saves it: BLEND FRAME FOLDER."""

from __future__ import annotations

import os
import sys

import bpy

blend, frame, folder = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=blend)
assert not hasattr(bpy.types.CompositorNodeTree, "seqmatte"), "the add-on is here"
bpy.context.scene.frame_set(int(frame))
bpy.context.scene.render.filepath = os.path.join(folder, f"final.{frame}.exr")
bpy.ops.render.render(write_still=True)
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "saved.blend"), copy=True)
sys.stdout.flush()
os._exit(0)
