# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports in a second Blender, so that the artist's goes on; background.py is what runs there."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import bpy

from . import background, export
from .seqlink.child import stripped


def pictures(scene_name: str, node_name: str, wanted: Sequence[export.Wanted]) -> Iterator[tuple[int, str]]:
    """(index of the picture, its file) as they come, (0, "") while none does. Raises ExportError.

    Works on a copy of the file as it is in memory now.
    """
    folder = tempfile.mkdtemp(prefix="seqmatte-")
    try:
        copy, job = os.path.join(folder, "copy.blend"), os.path.join(folder, "job.json")
        _save_copy(copy)
        rows = [asdict(each) for each in wanted]
        with open(job, "w", encoding="utf-8") as stream:
            json.dump({"blend": copy, "scene": scene_name, "node": node_name, "wanted": rows}, stream)
        yield from _run(_command(copy, job))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _save_copy(path: str) -> None:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=path, copy=True, check_existing=False)
    except RuntimeError as error:
        raise export.ExportError(f"the copy for the second Blender cannot be saved: {error}") from None


def _command(copy: str, job: str) -> list[str]:
    script = background.__file__
    if not bpy.app.binary_path:  # Blender as a module
        return [sys.executable, script, "--", job]
    # Factory settings run no scripts of the file, on which the artist's drivers may depend.
    trust = ["-y"] if bpy.context.preferences.filepaths.use_scripts_auto_execute else []
    return [bpy.app.binary_path, "-b", "--factory-startup", *trust, copy, "--python", script, "--", job]


def _run(command: list[str]) -> Iterator[tuple[int, str]]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=stripped(os.environ)
    )
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    try:
        yield from _said(process, lines)
    finally:
        process.kill()
        process.wait()


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    process.stdout.close()
    lines.put(None)


def _said(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> Iterator[tuple[int, str]]:
    last = ""
    while True:
        try:
            line = lines.get_nowait()
        except queue.Empty:
            yield 0, ""
            continue
        if line is None:
            raise export.ExportError(f"the second Blender ended early (exit code {process.wait()}): {last}")
        text = line.decode("utf-8", "replace").strip()
        if not text.startswith(background.MARK):
            last = text or last
            continue
        said = json.loads(text[len(background.MARK) :])
        if "error" in said:
            raise export.ExportError(said["error"])
        if "done" in said:
            return
        yield said["index"], said["path"]
