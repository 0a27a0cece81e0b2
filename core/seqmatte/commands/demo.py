"""seqmatte demo: a first matte without a plate of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from seqmatte.commands.matte import stopped_by_ctrl_c
from seqmatte.commands.shot_arguments import add_device_argument

if TYPE_CHECKING:
    from seqlink import Shot
    from seqmatte.engine import Engine

EPILOG = """\
example:
  seqmatte demo --out demo
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="demo", metavar="FOLDER", help="where everything goes; default: demo")
    parser.add_argument("--frames", type=int, default=12, help="length of the shot; default: 12")
    parser.add_argument("--recipe", default="auto", help="default: auto")
    add_device_argument(parser)
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqlink import FramePath
    from seqlink.params import parse
    from seqmatte.sample import write_sample
    from seqmatte.sample_scene import Params

    asked = parse(Params, {"width": 640, "height": 360, "frames": args.frames})
    folder = Path(args.out).absolute()
    print("writing a sample shot with exact truth", flush=True)
    shot = write_sample(folder / "plate", asked)
    shot = shot.replace(recipe=args.recipe, out=FramePath(folder / "matte" / "matte.####.exr"))
    print(f"matting it from one mask, {shot.guides[0].path}", flush=True)
    engine = _matted(shot, args.device)
    sheet = _sheet(engine, folder / "contact_sheet.png")
    print(f"\nplate          {shot.plate}\nmask           {shot.guides[0].path}\nmattes         {shot.out}")
    print(f"truth          {folder / 'plate' / 'truth.####.exr'}\ncontact sheet  {sheet}")
    print("\nEach matte is one EXR: premultiplied scene-linear foreground in R, G, B and the alpha in A.")
    return 0


def _matted(shot: Shot, device: str) -> Engine:
    from seqmatte.delivery import deliver
    from seqmatte.device import Device
    from seqmatte.engine import Engine
    from seqmatte.report import Reporter

    report = Reporter()
    with stopped_by_ctrl_c() as cancelled:
        engine = Engine(shot, device=Device(device), listener=report.hear, cancelled=cancelled)
        report.begin(engine, engine.status())
        for result in engine.render():
            assert shot.out is not None
            report.delivered(result, deliver(result, shot.out))
        report.end()
    return engine


def _sheet(engine: Engine, path: Path) -> Path:
    """Four frames spread over the shot: plate, alpha, foreground over a checkerboard."""
    from seqmatte.contact_sheet import Shown, write_contact_sheet

    frames = engine.plan.frames
    picked = sorted({frames[round(i * (len(frames) - 1) / 3)] for i in range(4)})
    shown = [Shown(frame, engine.plate(frame), engine.layer(engine.plan.final, frame)) for frame in picked]
    write_contact_sheet(path, shown, engine.plate_colour)
    return path
