"""Which knobs a node of each class has: names, words and defaults from a dump of Nuke 17.0v3."""

from __future__ import annotations

from fakes.nuke_knobs import (
    AColor_Knob,
    Boolean_Knob,
    Channel_Knob,
    Curves_Knob,
    Double_Knob,
    Enumeration_Knob,
    File_Knob,
    Int_Knob,
    Link_Knob,
    PyScript_Knob,
    Script_Knob,
    String_Knob,
    Tab_Knob,
    Text_Knob,
    Which_Knob,
)


def _enum(*values):
    return lambda name: Enumeration_Knob(name, "", values)


def _plain(kind, value):
    def make(name):
        knob = kind(name)
        knob._value = knob._builtin = value
        return knob

    return make


_ON_ERROR = _enum("error", "black", "checkerboard", "nearest frame")
_BEYOND = _enum("hold", "loop", "bounce", "black")
_SPACES = _enum("default", "linear", "sRGB", "scene_linear", "ACEScg", "default (scene_linear)", "default (linear)",
                "default (ACES - ACES2065-1)", "scene_linear (ACES - ACEScg)", "ACES - ACEScg",
                "ACES - ACEScg\tColorspaces/ACES - ACEScg")  # fmt: skip
_RELOAD = _plain(Script_Knob, "knob this.version [expr [value this.version]+1]")
EVERY = {
    "name": String_Knob, "label": String_Knob, "tile_color": Int_Knob, "xpos": Int_Knob, "ypos": Int_Knob,
    "disable": Boolean_Knob, "selected": Boolean_Knob, "autolabel": String_Knob, "onCreate": String_Knob,
}  # fmt: skip
# Class -> (most inputs, knobs). Names, values and defaults from a dump of Nuke 17.0v3.
CLASSES = {
    "Group": (0, {}),
    "Input": (0, {"number": Int_Knob}),
    "Output": (1, {}),
    "Dot": (1, {}),
    "NoOp": (1, {}),
    "Grade": (2, {"white": AColor_Knob}),
    "TimeOffset": (1, {"time_offset": Double_Knob, "reverse_input": Boolean_Knob}),
    "FrameHold": (1, {"firstFrame": Double_Knob, "increment": Double_Knob}),
    "TimeWarp": (1, {}),
    "Roto": (4, {"curves": Curves_Knob, "output": _plain(Channel_Knob, "alpha"),
                 "cliptype": _enum("no clip", "bbox", "format")}),
    "Read": (0, {
        "file": File_Knob, "proxy": File_Knob, "first": _plain(Int_Knob, 1), "last": _plain(Int_Knob, 1),
        "origfirst": _plain(Int_Knob, 1), "origlast": _plain(Int_Knob, 1), "before": _BEYOND, "after": _BEYOND,
        "frame_mode": _enum("expression", "start at", "offset"), "frame": String_Knob, "on_error": _ON_ERROR,
        "raw": Boolean_Knob, "premultiplied": Boolean_Knob, "auto_alpha": Boolean_Knob, "colorspace": _SPACES,
        "localizationPolicy": _enum("fromAutoLocalizePath", "on", "onDemand", "off"), "version": Int_Knob,
        "reload": _RELOAD}),
    "Write": (1, {
        "file": File_Knob, "channels": _plain(Channel_Knob, "rgb"),
        "file_type": _enum(" ", "exr", "png", "tiff", "dpx"), "raw": Boolean_Knob, "colorspace": _SPACES,
        "create_directories": Boolean_Knob, "views": _plain(String_Knob, "main")}),
    "Switch": (100, {"which": Which_Knob}),
    "Copy": (3, {"from0": _plain(Channel_Knob, "rgba.alpha"), "to0": _plain(Channel_Knob, "rgba.alpha")}),
    "Merge2": (3, {"operation": _enum("over", "plus", "multiply"), "bbox": _enum("union", "intersection", "A", "B")}),
    "Constant": (0, {"channels": _plain(Channel_Knob, "rgb"), "color": AColor_Knob}),
}  # fmt: skip
EXR = {
    "datatype": _enum("16 bit half", "32 bit float"),
    "compression": _enum("Zip (16 scanlines)", "none", "Zip (1 scanline)", "PIZ Wavelet (32 scanlines)", "RLE"),
    "autocrop": Boolean_Knob,
    "metadata": _enum("default metadata", "no metadata", "all metadata", "all metadata except input/*"),
}
ROOT = {
    "name": File_Knob, "frame": _plain(Int_Knob, 1), "first_frame": _plain(Int_Knob, 1),
    "last_frame": _plain(Int_Knob, 100), "proxy": Boolean_Knob, "colorManagement": _enum("Nuke", "OCIO"),
    "OCIO_config": _enum("nuke-default", "aces_1.2", "fn-nuke_cg-config-v1.0.0", "custom"),
    "customOCIOConfigPath": File_Knob,
    "workingSpaceLUT": _enum("linear", "scene_linear", "ACEScg", "ACES2065-1", "scene_linear (ACES - ACEScg)"),
}  # fmt: skip
USER = {c.number: c for c in (String_Knob, File_Knob, Int_Knob, Double_Knob, Boolean_Knob, Enumeration_Knob,
                               PyScript_Knob, Text_Knob, Tab_Knob, Link_Knob)}  # fmt: skip
