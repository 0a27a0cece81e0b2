"""The training loop: it learns, it goes on where it was, it ends when asked, it runs in two processes."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seqmatte.errors import OutputError, SeqmatteError, WeightsError
from seqmatte.networks import hstsg_compact, refiner
from seqmatte.training import checkpoints, course, lessons, sheet, stages, train, walks
from seqmatte.training.scenes import shoot

TINY = course.Round(64, 2, 2)
POOL = course.Pool((TINY,), 2)


def tiny_network():
    return refiner.build((8, 8, 8, 8))


@pytest.fixture
def tiny(monkeypatch):
    taught = stages.COURSES["refiner"]
    stage = replace(taught.stages[0], steps=8, rounds=(TINY,))
    monkeypatch.setitem(
        stages.COURSES, "tiny", replace(taught, build=tiny_network, stages=(stage,), check=TINY, pool=POOL)
    )


def settings(folder, **values):
    return train.Settings("tiny", folder, **{"check_every": 4, "warmup": 2, "device": "cpu", **values})


def curve_of(folder):
    return [(r["step"], r["loss"]) for r in sheet.read_curve(folder / "curve.jsonl")]


def test_a_run_that_was_stopped_goes_on_along_the_same_curve(tiny, tmp_path):
    torch.manual_seed(0)
    whole = train.train(settings(tmp_path / "whole"), say=lambda line: None)
    torch.manual_seed(0)
    stops = iter([False, False, True])
    train.walk(settings(tmp_path / "parts"), lambda line: None, lambda: next(stops))
    assert [step for step, _ in curve_of(tmp_path / "parts")] == [1, 2, 3]
    torch.manual_seed(99)
    resumed = train.train(settings(tmp_path / "parts"), say=lambda line: None)
    assert curve_of(tmp_path / "parts") == curve_of(tmp_path / "whole")
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_run_leaves_weights_a_card_a_sheet_and_a_curve(tiny, tmp_path):
    said = []
    network = train.train(settings(tmp_path), said.append)
    card = json.loads((tmp_path / "weights.json").read_text())
    assert card["licence"] == "Apache-2.0"
    assert card["steps"] == 8
    assert card["bytes"] == (tmp_path / "weights.safetensors").stat().st_size
    assert set(card["validation"]) >= {"MAD", "dtSSD"}
    assert (tmp_path / "sheet.png").stat().st_size > 0
    assert (tmp_path / "curve.png").stat().st_size > 0
    assert [line.split()[1] for line in said] == ["4", "8"]
    back = checkpoints.restore(tiny_network(), tmp_path / "weights")
    for a, b in zip(network.state_dict().values(), back.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_a_run_begins_with_the_weights_of_another_at_the_step_that_their_card_tells(tiny, tmp_path):
    train.train(settings(tmp_path / "first", steps=4), say=lambda line: None)
    weights = str(tmp_path / "first" / "weights.safetensors")
    stops = iter([True])
    train.walk(settings(tmp_path / "second", begin=weights), lambda line: None, lambda: next(stops))
    assert [step for step, _ in curve_of(tmp_path / "second")] == [5]
    os.remove(weights)  # what goes on has them in its checkpoint
    train.train(settings(tmp_path / "second", begin=weights), say=lambda line: None)
    assert [step for step, _ in curve_of(tmp_path / "second")] == [5, 6, 7, 8]


def test_weights_that_have_learnt_the_whole_course_begin_no_run_of_its_length(tmp_path):
    with pytest.raises(SeqmatteError, match=r"\d+ steps and the course has 4000"):
        ended = train.Settings("hstsg-compact", tmp_path, steps=4000, device="cpu", begin="shipped")
        train.train(ended, say=lambda line: None)


def test_weights_without_a_card_begin_no_run(tiny, tmp_path):
    train.train(settings(tmp_path / "first", steps=1), say=lambda line: None)
    (tmp_path / "first" / "weights.json").write_text("{}")
    with pytest.raises(WeightsError, match="card"):
        train.train(settings(tmp_path / "second", begin=str(tmp_path / "first" / "weights")), say=lambda line: None)


def test_a_checkpoint_that_cannot_be_written_is_told_of_and_ends_no_run_before_its_end(tiny, tmp_path):
    checkpoint, said = tmp_path / "checkpoint.pt", []
    checkpoint.mkdir()

    def hear(line):
        said.append(line)
        if "goes on" in line and len(said) == 3:
            checkpoint.rmdir()

    train.train(settings(tmp_path, save_minutes=0.0), hear)
    assert sum("cannot write" in line and str(checkpoint) in line for line in said) >= 2
    assert checkpoints.load(checkpoint)["step"] == 8
    assert not list(tmp_path.glob("*.part"))


def test_a_run_whose_last_checkpoint_cannot_be_written_says_so_in_the_end(tiny, tmp_path):
    (tmp_path / "checkpoint.pt").mkdir()
    with pytest.raises(OutputError, match=re.escape("checkpoint.pt")):
        train.train(settings(tmp_path), say=lambda line: None)


def environment():
    root = Path(train.__file__).parents[3]
    return {**os.environ, "PYTHONPATH": f"{root / 'core'}{os.pathsep}{root / 'plugins'}", "OMP_NUM_THREADS": "1"}


def run_by_two(folder, settings, steps):
    """Runs a tiny course in two processes; gives what each says in the end."""
    script = folder / "two.py"
    script.write_text(
        "import sys, time, torch\n"
        "from pathlib import Path\n"
        "from dataclasses import replace\n"
        "from seqmatte.networks import refiner\n"
        "from seqmatte.training import course, stages, train\n"
        "taught = stages.COURSES['refiner']\n"
        "shape = course.Round(64, 2, 2)\n"
        "pool = course.Pool((shape,), 2)\n"
        f"stage = replace(taught.stages[0], steps={steps}, rounds=(shape,))\n"
        "small = lambda: refiner.build((8, 8, 8, 8))\n"
        "stages.COURSES['tiny'] = replace(taught, build=small, stages=(stage,), check=shape, pool=pool)\n"
        "if __name__ == '__main__':\n"
        "    rank, world = train.joined()\n"
        "    torch.manual_seed(rank)\n"
        f"    kept = train.train(train.Settings('tiny', Path(sys.argv[1]), {settings}, device='cpu'), print)\n"
        "    total = sum(p.double().sum().item() for p in kept.parameters())\n"
        "    Path(sys.argv[1], f'rank{rank}').write_text(f'{world} {total!r}')\n"
        "    torch.distributed.destroy_process_group()\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", str(script), str(folder)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return [(folder / f"rank{rank}").read_text() for rank in (0, 1)]


def test_two_processes_share_their_gradients_and_stay_equal(tmp_path):
    first, second = run_by_two(tmp_path, "warmup=1", steps=3)
    assert first == second
    assert first.startswith("2 ")


def test_two_processes_whose_time_is_up_end_after_the_same_step_with_it_saved(tmp_path):
    first, second = run_by_two(tmp_path, "minutes=0.05, warmup=1, check_every=10**6", steps=100_000)
    assert first == second
    assert checkpoints.load(tmp_path / "checkpoint.pt")["step"] == curve_of(tmp_path)[-1][0] < 100_000


def test_the_rate_rises_stays_and_falls_to_nothing():
    short, chosen = stages.COURSES["refiner"].shortened(1000), train.Settings("refiner", Path(), warmup=100)
    rates = [train.rate_at(step, short, chosen) for step in (0, 99, 700, 875, 999)]
    level = short.stages[0].rate
    assert rates[0] == pytest.approx(level / 100)
    assert rates[1] == rates[2] == pytest.approx(level)
    assert rates[3] == pytest.approx(level / 2)
    assert rates[4] < level / 10_000


def test_averaged_weights_move_by_the_share_asked():
    kept, network = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    expected = 0.9 * kept.weight.detach().clone() + 0.1 * network.weight
    checkpoints.average(kept, network, keep=0.9)
    torch.testing.assert_close(kept.weight, expected)


def test_an_unknown_network_is_an_error_that_lists_the_courses(tmp_path):
    with pytest.raises(SeqmatteError, match="hstsg-compact"):
        train.train(train.Settings("nobody", tmp_path))


def test_a_broken_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no")
    with pytest.raises(WeightsError, match=r"checkpoint\.pt"):
        checkpoints.load(tmp_path / "checkpoint.pt")


def test_weights_for_another_network_are_refused(tmp_path):
    checkpoints.export(tiny_network(), tmp_path / "a", {})
    with pytest.raises(WeightsError, match="another network"):
        checkpoints.restore(torch.nn.Linear(2, 2), tmp_path / "a")


def test_a_page_of_samples_is_written(tmp_path):
    sheet.samples(shoot(1, 2, 3, 32), tmp_path / "page.png", columns=1)
    import cv2

    page = cv2.imread(str(tmp_path / "page.png"))
    assert page.shape == (2 * 32, 7 * 32, 3)
    assert np.ptp(page) > 100


def test_the_refiner_changes_only_what_is_free_and_sees_no_further_than_its_margin():
    torch.manual_seed(2)
    network, wide = refiner.build().eval(), 2 * refiner.MARGIN + 160
    torch.nn.init.normal_(network.leave.weight, std=0.05)
    channels = {"plate": 3, "alpha": 1, "band": 2, "guess": 2, "around": 4, "likeness": 2}
    seen = {name: torch.rand(1, count, 32, wide) for name, count in channels.items()}
    seen["free"] = (torch.rand(1, 1, 32, wide) > 0.3).float()
    cut = refiner.MARGIN + 160
    with torch.no_grad():
        whole, left = network(**seen), network(**{name: x[..., :cut] for name, x in seen.items()})
    assert torch.equal(whole[seen["free"] == 0], seen["alpha"][seen["free"] == 0])
    assert (whole - seen["alpha"]).abs().max() > 0.01
    torch.testing.assert_close(left[..., :160], whole[..., :160], rtol=1e-4, atol=1e-6)


def test_the_refiner_begins_by_believing_closed_form():
    clips = walks.walked(walks.shipped_memory(), 21, 1, 2, 64)
    with torch.no_grad():
        found = lessons.run_refiner(refiner.build().eval(), clips)
    before = clips.opinions.alpha
    assert (found - before).abs().mean() < 0.5 * (found - clips.opinions.guess[:, :, :1]).abs().mean()


def test_a_pools_batches_are_the_same_again_and_a_second_turn_has_other_parts(tmp_path):
    pool, shape = course.Pool((course.Round(64, 3, 2),), 2), course.Round(32, 2, 2)
    first, again, later = (walks.pooled(pool, tmp_path, 1, number, shape) for number in (0, 0, 2))
    assert first.plate.shape == (2, 2, 3, 32, 32)
    assert first.opinions.around.shape == (2, 2, 4, 32, 32)
    assert torch.equal(first.plate, again.plate)
    assert torch.equal(first.opinions.alpha, again.opinions.alpha)
    assert not torch.equal(first.plate, later.plate)
    assert len(list(tmp_path.iterdir())) <= 2


def test_of_a_trimap_the_memory_is_told_what_closed_form_makes_of_it_and_of_a_mask_the_mask():
    clips = shoot(3, 24, 2, 64)
    kinds = clips.guide[:, 1:, 0, 0].argmax(1).tolist()
    for kind in (0, 1):
        reel = walks.solved(walks.Reel(clips, kinds.index(kind)))
        drawn = clips.guide[kinds.index(kind)]
        told = walks.as_remembered(reel, drawn)
        if kind == 0:
            assert torch.equal(told, drawn)
        else:
            assert told[:, 0, 0].tolist()[1:] == [0, 0, 1]
            assert torch.equal(told[0], torch.from_numpy(reel.made["solved", 0]["A"].copy()))


def test_walked_shots_turned_in_time_keep_their_neighbours(tmp_path):
    shots = walks.walked(walks.shipped_memory(), 3, 4, 3, 64)
    back = torch.tensor([True, False, True, False]).view(-1, 1, 1, 1)
    around = shots.backwards(back).opinions.around
    assert torch.equal(around[0, :, :2], shots.opinions.around[0, :, 2:])
    assert torch.equal(around[1], shots.opinions.around[1])


def test_the_shipped_networks_keep_to_their_sizes():
    def count(network):
        return sum(p.numel() for p in network.parameters())

    assert count(hstsg_compact.build()) < 6_000_000
    assert count(refiner.build()) < 1_100_000


def test_a_run_that_has_ended_says_so_and_how_it_would_go_on(tiny, tmp_path):
    train.train(settings(tmp_path, steps=2), say=lambda line: None)
    said = []
    train.train(settings(tmp_path, steps=2), said.append)
    assert said == ["this run has ended, at step 2 of a course of 2; it goes on where --steps asks for more"]
    train.train(settings(tmp_path, steps=3), said.append)
    assert said[1] == "goes on at step 2 of 3"


def test_a_run_of_another_network_is_not_gone_on_with_nor_written_over(tiny, tmp_path, monkeypatch):
    train.train(settings(tmp_path, steps=1), say=lambda line: None)
    held = (tmp_path / "checkpoint.pt").read_bytes()
    other = replace(stages.COURSES["tiny"], build=lambda: refiner.build((8, 8, 8, 16)))
    monkeypatch.setitem(stages.COURSES, "tiny", other)
    with pytest.raises(OutputError, match=r"a run of another network is kept here .* --out .*checkpoint\.pt"):
        train.train(settings(tmp_path, steps=2), say=lambda line: None)
    assert (tmp_path / "checkpoint.pt").read_bytes() == held


def test_weights_that_no_run_can_go_on_from_are_not_written_over_as_those_adapted_to_a_shot(tiny, tmp_path):
    checkpoints.export(tiny_network(), tmp_path / "weights", {"shot": "subject of plate.####.exr"})
    with pytest.raises(OutputError, match=r"would be written over; name another folder with --out"):
        train.train(settings(tmp_path), say=lambda line: None)


def test_a_folder_that_cannot_be_written_is_told_of_before_the_first_step(tiny, tmp_path):
    (tmp_path / "run").write_text("a file")
    said = []
    with pytest.raises(OutputError, match="cannot write: a file stands where its folder should be"):
        train.train(settings(tmp_path / "run", steps=1, check_every=1), said.append)
    assert said == []


@pytest.mark.parametrize("left", [4, 3000])
def test_broken_weights_begin_no_run_and_are_named(tiny, tmp_path, left):
    checkpoints.export(tiny_network(), tmp_path / "cut", {})
    file = tmp_path / "cut.safetensors"
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(WeightsError, match=r"this is not a file of weights: .*cut\.safetensors"):
        train.train(settings(tmp_path / "run", begin=str(file)), say=lambda line: None)


def test_weights_of_another_width_are_refused_by_their_shapes(tmp_path):
    checkpoints.export(refiner.build((8, 8, 8, 16)), tmp_path / "wide", {})
    with pytest.raises(WeightsError, match=r"weights for another network; .* is \[.*\], not \["):
        checkpoints.restore(tiny_network(), tmp_path / "wide")


def test_a_checkpoint_that_was_cut_is_answered_in_one_plain_sentence(tiny, tmp_path):
    train.train(settings(tmp_path, steps=1), say=lambda line: None)
    file = tmp_path / "checkpoint.pt"
    for left in (5000, 0):
        file.write_bytes(file.read_bytes()[:left])
        with pytest.raises(WeightsError, match="cannot be read; begin anew in another folder") as refused:
            train.train(settings(tmp_path, steps=2), say=lambda line: None)
        assert "\n" not in str(refused.value)
