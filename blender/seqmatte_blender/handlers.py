# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens by itself: jobs end when another file is opened, an undo leaves nodes on their results, and a render
says which mattes each frame lacks."""

import sys
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import node, operators, record, session, status
from .seqlink import FrameRange


@persistent
def after_load(*_: Any) -> None:
    # Not before: a file that cannot be opened leaves the artist where they were, and what runs goes on.
    session.abandon()
    status.forget()


@persistent
def after_undo(*_: Any) -> None:
    # A step of undo was taken before results arrived; what lies on disk it cannot take back.
    for _scene, matte in node.every():
        kept = record.read(node.folder(matte.node_tree))
        if kept.shot and matte.node_tree.library is None:
            frames = FrameRange(frame - kept.shift for frame in kept.frames | kept.confidence)
            node.show(matte.node_tree, frames, kept.shift)
            node.reload(matte.node_tree)


@persistent
def before_frame(scene: Any, *_: Any) -> None:
    # Farms look for lines that begin with ERROR; a missing matte is otherwise silently transparent.
    for line in operators.holes(scene, FrameRange([scene.frame_current])):
        sys.stderr.write(f"ERROR: SeqMatte: {line}\n")


def register() -> None:
    bpy.app.handlers.load_post.append(after_load)
    bpy.app.handlers.render_pre.append(before_frame)
    for steps in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
        steps.append(after_undo)


def unregister() -> None:
    bpy.app.handlers.load_post.remove(after_load)
    bpy.app.handlers.render_pre.remove(before_frame)
    for steps in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
        steps.remove(after_undo)
