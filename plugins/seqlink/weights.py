"""Files of weights that an artist names: which network one is for, by the card that lies beside it."""

from __future__ import annotations

import json
import os


def named(path: str) -> dict[str, str]:
    """The file of weights at a path by its network's name, as a Shot's `weights` has it; nothing for no path.

    path: a file of weights with its card, or the folder that `seqmatte train` wrote them to. Raises ValueError.
    """
    if not path:
        return {}
    place = os.path.abspath(path)
    if os.path.isdir(place):
        place = os.path.join(place, "weights.safetensors")
    if not os.path.isfile(place):
        raise ValueError(f"there are no weights at {place}; name the folder that seqmatte train wrote, or a file")
    beside = os.path.splitext(place)[0] + ".json"
    try:
        with open(beside, encoding="utf-8") as stream:
            card = json.load(stream)
    except (OSError, ValueError):
        raise ValueError(
            f"{place} has no readable card, {os.path.basename(beside)}, beside it, so its network has to be named: "
            "write NETWORK=FILE on the command line; in Nuke or Blender choose the folder that seqmatte train wrote"
        ) from None
    network = str(card.get("network") or card.get("name") or "") if isinstance(card, dict) else ""
    if not network:
        raise ValueError(f"{beside} does not say which network the weights are for")
    return {network: place}
