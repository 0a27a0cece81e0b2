"""How a real Nuke is asked: the checks, those that need its renderer, and what both are written with."""

import importlib

CHECKS, PIXELS = [], []


def check(call):
    CHECKS.append(call)
    return call


def pixels(call):
    PIXELS.append(call)
    return call


def raises(kinds, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kinds:
        return
    raise AssertionError("nothing was raised")


def made(nuke, kind, **knobs):
    node = nuke.createNode(kind, inpanel=False)
    for index in range(node.inputs()):
        node.setInput(index, None)
    for name, value in knobs.items():
        node[name].setValue(value)
    return node


def ours():
    return importlib.import_module("seqmatte_nuke")


def exr_write(nuke, place, above=None):
    write = made(nuke, "Write", file_type="exr", channels="rgba", raw=True, create_directories=True, disable=False)
    write["file"].setValue(place.replace("\\", "/"))
    write["datatype"].setValue("32 bit float")
    write["compression"].setValue("Zip (1 scanline)")
    write["views"].setValue("main")
    write.setInput(0, above if above is not None else made(nuke, "Constant"))
    return write


def content(path):
    with open(path, "rb") as file:
        return file.read()
