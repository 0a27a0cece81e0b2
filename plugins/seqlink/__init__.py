"""What engine and hosts say to each other. Standard library only, Python 3.9."""

from .frames import FramePath, FrameRange
from .params import describe, param, parse
from .shot import Colour, Guide, Shot

__all__ = ["Colour", "FramePath", "FrameRange", "Guide", "Shot", "describe", "param", "parse"]
