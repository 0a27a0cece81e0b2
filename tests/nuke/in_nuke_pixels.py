"""What the adapter assumes of Nuke's renderer, Roto, shipped configs and environment."""

import importlib
import os

from in_nuke_asking import content, exr_write, made, pixels


@pixels
def a_time_offset_shows_the_frame_so_many_before(nuke, folder):
    ramp = made(nuke, "Constant", channels="rgba")
    ramp["color"].setExpression("frame")
    offset = made(nuke, "TimeOffset", time_offset=10)
    offset.setInput(0, ramp)
    nuke.frame(50)
    assert offset.sample("rgba.red", 5, 5) == 40


@pixels
def raw_float_goes_to_disk_and_back_exactly(nuke, folder):
    constant = made(nuke, "Constant", channels="rgba", color=3.7)
    write = exr_write(nuke, os.path.join(folder, "raw.%04d.exr"), constant)
    nuke.execute(write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
    read = made(nuke, "Read", raw=True, first=1, last=1)
    read["file"].fromUserText(os.path.join(folder, "raw.%04d.exr"))
    assert abs(read.sample("rgba.red", 5, 5) - 3.7) < 1e-6


@pixels
def the_windows_of_a_cropped_picture_reach_the_file(nuke, folder):
    constant = made(nuke, "Constant", channels="rgba", color=1.0)
    crop = made(nuke, "Crop", reformat=False)
    crop["box"].setValue((10, 20, 110, 70))
    crop.setInput(0, constant)
    write = exr_write(nuke, os.path.join(folder, "crop.%04d.exr"), crop)
    nuke.execute(write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
    header, _ = importlib.import_module("seqmatte_nuke.exr_bytes")._header(
        content(os.path.join(folder, "crop.0001.exr"))
    )
    print("   data window of a crop to 10,20 - 110,70:", header["dataWindow"].hex())


@pixels
def the_same_picture_rendered_twice_has_one_digest(nuke, folder):
    exr_bytes = importlib.import_module("seqmatte_nuke.exr_bytes")
    constant = made(nuke, "Constant", channels="rgba", color=0.25)
    found = []
    for name in ("one", "two"):
        write = exr_write(nuke, os.path.join(folder, name + ".%04d.exr"), constant)
        nuke.execute(write, nuke.FrameRanges([1]), ["main"], continueOnError=False)
        found.append(exr_bytes.digest(os.path.join(folder, name + ".0001.exr")))
    assert found[0] == found[1]


@pixels
def the_keys_of_a_roto_are_found(nuke, folder):
    import nuke.rotopaint as rotopaint

    roto = made(nuke, "Roto")
    curves = roto["curves"]
    shape = rotopaint.Shape(curves, type="bezier")
    for x, y in ((10, 10), (100, 10), (50, 90)):
        shape.append((x, y))
    shape[0].center.addPositionKey(5, (12, 12))
    curves.rootLayer.append(shape)
    keys = importlib.import_module("seqmatte_nuke.keys")
    assert any(5 in set(keys._key_frames(found)) for found in keys._shapes(curves.rootLayer))


@pixels
def every_config_that_comes_with_nuke_is_found_by_its_name(nuke, folder):
    space = importlib.import_module("seqmatte_nuke.working_space")
    root, lost = nuke.root(), []
    root["colorManagement"].setValue("OCIO")
    for name in (entry.partition("\t")[0] for entry in root["OCIO_config"].values()):
        root["OCIO_config"].setValue(name)
        try:
            print("  ", name, "works in", root["workingSpaceLUT"].value(), "told as", space.colour())
        except Exception as error:  # noqa: BLE001 - the adapter's own, whatever it is
            lost += [] if name == "custom" else [f"{name}: {error}"]
    assert lost == []


@pixels
def what_nuke_sets_for_itself_is_stripped_for_the_engine(nuke, folder):
    child = importlib.import_module("seqlink.child")
    kept = child.stripped(os.environ)
    print("   taken from the engine's environment:", ", ".join(sorted(set(os.environ) - set(kept))) or "nothing")
    strange = [name for name in kept if "NUKE" in name.upper() or name.upper().startswith("FN_")]
    print("   left in it:", ", ".join(sorted(strange)) or "nothing of Nuke's")
