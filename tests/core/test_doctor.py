import importlib
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fakes.toy_engine import PATHS
from seqmatte import cli, doctor, weights
from seqmatte.cache import Cache, Contents
from seqmatte.doctor import Check
from seqmatte.errors import WeightsError


def only(checks, name):
    return next(check for check in checks if check.name == name)


def installed(monkeypatch, *wheels):
    monkeypatch.setattr(doctor, "_version", lambda name: "1.2.3" if name in wheels else "")


def test_the_page_is_green_here_and_names_what_it_found(tmp_path, capsys):
    assert cli.main(["doctor", "--cache", str(tmp_path / "cache")]) == 0
    page = capsys.readouterr().out
    for word in ("Python", "torch", "OpenImageIO", "CPU", "cache", "disk", "OCIO", str(tmp_path)):
        assert word in page
    assert page.rstrip().endswith("Everything that is needed works.")


def test_the_page_is_data_too(tmp_path, capsys):
    cli.main(["doctor", "--cache", str(tmp_path), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["state"] for row in rows} <= {"ok", "note", "problem"}
    assert all(row["advice"] for row in rows if row["state"] == "problem")


def test_a_cache_that_cannot_be_written_fails_with_what_to_do(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert cli.main(["doctor", "--cache", str(tmp_path / "file" / "cache")]) == 1
    page = capsys.readouterr().out
    assert "! cache" in page and "name another folder with --cache" in page
    assert "1 to put right" in page


def test_a_cache_that_was_never_used_is_made_and_left_empty(tmp_path):
    check = only(doctor.cache_folder(str(tmp_path / "new")), "cache")
    assert (check.state, list((tmp_path / "new").iterdir())) == ("ok", [])


@pytest.mark.parametrize(("free", "state"), [(10**12, "ok"), (20 * 10**9, "note"), (10**8, "problem")])
def test_a_disk_that_runs_full_is_told_in_time(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    check = only(doctor.cache_folder(str(tmp_path)), "disk")
    assert check.state == state
    assert ("a larger disk" in check.advice) == (state != "ok")


@pytest.mark.parametrize(("held", "pruned"), [(270 * 10**6, False), (30 * 10**9, True)])
def test_a_prune_is_advised_where_it_frees_something(tmp_path, monkeypatch, held, pruned):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    monkeypatch.setattr(Cache, "contents", lambda cache: Contents(12, held, 0))
    checks = list(doctor.cache_folder(str(tmp_path)))
    assert ("prune" in only(checks, "disk").advice) == pruned
    assert ("30.00 GB" if pruned else "270.0 MB") in only(checks, "cache").found


def test_both_onnxruntime_wheels_together_are_a_problem(monkeypatch):
    installed(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    check = only(doctor.onnx_runtime(), "onnxruntime")
    assert check.state == "problem" and "pip uninstall onnxruntime onnxruntime-gpu" in check.advice


def test_a_gpu_wheel_without_its_cuda_is_a_problem(monkeypatch):
    installed(monkeypatch, "onnxruntime-gpu")
    monkeypatch.setitem(
        sys.modules, "onnxruntime", SimpleNamespace(get_available_providers=lambda: ["CPUExecutionProvider"])
    )
    check = only(doctor.onnx_runtime(), "onnxruntime-gpu")
    assert check.state == "problem" and "only CPU" in check.found


def test_without_onnxruntime_torch_does_the_work(monkeypatch):
    installed(monkeypatch)
    assert only(doctor.onnx_runtime(), "onnxruntime").state == "note"


def test_a_package_whose_binary_is_broken_is_named_with_its_error(monkeypatch):
    real = importlib.import_module

    def broken(name):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", broken)
    check = only(doctor.packages(), "opencv-python-headless")
    assert check.state == "problem" and "libGL.so.1" in check.found and "pip install" in check.advice
    assert only(doctor.packages(), "numpy").state == "ok"


@pytest.mark.parametrize(
    ("driver", "built_for", "wanted", "state", "word"),
    [
        (None, None, "auto", "ok", "none"),
        (None, None, "cuda", "problem", "none"),
        ("/usr/bin/nvidia-smi", None, "auto", "note", "CPU only"),
        ("/usr/bin/nvidia-smi", "12.8", "cuda", "problem", "finds no card"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_explained(monkeypatch, driver, built_for, wanted, state, word):
    import torch

    monkeypatch.setattr(shutil, "which", lambda name: driver)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    check = only(doctor.devices(wanted), "GPU")
    assert check.state == state and word in check.found


def test_each_card_is_named_with_its_memory(monkeypatch):
    import torch

    card = SimpleNamespace(name="RTX 9000", total_memory=24 * 2**30)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    assert only(doctor.devices("auto"), "cuda:0").found == "RTX 9000, 24 GiB"


def test_a_colour_config_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("OCIO", str(tmp_path / "none.ocio"))
    check = only(doctor.colour_config(), "OCIO")
    assert check.state == "problem" and "none.ocio" in check.found and "unset it" in check.advice


def test_weights_that_are_not_what_their_card_says_are_a_problem_and_missing_ones_are_none(monkeypatch):
    def find(network):
        if network == "gca":
            raise WeightsError("not the file that its card describes", path="/weights/gca.pth")
        raise WeightsError("there are no weights for it")

    monkeypatch.setattr(weights, "find", find)
    checks = list(doctor.weights())
    assert only(checks, "weights: gca").state == "problem"
    assert "seqmatte weights add FILE --name gca" in only(checks, "weights: gca").advice
    assert only(checks, "weights").state == "ok" and "rvm" in only(checks, "weights").found


def test_a_check_that_meets_a_bug_says_so_and_the_others_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "find", lambda network: 1 / 0)
    checks = doctor.report(str(tmp_path))
    assert only(checks, "weights").state == "problem" and "ZeroDivisionError" in only(checks, "weights").found
    assert only(checks, "OCIO").state == "ok"


def test_every_line_that_is_not_ok_is_followed_by_its_advice():
    page = doctor.text([Check("one", "ok", "fine"), Check("two", "problem", "broken", "mend it")])
    assert page.splitlines()[:3] == ["  one  fine", "! two  broken", "       -> mend it"]


def test_doctor_runs_in_a_process_of_its_own(tmp_path):
    import os

    command = [sys.executable, "-m", "seqmatte", "doctor", "--cache", str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, **PATHS}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
