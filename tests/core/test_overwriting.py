"""What a run reads stays as it is, whatever it is told to write."""

import hashlib
import shutil

import pytest

from seqlink import FramePath, FrameRange, Guide
from seqmatte import cli, overwriting
from seqmatte.errors import OutputError, ShotError


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


OUT = [
    ("--out", "{folder}/plate.####.exr"),
    ("--out", "{folder}/plate.%04d.exr"),
    ("--out", "{linked}/plate.####.exr"),
    ("--out", "{folder}/guide.####.exr"),
]
BESIDE = [
    ("--out", "{out}", "--confidence", "{folder}/plate.####.exr"),
    ("--out", "{out}", "--save", "{folder}/plate.0005.exr"),
]


@pytest.mark.parametrize(
    ("command", "told"), [*(("matte", told) for told in OUT + BESIDE), *(("bundle", told) for told in OUT)]
)
def test_neither_plate_nor_guide_is_written_over(tiny_shot, tmp_path, capsys, monkeypatch, command, told):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    shutil.copyfile(tiny_shot.guide(3).path, tiny_shot.folder / "guide.0003.exr")
    (tmp_path / "linked").symlink_to(tiny_shot.folder, target_is_directory=True)
    places = {"folder": tiny_shot.folder, "linked": tmp_path / "linked", "out": tmp_path / "out" / "m.####.exr"}
    more = ["--folder", str(tmp_path / "job")] if command == "bundle" else []
    before = digests(tiny_shot.folder)
    mask = ["--mask", f"3={tiny_shot.folder / 'guide.0003.exr'}"]
    code = cli.main([command, str(tiny_shot.plate), *mask, *(text.format(**places) for text in told), *more])
    assert code == OutputError.code
    assert "would be written over what the shot is made of" in capsys.readouterr().err
    assert digests(tiny_shot.folder) == before
    assert not (tmp_path / "out").exists()


def test_several_pictures_do_not_share_a_name(tiny_shot, tmp_path):
    shot = tiny_shot.shot(1, out=FramePath(tmp_path / "m.exr"))
    with pytest.raises(OutputError, match=r"several pictures.*write the frame number as ####"):
        overwriting.refuse(shot)
    overwriting.refuse(shot, FrameRange([3]))
    whole = shot.replace(out=FramePath(tmp_path / "m.####.exr"))
    overwriting.refuse(whole, confidence=FramePath(tmp_path / "c.####.exr"))
    with pytest.raises(OutputError, match="names of their own"):
        overwriting.refuse(whole, confidence=FramePath(tmp_path / "m.%04d.exr"))


def test_results_end_in_exr(tiny_shot, tmp_path):
    with pytest.raises(OutputError, match=r"end the name in \.exr"):
        overwriting.refuse(tiny_shot.shot(1, out=FramePath(tmp_path / "m.####.png")))


def test_a_subjects_name_leads_into_no_other_folder(tiny_shot, tmp_path):
    guides = (tiny_shot.guide(1), Guide(2, tiny_shot.guide(2).path, subject="../../he"))
    with pytest.raises(ShotError, match="cannot stand in a file's name"):
        overwriting.refuse(tiny_shot.shot().replace(guides=guides, out=FramePath(tmp_path / "m.####.exr")))
