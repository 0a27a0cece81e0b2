"""seqmatte bundle: a shot as a job for a farm."""

from __future__ import annotations

import argparse
import os

from seqlink import FrameRange, Shot
from seqmatte.commands.engines import checked_engines
from seqmatte.commands.shot_arguments import add_run_arguments, add_shot_arguments, shot_of

EPILOG = """\
examples:
  seqmatte bundle shot.json --out matte.####.exr --folder job --cache /shows/ab/cache
  seqmatte bundle plate.####.exr --mask 1001=mask.1001.exr --out matte.####.exr --folder job

Writes an OpenJD job bundle: Deadline Cloud and `openjd run` take it as it is. A task is a run of frames that are cheap
to compute together; no result depends on the cut, and a frame that is cached already costs the farm a copy. What
--missing leaves out is yours to deliver with `seqmatte matte`. All machines must see plate, results and cache under the
same paths.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shot_arguments(parser)
    parser.add_argument("--out", metavar="PATTERN", help="where results go, as matte.####.exr")
    parser.add_argument("--folder", required=True, metavar="DIR", help="where the bundle goes")
    parser.add_argument("--missing", action="store_true", help="only for frames that are not in --cache yet")
    add_run_arguments(parser, cache="DIR/cache of --folder")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqlink.farm import DOCUMENT, write_bundle
    from seqmatte import overwriting
    from seqmatte.errors import OutputError, ShotError
    from seqmatte.file_faults import system_words
    from seqmatte.report import counted

    shot = shot_of(args)
    if shot.out is None:
        raise ShotError("say where results go, as --out matte.####.exr", field="out")
    if args.missing and not args.cache:
        raise ShotError("--missing goes by a cache that the farm sees too: name it with --cache")
    overwriting.refuse(shot, saved=os.path.join(args.folder, DOCUMENT))
    _refuse_own_document(args.plate, args.folder)
    tasks = _tasks(args, shot)
    if not tasks:
        print("every frame is cached; deliver them with `seqmatte matte`, or leave out --missing")
        return 0
    try:
        folder = write_bundle(shot, tasks, args.folder, cache=args.cache or "", device=args.device)
    except OSError as error:
        raise OutputError(f"the bundle cannot be written: {system_words(error)}", path=args.folder) from error
    print(f"{folder}: {counted(len(tasks), 'task')}: {', '.join(map(str, tasks))}")
    return 0


def _refuse_own_document(read: str, folder: str) -> None:
    """Raises OutputError where the bundle's document would take the place of the one that was read."""
    from seqlink.farm import DOCUMENT
    from seqmatte.errors import OutputError

    place = os.path.join(folder, DOCUMENT)
    if read.endswith(".json") and os.path.realpath(read) == os.path.realpath(place):
        advice = "name a folder of its own with --folder"
        raise OutputError(f"the bundle would be written over the shot document that was read: {advice}", path=place)


def _tasks(args: argparse.Namespace, shot: Shot) -> list[FrameRange]:
    """The tasks of all subjects. A task renders every subject, so each frame is in one task alone."""
    from seqlink.farm import merged
    from seqmatte.report import Reporter

    engines = checked_engines(args, shot, Reporter())
    return merged(
        task for engine in engines for task in (engine.status().tasks if args.missing else engine.plan.tasks())
    )
