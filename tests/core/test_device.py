"""Which device a name stands for, on machines with and without GPUs."""

import pytest
import torch

from seqmatte import cli
from seqmatte.device import Device
from seqmatte.errors import DeviceError, out_of_memory


@pytest.fixture
def cards(monkeypatch):
    """Says how many GPUs there are."""

    def there_are(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return there_are


def test_a_card_is_named_by_its_number(cards):
    cards(2)
    assert Device("cuda:1").torch() == torch.device("cuda", 1)
    assert Device("cuda").torch() == Device("auto").torch() == torch.device("cuda")
    assert Device("cpu").torch() == torch.device("cpu")


@pytest.mark.parametrize(("count", "known"), [(1, "there is cuda:0"), (2, "there is cuda:0 to cuda:1")])
def test_a_card_that_is_not_there_is_told_which_are(cards, count, known):
    cards(count)
    with pytest.raises(DeviceError, match=rf"there is no cuda:9 on this machine; {known}"):
        Device("cuda:9").torch()


def test_without_a_card_auto_is_the_processor(cards):
    cards(0)
    assert Device().torch() == torch.device("cpu")
    with pytest.raises(DeviceError, match="torch finds none"):
        Device("cuda:0").torch()


@pytest.mark.parametrize("name", ["cuda:one", "cudax", "cuda:", "cuda:-1", "gpu", "", "CUDA"])
def test_other_words_are_no_device(name):
    with pytest.raises(DeviceError, match="no such device"):
        Device(name)


@pytest.mark.parametrize("command", ["status", "matte", "bundle", "train", "bench", "doctor", "demo", "worker"])
def test_a_word_that_is_no_device_is_refused_before_anything_is_done(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    more = {"bundle": ["--folder", str(tmp_path / "job")]}.get(command, [])
    plate = [] if command in ("train", "bench", "doctor", "demo", "worker") else ["plate.####.exr"]
    assert cli.main([command, *plate, *more, "--device", "foo"]) == DeviceError.code
    assert "no such device: 'foo'" in capsys.readouterr().err
    monkeypatch.setenv("SEQMATTE_DEVICE", "foo")
    assert cli.main([command, *plate, *more]) == DeviceError.code
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("said", ["cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED when calling"])
def test_libraries_of_a_card_that_cannot_allocate_are_out_of_memory(said):
    assert "out of memory" in out_of_memory(RuntimeError(said)).message
