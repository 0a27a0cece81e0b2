"""seqmatte cache: look, prune, clear."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from seqmatte.commands.shot_arguments import add_cache_argument
from seqmatte.errors import CacheError

EPILOG = """\
examples:
  seqmatte cache
  seqmatte cache prune --limit 50G
  seqmatte cache clear --cache /shows/ab/cache
"""
UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("show", "prune", "clear"), default="show")
    add_cache_argument(parser)
    parser.add_argument("--limit", default="20G", metavar="SIZE", help="prune down to this, as 50G; default: 20G")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from seqmatte.cache import Cache
    from seqmatte.report import counted, size_text

    cache, limit = Cache(args.cache), size_from(args.limit)
    if args.cache and args.action != "show":
        _refuse_absent(cache.root)
    freed = 0
    if args.action == "prune":
        freed = cache.prune(limit)
    elif args.action == "clear":
        freed = cache.clear()
    found = cache.contents()
    facts = {"folder": str(cache.root), "entries": found.entries, "bytes": found.bytes, "freed": freed}
    if args.json:
        print(json.dumps({**facts, "running_jobs": found.leases}))
    else:
        jobs = counted(found.leases, "running job")
        print(f"{cache.root}\n{counted(found.entries, 'entry', 'entries')}, {size_text(found.bytes)}, {jobs}")
        if args.action != "show":
            print(f"freed {size_text(freed)}; what running jobs need was kept")
    return 0


def _refuse_absent(folder: Path) -> None:
    """A folder that is named and not there is a slip of the pen, and the real one still full."""
    if not folder.is_dir():
        raise CacheError("there is no such cache folder; nothing was freed", path=folder)


def size_from(text: str) -> int:
    """Bytes from a size as 500M or 50G. Raises ValueError."""
    unit = UNITS.get(text[-1:].upper(), 0)
    try:
        size = int(float(text[:-1]) * unit) if unit else int(text)
    except (ValueError, OverflowError):
        size = -1
    if size < 0:
        raise ValueError(f"--limit {text}: write a size as 500M or 50G")
    return size
