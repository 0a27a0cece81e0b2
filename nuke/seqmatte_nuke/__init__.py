"""The Nuke adapter: a Group node that shows what the engine made. Python 3.9, standard library and seqlink.

    import seqmatte_nuke
    node = seqmatte_nuke.create()
    seqmatte_nuke.press("solve", node)

Without this package a script with our nodes opens and renders: the node is an ordinary Group around an ordinary Read.
"""

from .actions import press
from .node import create

__all__ = ["create", "press"]
