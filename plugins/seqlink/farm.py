"""A job for a farm: an Open Job Description bundle from a Shot and the engine's tasks.

Each task is a set of frames that is walked together, as one value of a STRING task parameter, so no extension of the
specification is needed. Tasks share the cache folder; no result depends on how the shot was cut.

    bundle/template.json            the job, matte.template.json with the tasks filled in
    bundle/parameter_values.json    name, cache, device
    bundle/asset_references.json    what the job reads and writes, for farms that copy files to their machines
    bundle/shot.json                the Shot
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from .frames import FramePath, FrameRange
from .shot import Shot

TEMPLATE = Path(__file__).with_name("matte.template.json")

# The Shot's name in the bundle; the template says it too.
DOCUMENT = "shot.json"

# Limits of the specification (2023-09, "StringTaskParameterDefinition"): values of a parameter, and their length.
MOST_TASKS = 1024
LONGEST_TASK = 1024


def write_bundle(
    shot: Shot,
    tasks: Sequence[FrameRange | str],
    folder: str | os.PathLike[str],
    *,
    name: str = "",
    cache: str = "",
    device: str = "auto",
    command: str = "seqmatte",
) -> str:
    """Writes the bundle; gives its folder. Submit it with any OpenJD tool, or run it with `openjd run`.

    cache: a folder that every machine of the farm sees; empty: beside the bundle. Raises ValueError when the Shot does
    not say where results go, and OSError.
    """
    if shot.out is None:
        raise ValueError("shot.out: a farm job has to know where results go")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    shared = os.path.abspath(cache or place / "cache")
    values = {"Name": name or _name_of(shot), "Cache": shared, "Device": device, "Seqmatte": command}
    documents: dict[str, Any] = {
        "template.json": template(tasks),
        "parameter_values.json": {"parameterValues": [{"name": k, "value": v} for k, v in values.items()]},
        "asset_references.json": {"assetReferences": _references(shot)},
        DOCUMENT: shot.to_dict(),
    }
    for file, document in documents.items():
        _write(place / file, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return str(place)


def template(tasks: Sequence[FrameRange | str]) -> dict[str, Any]:
    """The job template with one value a task. Raises ValueError when there is no task."""
    values = _within_limits(merged(FrameRange.parse(str(task)) for task in tasks))
    if not values:
        raise ValueError("there is nothing left to compute, so there is no job")
    made: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    made["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"] = values
    return made


def merged(tasks: Iterable[FrameRange]) -> list[FrameRange]:
    """Tasks that share a frame as one, by their first frames: a task renders every subject, so a frame needs one."""
    apart: list[FrameRange] = []
    for task in tasks:
        shared = [other for other in apart if other & task]
        apart = [other for other in apart if other not in shared]
        apart.append(FrameRange(frame for part in (task, *shared) for frame in part))
    return sorted(apart, key=lambda task: task[0])


def _within_limits(tasks: list[FrameRange]) -> list[str]:
    """Neighbours joined until there are few enough; sets that take too many letters to write, cut in half."""
    while len(tasks) > MOST_TASKS:
        tasks = [
            FrameRange([*tasks[i], *(tasks[i + 1] if i + 1 < len(tasks) else ())]) for i in range(0, len(tasks), 2)
        ]
    written: list[str] = []
    for task in tasks:
        halves = [task] if len(str(task)) <= LONGEST_TASK else [task[: len(task) // 2], task[len(task) // 2 :]]
        written += [str(task)] if len(halves) == 1 else _within_limits(halves)
    return written


def _references(shot: Shot) -> dict[str, Any]:
    files = [guide.path for guide in shot.guides] + _with_cards(shot.weights.values())
    files += [shot.colour.config] if os.path.isfile(shot.colour.config) else []
    files += _files(shot.plate, shot.frames) + (_files(shot.clean, shot.frames) if shot.clean else [])
    out = os.path.dirname(str(shot.out))
    return {
        "inputs": {"filenames": list(dict.fromkeys(files)), "directories": []},
        "outputs": {"directories": [out]},
        "referencedPaths": [],
    }


def _with_cards(weights: Collection[str]) -> list[str]:
    """Weight files, and the cards beside them, which say how their mattes are meant."""
    cards = [str(Path(path).with_suffix(".json")) for path in weights]
    return [*weights, *(card for card in cards if os.path.isfile(card))]


def _files(pattern: FramePath, frames: FrameRange) -> list[str]:
    return list(dict.fromkeys(pattern.path(frame) for frame in frames))


def _name_of(shot: Shot) -> str:
    plate = os.path.basename(str(shot.plate)).split(".")[0].strip("#@ ")
    return f"{plate} {shot.frames}"[:64]


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
