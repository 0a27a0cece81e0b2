# SPDX-License-Identifier: GPL-3.0-or-later
"""The second Blender: opens a copy of the artist's file and renders what the engine needs.

    blender -b --factory-startup COPY.blend --python background.py -- JOB.json
    python background.py -- JOB.json          (Blender as a module)

JOB.json: {blend, scene, node, wanted: [...]}. What it has to say stands on lines that begin with SEQMATTE, because
Blender prints on the same stream.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

MARK = "SEQMATTE "


def say(**facts: Any) -> None:
    print(MARK + json.dumps(facts), flush=True)


def run(job_file: str) -> int:
    """Renders every picture of the job, saying which as they come."""
    import bpy

    package = Path(__file__).resolve().parent
    sys.path.insert(0, str(package.parent))
    export = importlib.import_module(f"{package.name}.export")
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    if bpy.data.filepath != job["blend"]:
        bpy.ops.wm.open_mainfile(filepath=job["blend"], load_ui=False)
    wanted = [export.Wanted(**row) for row in job["wanted"]]
    try:
        for index, (_, path) in enumerate(export.rendered(job["scene"], job["node"], wanted)):
            say(index=index, path=path)
    except export.ExportError as error:
        say(error=str(error))
        return 1
    say(done=True)
    return 0


if __name__ == "__main__":
    code = run(sys.argv[sys.argv.index("--") + 1])
    # The module crashes or hangs at exit in 4.2 and 4.5 when handlers are left; everything is written by now.
    sys.stdout.flush()
    os._exit(code)
