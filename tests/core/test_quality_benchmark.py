"""The yardstick of quality: the plain chain is what it says, and recipes are scored on shots of their own truth."""

from itertools import islice

import numpy as np

from seqmatte import exr
from seqmatte import quality_benchmark as quality
from seqmatte.cli import main


def test_unseen_shots_are_the_same_each_time_and_composite_exactly_what_their_mask_shows():
    first, again = (next(quality.unseen(1, 3, 64, guides=2)) for _ in range(2))
    assert sorted(first.masks) == [0, 2]
    for one, other in zip(first.plates, again.plates, strict=True):
        assert np.array_equal(one, other)
    inside = first.truth[0][first.masks[0] > 0.5]
    assert inside.mean() > 0.6


def test_the_plain_chain_keeps_a_still_subject_and_walks_back_from_a_later_guide():
    trial = next(quality.unseen(1, 3, 64))
    still = quality.Trial("still", [trial.plates[0]] * 3, [trial.truth[0]] * 3, {1: trial.masks[0]})
    walked = quality.plain_chain(still)
    found = quality.figures(walked, still.truth)
    nothing = quality.figures([np.zeros_like(alpha) for alpha in still.truth], still.truth)
    assert found["MAD"] < 0.7 * nothing["MAD"]
    assert np.array_equal(walked[0], walked[2])


def test_recipes_are_scored_on_the_engines_own_results(tmp_path):
    shots = islice(quality.unseen(4, 3, 64), 1, 2)
    ((name, found),) = quality.compared(shots, ["flow-closed-form"], tmp_path, quality.Device("cpu"))
    assert name == "unseen 2"
    assert set(found) == {quality.PLAIN, "flow-closed-form"}
    assert all(np.isfinite(value) and value >= 0 for figures in found.values() for value in figures.values())
    assert len(list(tmp_path.glob("0/plate.*.exr"))) == 3


def test_the_command_prints_a_table_with_shares_of_the_plain_chain(capsys):
    assert main(["bench", "--quality", "1", "--frames", "2", "--recipe", "flow-closed-form"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, name in zip(lines[-2:], ("of the plain chain", "on a usual shot"), strict=True):
        assert line.startswith(name)
        assert line.split()[4:9] == ["1.00", "/", "1.00", "/", "1.00"]


def test_one_hard_shot_weighs_no_more_than_another_in_what_is_usual():
    plain, half, double = ({"MAD": mad, "Grad": 1.0, "dtSSD": 1.0} for mad in (100.0, 50.0, 2.0))
    easy = {"MAD": 1.0, "Grad": 1.0, "dtSSD": 1.0}
    rows = [("hard", {quality.PLAIN: plain, "ours": half}), ("easy", {quality.PLAIN: easy, "ours": double})]
    *_, shares, usual = quality.table(rows).splitlines()
    assert shares.split()[-5] == "0.51"
    assert usual.split()[-5] == "1.00"


def test_shots_can_be_asked_for_by_number_and_are_the_same_wherever_one_begins():
    later = next(quality.unseen(1, 3, 64, first=3))
    third = list(quality.unseen(3, 3, 64))[2]
    assert later.name == third.name == "unseen 3"
    assert np.array_equal(later.plates[0], third.plates[0])


def test_no_shot_or_no_guide_is_refused(capsys):
    for words in (["0"], ["1", "--guides", "0"], ["1", "--first", "0"]):
        assert main(["bench", "--quality", *words]) != 0
        assert "at least 1 of each" in capsys.readouterr().err


def test_alphas_come_in_the_order_of_frames_also_where_a_guide_is_walked_back_from(tmp_path):
    (shot,) = quality.unseen(1, 3, 64)
    late = quality.Trial(shot.name, shot.plates, shot.truth, {2: (shot.truth[2] > 0.5).astype(np.float32)})
    made = quality.shot_of(late, tmp_path / "shot").replace(recipe="flow-closed-form")
    alphas = quality.alphas_of(made, tmp_path / "cache", quality.Device("cpu"), quality.OpenMethods())
    for frame, alpha in enumerate(alphas, 1):
        (alone,) = quality.Engine(made, quality.Cache(tmp_path / "cache")).render([frame])
        assert np.array_equal(alpha, exr.read(alone.path)["A"])
