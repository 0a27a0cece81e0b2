"""One folder for NUKE_PATH, with seqlink inside it, for studios that deploy without a checkout.

python nuke/pack.py /tools/seqmatte-nuke
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def pack(folder: Path) -> None:
    """Copies the adapter and seqlink; replaces what an earlier pack has left there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("init.py", "menu.py"):
        shutil.copyfile(HERE / name, folder / name)
    for source in (HERE / "seqmatte_nuke", HERE.parent / "plugins" / "seqlink"):
        shutil.rmtree(folder / source.name, ignore_errors=True)
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__", ".*"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    pack(Path(sys.argv[1]))
