"""Weights: found, verified, recognised, refused."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from seqlink import FramePath, FrameRange, Guide, Shot
from seqmatte import cli, networks, recipe, weights
from seqmatte.errors import ShotError, WeightsError
from seqmatte.keys import FileDigests
from seqmatte.recognition import recognised
from shots import source_environment


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQMATTE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def rvm():
    torch.manual_seed(3)
    return networks.build("rvm").state_dict()


def written(tmp_path, arrays, name="file.pth"):
    path = tmp_path / name
    torch.save(arrays, path)
    return str(path)


def without_counters(arrays):
    return {name: array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "network"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
def test_wrappers_and_prefixes_are_taken_off(tmp_path, rvm, wrapper, prefix):
    arrays = {prefix + name: array for name, array in rvm.items()}
    path = written(tmp_path, arrays if wrapper is None else {"epoch": 3, wrapper: arrays})
    assert set(weights.read(path)) == set(without_counters(rvm))


def test_gca_loses_its_outer_module_and_keeps_its_inner_ones(tmp_path):
    with torch.device("meta"):
        keys = without_counters(networks.build("gca").state_dict())
    path = written(tmp_path, {f"module.{name}": torch.zeros(1) for name in keys})
    assert set(weights.read(path)) == set(keys)
    assert "encoder.conv1.module.weight_bar" in keys


def test_half_precision_safetensors_load_as_float32_without_counters(tmp_path, rvm):
    path = tmp_path / "rvm.safetensors"
    save_file({name: array.half() for name, array in without_counters(rvm).items()}, str(path))
    loaded = weights.load("rvm", str(path)).state_dict()
    assert loaded["project_mat.conv.weight"].dtype == torch.float32
    torch.testing.assert_close(loaded["project_mat.conv.weight"], rvm["project_mat.conv.weight"], atol=1e-3, rtol=1e-3)


def test_the_form_is_read_from_the_file(tmp_path):
    torch.manual_seed(0)
    path = written(tmp_path, networks.build("context_motion", encoder="mobilenetv2").state_dict())
    assert recognised(weights.read(path)) == ("context_motion", "mobilenetv2")
    with pytest.raises(WeightsError, match="not weights for context_motion-resnet18"):
        weights.load("context_motion", path, encoder="resnet18")


def test_a_file_of_another_network_is_named_with_the_first_keys_that_differ(tmp_path, rvm):
    path = written(tmp_path, rvm)
    with pytest.raises(WeightsError) as caught:
        weights.load("gca", path)
    said = str(caught.value)
    assert "these are not weights for gca" in said
    assert "missing: encoder.conv1.module.weight_u" in said
    assert "unknown: backbone.features.0.0.weight" in said
    assert "They are rvm-mobilenetv3's" in said
    assert path in said


def test_one_key_too_few_or_too_many_or_of_another_shape_is_named(tmp_path, rvm):
    for arrays, said in (
        ({k: v for k, v in rvm.items() if k != "project_seg.conv.bias"}, "missing: project_seg.conv.bias"),
        ({**rvm, "extra.weight": torch.zeros(2)}, "unknown: extra.weight"),
        ({**rvm, "project_seg.conv.bias": torch.zeros(2)}, r"project_seg.conv.bias is \[2\], not \[1\]"),
    ):
        with pytest.raises(WeightsError, match=said):
            weights.load("rvm", written(tmp_path, arrays))


class Trap:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_that_a_file_holds_is_run(tmp_path):
    sprung = tmp_path / "sprung"
    path = tmp_path / "trap.pth"
    torch.save({"state_dict": Trap(str(sprung))}, path)
    with pytest.raises(WeightsError, match=r"more than arrays, and none of it is run: .* save model\.state_dict"):
        weights.read(str(path))
    path.write_bytes(pickle.dumps(Trap(str(sprung)), protocol=2))
    with pytest.raises(WeightsError):
        weights.read(str(path))
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors", "broken.npz"])
def test_a_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match=name):
        weights.read(str(tmp_path / name))


@pytest.mark.parametrize("content", [b"epoch 3\n", b""])
def test_a_text_is_no_file_of_weights_and_that_is_all_that_is_said(tmp_path, content, capsys):
    (tmp_path / "bad.pth").write_bytes(content)
    assert cli.main(["weights", "add", str(tmp_path / "bad.pth")]) == WeightsError.code
    said = capsys.readouterr().err
    assert "this is not a file of weights" in said
    assert not any(character.isdigit() for character in said.replace(str(tmp_path), ""))


def test_tensorflow_variables_come_under_our_names(tmp_path):
    path = tmp_path / "cam.npz"
    variables = {"comp_proj/comp_proj_1/weights": np.zeros((3, 3, 64, 8), np.float32), "global_step": np.zeros(())}
    np.savez(path, **variables)
    assert {k: tuple(v.shape) for k, v in weights.read(str(path)).items()} == {
        "comp_proj.comp_proj_1.conv.weight": (8, 64, 3, 3)
    }


def test_missing_weights_say_which_file_to_get_from_whom_and_what_then():
    with pytest.raises(WeightsError) as caught:
        weights.find("rvm")
    for part in ("rvm_mobilenetv3.pth", "Robust Video Matting", "GPL-3.0", "seqmatte weights add FILE"):
        assert part in str(caught.value)
    with pytest.raises(WeightsError, match=r"its authors published none\. Train it: seqmatte train amm"):
        weights.find("amm")


def test_an_added_file_is_found_with_its_card(home, tmp_path, rvm):
    path = written(tmp_path, rvm, "whatever.pth")
    added = weights.add(path)
    assert added == weights.find("rvm")
    assert added.path == str(home / "weights" / "rvm-mobilenetv3.pth")
    assert added.digest == FileDigests().of(path)
    card = json.loads((home / "weights" / "rvm-mobilenetv3.json").read_text())
    assert card["licence"] == "GPL-3.0, as its code"
    assert card["file"] == "whatever.pth"
    assert added.correction == 1.0
    with pytest.raises(WeightsError, match=r"no weights for rvm \(resnet50\)"):
        weights.find("rvm", "resnet50")


def test_weights_of_one_shot_do_not_become_every_shots(home, tmp_path, rvm):
    path = written(tmp_path, rvm)
    (tmp_path / "file.json").write_text(json.dumps({"licence": f"as the shot's pictures: {weights.ONE_SHOT}"}))
    with pytest.raises(WeightsError, match=f"--weights rvm={path}"):
        weights.add(path)
    assert not (home / "weights").exists()


def test_the_installed_file_itself_can_be_added_again_and_mends_its_card(home, tmp_path, rvm):
    added = weights.add(written(tmp_path, rvm, "first.pth"))
    card = home / "weights" / "rvm-mobilenetv3.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "sha256": "another"}))
    with pytest.raises(WeightsError, match="add it again"):
        weights.find("rvm")
    assert weights.add(added.path).digest == added.digest
    assert weights.find("rvm").digest == added.digest
    assert sorted(path.name for path in (home / "weights").iterdir()) == [card.name, "rvm-mobilenetv3.pth"]


def test_weights_that_replace_others_of_another_kind_of_file_are_alone_there(home, tmp_path, rvm):
    weights.add(written(tmp_path, rvm, "first.pth"))
    weights.add(written(tmp_path, rvm, "second.pt"))
    assert sorted(path.name for path in (home / "weights").iterdir()) == ["rvm-mobilenetv3.json", "rvm-mobilenetv3.pt"]


def test_a_file_that_its_card_does_not_describe_is_refused(tmp_path, rvm):
    added = weights.add(written(tmp_path, rvm))
    torch.save({**rvm, "project_seg.conv.bias": torch.ones(1)}, added.path)
    with pytest.raises(WeightsError, match="not the file that its card describes"):
        weights.find("rvm")


def test_weights_trained_in_linear_light_need_no_correction(tmp_path, rvm):
    path = tmp_path / "ours.safetensors"
    save_file(without_counters(rvm), str(path))
    (tmp_path / "ours.json").write_text(json.dumps({"linear_light": True, "licence": "Apache-2.0"}))
    added = weights.add(str(path))
    assert added.correction == 0.0
    assert added.card["licence"] == "Apache-2.0"
    assert added.identity != weights.Weights("rvm", "", added.digest).identity


def test_a_name_that_is_not_the_files_is_refused(tmp_path, rvm):
    path = written(tmp_path, rvm)
    with pytest.raises(WeightsError, match="not weights for fba"):
        weights.add(path, "fba")
    assert weights.add(path, "rvm-mobilenetv3").network == "rvm"


def shot(**changes):
    made = Shot(FramePath("/none/plate.####.exr"), FrameRange([1]), (Guide(1, "/none/mask.exr"),))
    return made.replace(**changes)


def test_a_shot_names_its_own_weights(tmp_path, rvm):
    path = written(tmp_path, rvm)
    rvm_method = recipe.build(shot(recipe="rvm", weights={"rvm": path}))[0]
    assert rvm_method.weights.path == path
    with pytest.raises(WeightsError, match="are not there"):
        recipe.build(shot(recipe="rvm", weights={"rvm": str(tmp_path / "gone.pth")}))
    with pytest.raises(ShotError, match=r"weights\.rvn: no method has this network; available: amm"):
        recipe.build(shot(recipe="rvm", weights={"rvn": path}))


def test_an_unknown_runtime_and_a_missing_clean_plate_are_refused(tmp_path, rvm):
    path = written(tmp_path, rvm)
    with pytest.raises(ShotError, match="no runtime 'tensorrt'; available: torch, onnx"):
        recipe.build(shot(recipe="rvm", runtime="tensorrt"))
    bgm2 = shot(recipe="bgm2", weights={"bgm2": path})
    with pytest.raises(ShotError, match="bgm2 needs a clean plate and there is none; give it as --clean"):
        recipe.build(bgm2)


def test_weights_go_into_keys_and_torch_does_not_load_for_them(tmp_path, rvm):
    path = written(tmp_path, rvm)
    code = (
        "import sys; from seqlink import *; from seqmatte import recipe, plan\n"
        f"shot = Shot(FramePath('p.####.exr'), FrameRange([1]), recipe='rvm', weights={{'rvm': {path!r}}})\n"
        "print(plan.identity(recipe.build(shot)[0])); assert 'torch' not in sys.modules"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=source_environment())
    assert FileDigests().of(path) in said.stdout.decode()


def test_the_commands_list_add_and_check(tmp_path, rvm, capsys):
    path = written(tmp_path, rvm, "rvm_mobilenetv3.pth")
    assert cli.main(["weights", "add", path]) == 0
    assert cli.main(["weights", "check"]) == 0
    assert cli.main(["weights", "list"]) == 0
    said = capsys.readouterr().out
    assert "rvm-mobilenetv3: ok" in said
    assert "gca             none here" in said
    assert "gca-dist.pth" in said
    assert cli.main(["weights", "add", str(tmp_path / "gone.pth")]) == WeightsError.code
