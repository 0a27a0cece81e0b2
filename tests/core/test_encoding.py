"""The network encoding: invertible, monotonic, the same in numpy and torch, constant over a shot."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from seqmatte.encoding import FLOOR, Encoding, choose
from shots import source_environment

ENCODINGS = [Encoding(), Encoding(0, 0.5, 2), Encoding(0, 0.5, 16), Encoding(2, 0.5, 64), Encoding(-3, 0.5, 64)]
HALF_CODES = np.arange(65536, dtype=np.uint16).view(np.float16)
FINITE = HALF_CODES[np.isfinite(HALF_CODES)].astype(np.float32)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_every_half_code_comes_back(encoding):
    light = FINITE[FINITE * 2.0**encoding.ev >= FLOOR]
    back = encoding.decode(encoding.encode(light))
    within = light * 2.0**encoding.ev <= max(encoding.top, 1.0)
    assert (np.abs(back - light)[within] <= 3e-6 * np.abs(light[within]) + 1e-7 * 2.0**-encoding.ev).all()
    assert (np.abs(back - light) <= 3e-5 * np.abs(light) + 1e-7 * 2.0**-encoding.ev).all()


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_more_light_never_encodes_darker_and_top_is_one(encoding):
    light = np.sort(FINITE)
    picture = encoding.encode(light)
    assert (np.diff(picture) >= -1e-7).all()
    top = np.float32([encoding.top * 2.0**-encoding.ev])
    assert encoding.encode(top)[0] == pytest.approx(1.0, abs=1e-6)


def test_plain_encoding_is_srgb_and_grey_stays_where_networks_know_it():
    light = np.float32([0.0, 0.18, 0.5, 1.0])
    srgb = [0.0, 0.46135613, 0.73535698, 1.0]
    assert np.allclose(srgb, Encoding().encode(light), atol=1e-6)
    assert Encoding(0, 0.5, 16).encode(light)[1] == pytest.approx(srgb[1], abs=1e-6)


def test_negative_grain_is_clamped_where_the_docstring_says():
    encoding = Encoding(0, 0.5, 16)
    picture = encoding.encode(np.float32([-5.0, -0.02, -0.01]))
    assert picture[0] == picture[1] < picture[2] < 0
    assert np.allclose([FLOOR, FLOOR, -0.01], encoding.decode(picture), atol=1e-7)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_whatever_a_network_answers_decodes_to_something_finite(encoding):
    wild = np.float32([-1e6, -3, 0.5, 2, 30, 1e6])
    light = encoding.decode(wild)
    assert np.isfinite(light).all()
    assert (np.diff(light) >= 0).all()


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_torch_and_numpy_agree(encoding):
    torch = pytest.importorskip("torch")
    light = FINITE[np.abs(FINITE) < 1000]
    picture = encoding.encode(light)
    assert np.allclose(picture, encoding.encode(torch.from_numpy(light)).numpy(), atol=2e-6)
    assert picture.dtype == np.float32
    back = encoding.decode(torch.from_numpy(picture))
    assert np.allclose(encoding.decode(picture), back.numpy(), rtol=2e-5, atol=1e-6)


def test_a_gradient_flows_through_both_ways():
    torch = pytest.importorskip("torch")
    light = torch.tensor([-0.01, 0.0, 0.001, 0.3, 0.5, 5.0, 100.0], requires_grad=True)
    encoding = Encoding(0, 0.5, 16)
    encoding.decode(encoding.encode(light)).sum().backward()
    assert torch.allclose(light.grad, torch.ones(7), atol=1e-3)


def test_arrays_do_not_load_torch():
    code = "import sys, numpy as n; from seqmatte.encoding import Encoding as E\n"
    code += "E().decode(E().encode(n.ones((2, 2, 3), n.float32))); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=source_environment()
    )
    assert "False" == done.stdout.strip()


def test_an_ordinary_plate_gets_plain_srgb():
    plate = np.random.default_rng(0).uniform(0, 0.9, (90, 160, 3)).astype(np.float32)
    assert Encoding() == choose([plate])


def test_hot_light_brings_a_shoulder_whose_top_is_a_power_of_two():
    plate = np.random.default_rng(0).uniform(0, 0.5, (90, 160, 3)).astype(np.float32)
    plate[:10, :10] = 11.0
    assert Encoding(0, 0.5, 16) == choose([plate])
    plate[:10, :10] = 5000.0
    assert Encoding(0, 0.5, 64) == choose([plate])


def test_a_small_repair_of_the_plate_does_not_change_the_constants():
    random = np.random.default_rng(0)
    plate = random.uniform(0, 0.5, (90, 160, 3)).astype(np.float32)
    plate[:10, :10] = 11.0
    repaired = plate.copy()
    repaired[40:60, 40:60] = random.uniform(0, 0.5, (20, 20, 3))
    repaired[0, 0] = 13.0
    assert choose([plate]) == choose([repaired])


def test_a_plate_far_from_ordinary_exposure_is_shifted_by_whole_stops():
    plate = np.random.default_rng(0).uniform(0.05, 0.36, (90, 160, 3)).astype(np.float32)
    assert choose([plate / 64]).ev in (6, 7)
    assert choose([plate * 64]).ev in (-6, -7)
    assert 0 == choose([plate / 4]).ev == choose([plate * 4]).ev
    assert 0 == choose([np.zeros((9, 9, 3), np.float32)]).ev


def test_a_lit_face_at_night_and_one_before_a_window_keep_their_exposure():
    night = np.full((90, 160, 3), 0.001, np.float32)
    night[20:60, 40:80] = 0.3
    window = np.full((90, 160, 3), 9.0, np.float32)
    window[20:60, 40:80] = 0.1
    assert Encoding() == choose([night])
    assert Encoding(0, 0.5, 16) == choose([window])


def test_broken_pixels_do_not_steer_the_choice():
    plate = np.full((40, 40, 3), 0.2, np.float32)
    plate[:5] = np.nan
    plate[5:10] = np.inf
    assert Encoding() == choose([plate])


def test_text_form_comes_back_and_nonsense_is_explained():
    assert Encoding(-2, 0.5, 32) == Encoding.parse(str(Encoding(-2, 0.5, 32)))
    for text in ("srgb", "1,2", "0,0.5,0.1", "0,1,8", "nan,0.5,16"):
        with pytest.raises(ValueError, match="encoding"):
            Encoding.parse(text)
