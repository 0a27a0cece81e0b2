# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the Blender extension: the add-on with seqlink inside it, as one zip that 4.2 LTS and newer install.

    python blender/pack.py OUT_FOLDER

The manifest is checked by Blender's own tool where a bpy module or a Blender is named by --blender-ext; the zip is
the same without it: equal sources give equal bytes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ADDON = HERE / "seqmatte_blender"
SEQLINK = HERE.parent / "plugins" / "seqlink"
EPOCH = (1980, 1, 1, 0, 0, 0)


class PackError(Exception):
    """The extension cannot be built; says what is missing."""


def stage(folder: Path) -> Path:
    """Lays the extension out under `folder`, as Blender will have it. Raises PackError."""
    if not (SEQLINK / "methods.json").exists():
        raise PackError("plugins/seqlink/methods.json is missing: write it with `seqmatte methods --json`")
    made = folder / "seqmatte"
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "seqlink")
    shutil.copytree(ADDON, made, ignore=unwanted)
    shutil.copytree(SEQLINK, made / "seqlink", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copyfile(HERE / "LICENSE", made / "LICENSE")
    return made


def pack(staged: Path, out: Path) -> Path:
    """The zip of a staged extension, named by its version."""
    found = re.search(r'^version = "(.+)"$', (staged / "blender_manifest.toml").read_text("utf-8"), re.MULTILINE)
    if not found:
        raise PackError("blender_manifest.toml has no version")
    out.mkdir(parents=True, exist_ok=True)
    made = out / f"seqmatte-{found[1]}.zip"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in staged.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(staged).as_posix(), EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return made


def validate(tool: Path, what: Path) -> None:
    """Asks Blender's own tool, which runs without Blender. Raises PackError with what it says."""
    ran = subprocess.run([sys.executable, str(tool), "validate", str(what)], capture_output=True, text=True)
    if ran.returncode:
        raise PackError(f"Blender refuses {what.name}:\n{ran.stdout}{ran.stderr}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds the Blender extension.")
    parser.add_argument("out", type=Path, help="where the zip goes")
    parser.add_argument("--blender-ext", type=Path, help="Blender's blender_ext.py, to check the zip with")
    args = parser.parse_args()
    stage_folder = args.out / "staged"
    shutil.rmtree(stage_folder, ignore_errors=True)
    try:
        made = pack(stage(stage_folder), args.out)
        if args.blender_ext:
            validate(args.blender_ext, made)
    except PackError as problem:
        sys.stderr.write(f"pack: {problem}\n")
        return 1
    finally:
        shutil.rmtree(stage_folder, ignore_errors=True)
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
