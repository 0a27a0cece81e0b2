"""The options that describe a Shot, shared by every command that takes one."""

from __future__ import annotations

import argparse
import os

from seqlink import Colour, FramePath, FrameRange, Guide, Shot, weights
from seqlink.shot import KINDS
from seqmatte.errors import PlateError, ShotError, WeightsError


def add_shot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plate", metavar="PLATE", help="the plate, as plate.####.exr; or a Shot document, as shot.json")
    for kind, meaning in (
        ("mask", "a roto of the subject, may be a few pixels off"),
        ("trimap", "0 background, 0.5 unknown, 1 foreground"),
        ("alpha", "a finished alpha, kept as it is"),
    ):
        parser.add_argument(
            f"--{kind}",
            action="append",
            default=[],
            metavar="[SUBJECT:]FRAME=FILE",
            help=f"{meaning}; on any frame, repeatable",
        )
    parser.add_argument("--frames", metavar="RANGE", help="as 1001-1100; default: all frames of the plate on disk")
    parser.add_argument("--recipe", metavar="NAME", help="default: auto; see `seqmatte recipes`")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="METHOD.OPTION=VALUE",
        help="an option of a method, repeatable; see `seqmatte methods`",
    )
    parser.add_argument(
        "--colour", metavar="SPACE", help="the plate's colour space, as ACEScg; default: the file's tag"
    )
    parser.add_argument("--config", metavar="OCIO", help="the OCIO config; default: $OCIO, else the built-in one")
    parser.add_argument("--clean", metavar="PATTERN", help="a clean plate: a sequence or one still")
    parser.add_argument("--layer", metavar="NAME", help="the layer or part of the plate to matte; default: R, G, B")
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="[NETWORK=]FILE",
        help="weights to use instead: a file of a network, or a file or folder that `seqmatte train` wrote",
    )
    parser.add_argument("--runtime", choices=("torch", "onnx"), help="what runs networks; default: torch")


def add_run_arguments(parser: argparse.ArgumentParser, cache: str = "the user's own") -> None:
    """cache: what stands in for the folder where neither the option nor the environment names one."""
    add_cache_argument(parser, cache)
    add_device_argument(parser)


def add_cache_argument(parser: argparse.ArgumentParser, otherwise: str = "the user's own") -> None:
    parser.add_argument(
        "--cache",
        default=os.environ.get("SEQMATTE_CACHE"),
        metavar="DIR",
        help=f"the cache folder; default: $SEQMATTE_CACHE, else {otherwise}",
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        default=os.environ.get("SEQMATTE_DEVICE") or "auto",
        type=_device,
        metavar="NAME",
        help="auto, cpu or cuda; default: $SEQMATTE_DEVICE, else auto",
    )


def _device(name: str) -> str:
    """The name as it is. Raises DeviceError where no machine has a device of that name."""
    from seqmatte.device import Device

    return Device(name).kind


def frames_from(text: str | None, flag: str) -> FrameRange | None:
    """What an option says, None where it is not given. Raises ValueError for one that is given empty: a script's
    variable that was never set must not become the whole shot."""
    if text is not None and not text.strip():
        raise ValueError(f"{flag} is empty: write frames as 1001-1100, or leave {flag} out")
    return None if text is None else FrameRange.parse(text)


def shot_of(args: argparse.Namespace) -> Shot:
    """The Shot that the options describe. Options given beside a document replace what it says.

    Raises ShotError or PlateError.
    """
    from seqmatte.overwriting import refuse_names

    try:
        shot = _with_options(_document(args.plate), args)
    except ValueError as error:
        raise ShotError(str(error)) from None
    refuse_names(shot)
    return shot


def _document(plate: str) -> Shot:
    from seqmatte import shot_file

    return shot_file.read(plate) if plate.endswith(".json") else Shot(FramePath(os.path.abspath(plate)), FrameRange())


def _with_options(shot: Shot, args: argparse.Namespace) -> Shot:
    guides = [guide_from(text, kind) for kind in KINDS for text in getattr(args, kind)]
    kept = [g for g in shot.guides if (g.frame, g.subject) not in {(n.frame, n.subject) for n in guides}]
    frames = frames_from(args.frames, "--frames") or shot.frames or _on_disk(shot.plate)
    config = _placed(args.config) if args.config else shot.colour.config
    colour = Colour(config, args.colour or shot.colour.space, shot.colour.encoding)
    return shot.replace(
        frames=frames,
        guides=tuple(sorted((*kept, *guides), key=lambda g: g.frame)),
        recipe=args.recipe or shot.recipe,
        params=_merged(shot, args.settings),
        colour=colour,
        clean=FramePath(os.path.abspath(args.clean)) if args.clean else shot.clean,
        layer=args.layer or shot.layer,
        runtime=args.runtime or shot.runtime,
        weights={**shot.weights, **{name: path for text in args.weights for name, path in _weights(text).items()}},
        out=FramePath(os.path.abspath(args.out)) if getattr(args, "out", None) else shot.out,
    )


def guide_from(text: str, kind: str) -> Guide:
    """A guide written as FRAME=FILE or SUBJECT:FRAME=FILE."""
    where, path = _pair(text, f"--{kind}")
    subject, named, frame = where.rpartition(":")
    try:
        number = int(frame)
    except ValueError:
        raise ValueError(f"--{kind} {text}: {frame!r} is no frame number; write --{kind} 1001={path}") from None
    return Guide(number, os.path.abspath(path), kind, subject if named else "matte")


def _on_disk(plate: FramePath) -> FrameRange:
    if not plate.is_sequence:
        from seqmatte.plate_files import unnumbered

        raise PlateError(f"the plate has no frame number in its name; {unnumbered(plate)}", path=plate)
    found = plate.frames()
    if not found:
        from seqmatte.plate_files import instead

        raise PlateError(f"no frame of the plate is on disk{instead(plate, found)}", path=plate)
    # From the first to the last: a frame that is missing in between is then named, not skipped.
    return FrameRange(range(found[0], found[-1] + 1))


def _merged(shot: Shot, settings: list[str]) -> dict[str, dict[str, object]]:
    params = {name: dict(values) for name, values in shot.params.items()}
    for text in settings:
        where, value = _pair(text, "--set")
        method, _, option = where.rpartition(".")
        if not method:
            raise ValueError(f"--set {text}: write METHOD.OPTION=VALUE, as --set closed_form.degrain=0.7")
        params.setdefault(method, {})[option] = value
    return params


def _pair(text: str, flag: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name or not value:
        raise ValueError(f"{flag} {text}: an = is missing between name and value")
    return name, value


def _placed(config: str) -> str:
    """An OCIO config as a document names it: a file wherever it is opened from, a built-in one by its address."""
    return config if "://" in config else os.path.abspath(config)


def _weights(text: str) -> dict[str, str]:
    """NAME=FILE, or a file or folder whose card says the name. Raises WeightsError."""
    name, told, path = text.partition("=")
    named = told and not os.path.exists(text)
    if named:
        name, path = _pair(text, "--weights")
        if not os.path.isdir(path):
            return {name: os.path.abspath(path)}
    try:
        found = weights.named(path if named else text)
    except ValueError as error:
        raise WeightsError(str(error), field="weights") from None
    return {name: next(iter(found.values()))} if named else found
