"""An OpenColorIO config: found, remembered while its files stay as they are, and searched for names of spaces."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import PyOpenColorIO as ocio

from seqmatte.errors import ColourError
from seqmatte.file_stamp import stamp_of

# By its full name: "ocio://default" means another config in every release of the library.
BUILT_IN = "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4"

# What other configs call the spaces of the tags. The tags are the interop IDs of the Color Interop Forum.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "lin_ap1_scene": ("lin_ap1", "ACEScg", "ACES - ACEScg"),
    "lin_ap0_scene": ("lin_ap0", "ACES2065-1", "ACES - ACES2065-1"),
    "lin_rec709_scene": ("lin_rec709", "lin_rec709_srgb", "Linear Rec.709 (sRGB)", "Linear Rec.709", "lin_srgb",
                         "Utility - Linear - sRGB", "Utility - Linear - Rec.709"),
    "lin_rec2020_scene": ("lin_rec2020", "Linear Rec.2020", "Utility - Linear - Rec.2020"),
    "lin_p3d65_scene": ("lin_p3d65", "Linear P3-D65", "Utility - Linear - P3-D65"),
    "srgb_rec709_scene": ("srgb_tx", "sRGB - Texture", "sRGB Encoded Rec.709 (sRGB)", "sRGB",
                          "Utility - sRGB - Texture"),
}  # fmt: skip


def config_of(wanted: str) -> tuple[str, Any, str]:
    """(name, config, how it was found)."""
    told = os.environ.get("OCIO", "")
    name, why = (wanted, "as told") if wanted else (told, "from $OCIO") if told else (BUILT_IN, "built in")
    config = _loaded(name, why)
    if not config.hasRole("scene_linear"):
        raise ColourError(f"config {name} ({why}) has no role scene_linear; use another, such as {BUILT_IN}")
    return name, config, why


_CONFIGS_KEPT = 8
# By name: the config, the files that its text names, and what these were when it was loaded.
_CONFIGS: dict[str, tuple[Any, tuple[str, ...], object]] = {}
# How a FileTransform names its file in a config's text.
_SRC = re.compile(r'\bsrc: ("(?:[^"\\]|\\.)*"|[^,}\n]*)')


def _loaded(name: str, why: str) -> Any:
    """The config, remembered until its file or a LUT of it changes: a studio may mend it while a worker runs."""
    held = _CONFIGS.get(name)
    if held and held[2] == _stamps(name, held[0], held[1]):
        return held[0]
    if held or len(_CONFIGS) >= _CONFIGS_KEPT:
        _CONFIGS.clear()
        ocio.ClearAllCaches()  # it keeps LUTs by their names
    config = _from_file(name, why)
    sources = tuple(sorted({_unquoted(found) for found in _SRC.findall(config.serialize())}))
    _CONFIGS[name] = (config, sources, _stamps(name, config, sources))
    return config


def _from_file(name: str, why: str) -> Any:
    try:
        config = ocio.Config.CreateFromFile(name)
        config.validate()
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        words = " ".join(str(error).split())
        raise ColourError(f"config {name} ({why}) cannot be used: {words}", field="colour.config") from error
    return config


@contextlib.contextmanager
def usable(config_name: str, space: str) -> Iterator[None]:
    """What OpenColorIO cannot do with a space, as where a LUT of it is missing, is raised as ColourError."""
    try:
        yield
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        words = " ".join(str(error).split())
        raise ColourError(f"{space} of config {config_name} cannot be used: {words}", field="colour.config") from error


def _unquoted(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text.strip()


def _stamps(name: str, config: Any, sources: tuple[str, ...]) -> object:
    """What tells that a config's file or one that it names is another than it was."""
    places = (name, *(path for source in sources for path in _places(config, source)))
    return [(path, stamp_of(path)) for path in places]


def _places(config: Any, source: str) -> list[str]:
    """Where a file that a config names may lie. OpenColorIO itself remembers what it once found missing."""
    context = config.getCurrentContext()
    named = context.resolveStringVar(source)
    folders = [context.resolveStringVar(folder) for folder in config.getSearchPaths()] or [""]
    return [os.path.join(config.getWorkingDir(), folder, named) for folder in folders]


def text_identity(config: Any) -> str:
    """Of the config's text, without the part on files that it names."""
    return str(config.getCacheID()).partition(":")[0]


def find(config: Any, wanted: str) -> str | None:
    """A space by name, alias, role or interop ID, under the config's own name; None if there is none."""
    for name in (wanted, *ALIASES.get(wanted, ())):
        space = config.getColorSpace(name)
        if space is not None:
            return str(space.getName())
    for space in config.getColorSpaces():
        if hasattr(space, "getInteropID") and space.getInteropID() == wanted:
            return str(space.getName())
    return None


def spaces(config: Any) -> list[str]:
    """The names of all colour spaces that hold colour."""
    return [str(space.getName()) for space in config.getColorSpaces() if not space.isData()]


def alike(config: Any, wanted: str, most: int = 6) -> list[str]:
    """Spaces whose name, or another name of theirs, holds the word that was said; else those spelt nearly so."""
    words = {_plain(n): own for own in spaces(config) for n in (own, *config.getColorSpace(own).getAliases())}
    said = _plain(wanted)
    holding = sorted((word for word in words if said and said in word), key=lambda word: len(words[word]))
    found = holding or difflib.get_close_matches(said, words, n=2 * most, cutoff=0.6)
    return list(dict.fromkeys(words[word] for word in found))[:most]


def _plain(name: str) -> str:
    """A name's letters and digits alone, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
