"""What works on this machine, in a page, and for each thing that does not, what to do about it.

Nothing here is needed to matte; every check looks for itself and none hides another's failure.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from seqmatte.errors import SeqmatteError, WeightsError
from seqmatte.file_faults import system_words

# Distribution -> module, as pyproject.toml asks for them.
NEEDED = {
    "numpy": "numpy",
    "OpenImageIO": "OpenImageIO",
    "opencolorio": "PyOpenColorIO",
    "opencv-python-headless": "cv2",
    "torch": "torch",
    "safetensors": "safetensors",
}
# A shot of 100 frames at 4K, with its intermediate layers.
WANTED_BYTES = 50 * 10**9
# What a prune leaves of the cache where no other size is asked for.
PRUNED_BYTES = 20 * 10**9


@dataclass(frozen=True)
class Check:
    """One line of the page. state: "ok", "note" (works, could be better) or "problem". advice: what to do."""

    name: str
    state: str
    found: str
    advice: str = ""


def report(cache: str | None = None, device: str = "auto") -> list[Check]:
    """Every check, in the order of the page. Imports what the engine imports, so it takes some seconds."""
    sections = (python(), packages(), devices(device), onnx_runtime(), weights(), cache_folder(cache), colour_config())
    return [check for section in sections for check in _guarded(section)]


def text(checks: list[Check]) -> str:
    """The page: marks, names in a column, and under a line that is not ok what to do."""
    marks = {"ok": "  ", "note": "- ", "problem": "! "}
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{marks[check.state]}{check.name:{width}}  {check.found}")
        if check.advice:
            lines.append(f"  {'':{width}}  -> {check.advice}")
    problems = sum(check.state == "problem" for check in checks)
    lines.append("")
    lines.append("Everything that is needed works." if not problems else f"{problems} to put right, marked with !")
    return "\n".join(lines)


def _guarded(section: Iterator[Check]) -> Iterator[Check]:
    """A check that meets a bug or a broken package says so, and the others go on."""
    try:
        yield from section
    except SeqmatteError as error:
        yield Check(getattr(section, "__name__", "check").replace("_", " "), "problem", str(error))
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what the page is for
        advice = "put the packages above right first; if they are, please report this"
        yield Check(getattr(section, "__name__", "check"), "problem", f"{type(error).__name__}: {error}", advice)


def python() -> Iterator[Check]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    yield Check("Python", "ok", found)
    installed = _version("seqmatte")
    if installed:
        yield Check("SeqMatte", "ok", installed)
    else:
        advice = "fine for work on it; `pip install .` makes the seqmatte command"
        yield Check("SeqMatte", "note", "runs from its source folder", advice)


def packages() -> Iterator[Check]:
    for distribution, module in NEEDED.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a broken binary may raise anything
            advice = f"pip install --force-reinstall {distribution}"
            yield Check(distribution, "problem", f"cannot be imported: {type(error).__name__}: {error}", advice)
        else:
            yield Check(distribution, "ok", _version(distribution) or "installed")


def devices(wanted: str) -> Iterator[Check]:
    try:
        import torch
    except Exception:  # noqa: BLE001 - told by `packages`
        return
    yield Check("CPU", "ok", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads")
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    for index, card in enumerate(found):
        yield Check(f"cuda:{index}", "ok", f"{card.name}, {card.total_memory / 2**30:.0f} GiB")
    if found:
        return
    state = "problem" if wanted.startswith("cuda") else "note"
    if not shutil.which("nvidia-smi"):
        advice = "use --device auto or cpu" if state == "problem" else ""
        yield Check("GPU", "problem" if advice else "ok", "none; networks run on the CPU", advice)
    elif torch.version.cuda is None:
        advice = "install the torch build for CUDA (pytorch.org, Get Started)"
        yield Check("GPU", state, "there is an NVIDIA driver, but this torch is for CPU only", advice)
    else:
        advice = f"torch is built for CUDA {torch.version.cuda}: update the driver, and look at CUDA_VISIBLE_DEVICES"
        yield Check("GPU", state, "there is an NVIDIA driver, but torch finds no card", advice)


def onnx_runtime() -> Iterator[Check]:
    wheels = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name)]
    if not wheels:
        advice = "for --runtime onnx: pip install 'seqmatte[cpu]' or 'seqmatte[gpu]'"
        yield Check("onnxruntime", "note", "not installed; torch runs the networks", advice)
        return
    if len(wheels) > 1:
        advice = "pip uninstall onnxruntime onnxruntime-gpu, then install the one you want"
        yield Check("onnxruntime", "problem", "both wheels are installed and overwrite each other's files", advice)
        return
    try:
        providers = importlib.import_module("onnxruntime").get_available_providers()
    except Exception as error:  # noqa: BLE001 - a broken binary may raise anything
        advice = f"pip install --force-reinstall {wheels[0]}"
        yield Check(wheels[0], "problem", f"cannot be imported: {type(error).__name__}: {error}", advice)
        return
    known = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    if wheels == ["onnxruntime-gpu"] and "CUDAExecutionProvider" not in providers:
        advice = "its CUDA libraries are missing: install the CUDA and cuDNN versions that its page names"
        yield Check(wheels[0], "problem", f"{_version(wheels[0])}, only {known}", advice)
    else:
        yield Check(wheels[0], "ok", f"{_version(wheels[0])}, {known}")


def weights() -> Iterator[Check]:
    from seqmatte import weights as kept
    from seqmatte.commands.weights import networks_of_methods

    there, missing = [], []
    for network in networks_of_methods():
        try:
            kept.find(network)
            there.append(network)
        except WeightsError as error:
            if error.path is None:
                missing.append(network)
            else:
                advice = f"get the file again, then: seqmatte weights add FILE --name {network}"
                yield Check(f"weights: {network}", "problem", str(error), advice)
    found = f"{', '.join(there) or 'of no network'}; flow-closed-form needs none"
    yield Check("weights", "ok", f"{found}. Not here: {', '.join(missing)}" if missing else found)


def cache_folder(folder: str | None) -> Iterator[Check]:
    from seqmatte.cache import Cache
    from seqmatte.report import counted, size_text

    cache = Cache(folder)
    reason = unwritable(cache.root)
    if reason:
        advice = "name another folder with --cache, in the preferences, or in SEQMATTE_HOME"
        yield Check("cache", "problem", f"{cache.root} cannot be written: {reason}", advice)
        return
    contents = cache.contents()
    held = counted(contents.entries, "entry", "entries")
    found = f"{cache.root}: {held}, {size_text(contents.bytes)}"
    yield Check("cache", "ok", found)
    free = shutil.disk_usage(cache.root).free
    advice = _more_room(contents.bytes) if free < WANTED_BYTES else ""
    state = "problem" if free < WANTED_BYTES / 50 else "note" if advice else "ok"
    yield Check("disk", state, f"{free / 1e9:.0f} GB free where the cache lies", advice)


def _more_room(held: int) -> str:
    """Pruning is advised where it would free something."""
    larger = "name a folder on a larger disk with --cache"
    return f"`seqmatte cache prune --limit 20G`, or {larger}" if held > PRUNED_BYTES else larger


def colour_config() -> Iterator[Check]:
    named = os.environ.get("OCIO")
    try:
        import PyOpenColorIO as ocio

        from seqmatte import colour_config

        config = ocio.Config.CreateFromFile(named or colour_config.BUILT_IN)
        config.validate()
    except ImportError:
        return  # told by `packages`
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        reason = str(error).strip().splitlines()[0]
        yield Check("OCIO", "problem", f"{named}: {reason}", "put OCIO right, or unset it to use the built-in config")
        return
    spaces = len(list(config.getColorSpaceNames()))
    where = f"$OCIO, {named}" if named else f"built in, {colour_config.BUILT_IN}"
    yield Check("OCIO", "ok", f"{where}: {spaces} colour spaces")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def unwritable(folder: Path) -> str:
    """Why nothing can be written in a folder, which is made if it is missing; empty when it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"seqmatte")
    except OSError as error:
        return system_words(error)
    return ""
