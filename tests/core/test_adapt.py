"""Adaptation to a shot: what it learns from, and that it learns."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from seqlink import FramePath
from seqmatte import weights
from seqmatte.cache import Cache
from seqmatte.device import Device
from seqmatte.encoding import Encoding
from seqmatte.engine import Engine
from seqmatte.errors import GuideError, OutputError, ShotError
from seqmatte.keys import FileDigests
from seqmatte.networks import hstsg_compact
from seqmatte.source import Source
from seqmatte.training import adapt, adapt_exam, adapt_shot
from seqmatte.training.guides_drawn import blurred
from seqmatte.training.textures import Dice

LINEAR = Encoding()


@pytest.fixture
def network():
    torch.manual_seed(1)
    return hstsg_compact.build(widths=(8, 8, 16, 16), keys=(8, 8, 8), values=(4, 8, 8)).eval()


def shot(frames=5, size=80):
    """A bright disc that moves to the right over a dark ground: encoded plates and true alphas."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    plates, alphas = {}, {}
    for frame in range(frames):
        disc = (((x - 30 - 4 * frame).square() + (y - 40).square()) < 18**2).float()
        alpha = blurred(disc[None, None], 1)[0]
        alphas[frame] = alpha
        plates[frame] = LINEAR.encode(alpha * 0.7 + (1 - alpha) * 0.05).expand(3, -1, -1)
    return plates, alphas


def guide(alpha, kind="alpha"):
    return hstsg_compact.guide_planes(alpha[None], kind)[0]


def as_seen(picture):
    """[C, H, W] as the network looks at so small a plate: half as large again."""
    return F.interpolate(picture[None], scale_factor=1.5, mode="bicubic")[0]


def believed(alpha):
    return torch.cat((alpha, torch.ones_like(alpha)))


def test_layers_are_continued_behind_each_other():
    light = torch.full((1, 3, 40, 48), 0.2)
    light[..., 20:] = 0.8
    known = torch.zeros(1, 1, 40, 48)
    known[..., :16] = 1
    torch.testing.assert_close(adapt.continued(light, known), torch.full_like(light, 0.2))


def test_continuing_leaves_what_is_known_as_it_is():
    light, known = torch.rand(1, 3, 33, 47), torch.zeros(1, 1, 33, 47)
    known[..., 10:30, 5:40] = 1
    found = adapt.continued(light, known)
    torch.testing.assert_close(found * known, light * known)
    assert torch.isfinite(found).all()


def test_a_mask_is_not_trusted_at_its_edge_and_an_alpha_is_trusted_everywhere(tiny_shot):
    drawn, given = (tiny_shot.shot(2, kind=kind) for kind in ("mask", "alpha"))
    digests = FileDigests()
    (alpha, trust), (same, sure) = (
        adapt_shot.mattes_of(one, Source(one, digests), [2], Device("cpu"))[2] for one in (drawn, given)
    )
    digests.close()
    truth = as_seen(torch.from_numpy(tiny_shot.alpha[2])[None])[0].clamp(0, 1)
    assert trust[truth == 1].mean() > 0.95
    assert trust[(truth > 0.1) & (truth < 0.9)].mean() < 0.9
    assert (alpha - truth).abs().mean() < 0.03
    torch.testing.assert_close(same, truth, atol=0.021, rtol=0)
    torch.testing.assert_close(sure, torch.ones_like(sure))


def test_a_moved_clip_keeps_plate_and_matte_together():
    plates, alphas = shot(1)
    known = [adapt.taken_apart(plates[0], guide(alphas[0]), believed(alphas[0]), LINEAR)]
    plate, alpha, trust, drawn, front, back = adapt._moved(Dice(3, torch.device("cpu")), known, LINEAR, 64)
    assert plate.shape == (1, adapt.FRAMES, 3, 64, 64)
    assert drawn.shape == (1, 4, 64, 64)
    assert drawn[0, 1:, 0, 0].tolist() == [0, 0, 1]
    bright = LINEAR.decode(plate).mean(2, keepdim=True)
    assert (bright - (alpha * front + (1 - alpha) * back).mean(2, keepdim=True)).abs().mean() < 0.01
    assert ((bright > 0.35) == (alpha > 0.5)).float().mean() > 0.97
    assert trust.min() >= 0.29


def test_adapting_brings_the_network_nearer_to_the_shot(network):
    plates, alphas = shot()

    def error():
        memory = network.begin(plates[0][None], guide(alphas[0])[None])[1]
        found = []
        for frame in range(1, 5):
            alpha, _, _, memory = network(plates[frame][None], memory)
            found.append((alpha[0] - alphas[frame]).abs().mean())
        return torch.stack(found).mean().item()

    with torch.no_grad():
        before = error()
    how = adapt.Adaptation(steps=6, size=64, clips=1, rate=3e-3)
    guides = {0: guide(alphas[0]), 4: guide(alphas[4])}
    mattes = {frame: believed(alpha) for frame, alpha in alphas.items()}
    kept = adapt.adapt(network, plates, guides, mattes, LINEAR, how, say=lambda line: None)
    assert kept > 0
    with torch.no_grad():
        assert error() < 0.9 * before


def test_where_a_matte_is_not_believed_the_shipped_answer_is_what_is_wanted(network):
    plates, alphas = shot()
    guides, how = {0: guide(alphas[0]), 4: guide(alphas[4])}, adapt.Adaptation(size=64, clips=1)

    def losses_of(trust):
        mattes = {n: torch.cat((1 - alpha, torch.full_like(alpha, trust))) for n, alpha in alphas.items()}
        known = [adapt.taken_apart(plates[n], guides[n], mattes[n], LINEAR) for n in guides]
        real = {n: adapt.Real(plates[n][None], mattes[n][None], guides.get(n)) for n in plates}
        with torch.no_grad():
            moved = adapt._moved_loss(network, network, Dice(5, torch.device("cpu")), known, LINEAR, how)
            walked = adapt._walked_loss(network, network, Dice(5, torch.device("cpu")), real, (0, 4), how)
        return moved.item(), walked.item()

    for doubted, believed in zip(losses_of(0.0), losses_of(1.0), strict=True):
        assert doubted < 0.01 * believed


def exam_on(plates, alphas, frame, *guided):
    seen = {n: plate[None] for n, plate in plates.items()}
    drawn = {n: guide(alphas[n])[None] for n in guided}
    mattes = {n: believed(alpha)[None] for n, alpha in alphas.items()}
    return adapt_exam.exam_of(frame, seen, drawn, mattes)


def test_the_middle_guide_is_left_out_and_met_from_both_its_neighbours():
    assert [adapt_exam.left_out(frames) for frames in ([7], [1, 9], [20, 1, 9], [1, 2, 3, 4])] == [None, 9, 9, 3]
    plates, alphas = shot()
    exam = exam_on(plates, alphas, 2, 0, 2, 4)
    assert exam.plates.shape[:2] == (1, 5)
    assert exam.place == 2
    torch.testing.assert_close(exam.last_guide[0], guide(alphas[4]))


@pytest.mark.parametrize(("frame", "other", "way"), [(4, 1, 4), (0, 3, 4)])
def test_one_of_two_guides_is_met_from_the_other_side(frame, other, way):
    plates, alphas = shot()
    exam = exam_on(plates, alphas, frame, other, frame)
    assert exam.plates.shape[1] == way
    assert (exam.place, exam.last_guide) == (way - 1, None)
    torch.testing.assert_close(exam.plates[0, 0], plates[other])
    torch.testing.assert_close(exam.plates[0, -1], plates[frame])


def test_of_what_was_learnt_only_what_helps_on_the_guide_left_out_is_kept(network):
    plates, alphas = shot()
    exam, said = exam_on(plates, alphas, 4, 0, 4), []
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    guides, mattes = {0: guide(alphas[0])}, {n: believed(alpha) for n, alpha in alphas.items()}
    before = adapt_exam.error(network, exam)
    how = adapt.Adaptation(steps=6, size=64, clips=1, rate=3e-3)
    assert adapt.adapt(network, plates, guides, mattes, LINEAR, how, said.append) == 1
    assert "one guide only" in said[-1]
    taught = {name: value.clone() for name, value in network.state_dict().items()}
    assert adapt_exam.keep_what_helps(network, fresh, exam, said.append) > 0
    assert adapt_exam.error(network, exam) < before
    # The other way round the learning was harm, and less of it is kept.
    network.load_state_dict(fresh)
    better = adapt_exam.keep_what_helps(network, taught, exam, said.append)
    assert better < 1
    assert "frame 4, left out of the learning" in said[-1]


def test_a_shots_guided_frames_and_some_between_them_are_read_as_the_network_takes_them(tiny_shot):
    shot, digests = tiny_shot.shot(2, 11, kind="trimap"), FileDigests()
    plates, guides = adapt_shot.frames_of(shot, Source(shot, digests), torch.device("cpu"))
    digests.close()
    assert set(guides) == {2, 11}
    assert {2, 11} < set(plates) <= set(range(2, 12))
    assert guides[2].shape == (4, 72, 96)
    assert guides[2][1:, 0, 0].tolist() == [0, 1, 0]
    light = torch.from_numpy(tiny_shot.composite(2)).permute(2, 0, 1)
    encoded = Source(shot, FileDigests()).encoding.encode(light)
    torch.testing.assert_close(plates[2], as_seen(encoded), rtol=1e-2, atol=5e-3)


def test_a_shot_document_becomes_weights_with_a_card_that_the_engine_finds(tiny_shot, tmp_path):
    document = tmp_path / "shot.json"
    document.write_text(tiny_shot.shot(1, kind="alpha").to_json())
    made = adapt_shot.adapt_shot(document, tmp_path / "own", 0.0, Device("cpu"), say=lambda line: None)
    found = weights.find("hstsg-compact", override=str(made))
    assert found.correction == 0
    assert found.card["from"] == weights.find("hstsg-compact").digest
    weights.load("hstsg-compact", found.path)


def test_a_documents_relative_paths_are_relative_to_it(tiny_shot, tmp_path, monkeypatch):
    shot = tiny_shot.shot(1, kind="alpha")
    near = shot.replace(
        plate=FramePath("plate.####.exr"), guides=(replace(shot.guides[0], path=Path(shot.guides[0].path).name),)
    )
    (tiny_shot.folder / "shot.json").write_text(near.to_json())
    monkeypatch.chdir(tmp_path)
    made = adapt_shot.adapt_shot(tiny_shot.folder / "shot.json", tmp_path / "own", 0.0, Device("cpu"), lambda _: None)
    assert made.is_file()


def test_only_the_same_shots_weights_are_replaced(tiny_shot, tmp_path):
    def adapted(shot, out):
        document.write_text(shot.to_json())
        return adapt_shot.adapt_shot(document, out, 0.0, Device("cpu"), lambda _: None)

    document, shot = tmp_path / "shot.json", tiny_shot.shot(1, kind="alpha")
    made = adapted(shot, tmp_path / "own")
    assert adapted(tiny_shot.shot(1, 2, kind="alpha"), tmp_path / "own") == made
    before = made.read_bytes()
    with pytest.raises(OutputError, match="not weights of this shot"):
        adapted(shot.replace(plate=FramePath(tiny_shot.folder / "other.####.exr")), tmp_path / "own")
    assert made.read_bytes() == before
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"hours")
    with pytest.raises(OutputError, match="a training's run"):
        adapted(shot, tmp_path / "run")


def test_run_again_with_the_same_guides_the_better_weights_stay(tiny_shot, tmp_path):
    def adapted(*guided):
        said = []
        document.write_text(tiny_shot.shot(*guided, kind="alpha").to_json())
        adapt_shot.adapt_shot(document, tmp_path / "own", 0.0, Device("cpu"), said.append)
        return said[-1]

    def worse_by(error):
        """As if the weights that are there had met the guide left out so much worse."""
        card = json.loads((tmp_path / "own" / "weights.json").read_text())
        (tmp_path / "own" / "weights.json").write_text(json.dumps({**card, "error": card["error"] + error}))

    def stamp():
        return (tmp_path / "own" / "weights.safetensors").stat().st_ino

    document = tmp_path / "shot.json"
    adapted(1, 9)
    first = stamp()
    assert "those of before stay" in adapted(1, 9)
    assert stamp() == first
    worse_by(1.0)
    assert "the new ones take their place" in adapted(1, 9)
    assert (second := stamp()) != first
    worse_by(-100.0)
    assert "take the place of those" in adapted(1, 5, 9)
    assert stamp() != second


def test_a_folder_that_cannot_be_written_is_told_of_before_the_minutes_that_adapting_takes(tiny_shot, tmp_path):
    (tmp_path / "shot.json").write_text(tiny_shot.shot(1).to_json())
    (tmp_path / "adapted").write_text("a file")
    with pytest.raises(OutputError, match="the weights could not be written: a file stands where its folder"):
        adapt_shot.adapt_shot(tmp_path / "shot.json", tmp_path / "adapted", 600.0, Device("cpu"))


def test_a_shot_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ShotError, match=r"nothing\.json"):
        adapt_shot.adapt_shot(tmp_path / "nothing.json", tmp_path, 0.0, Device("cpu"))


def test_without_a_guide_there_is_nothing_to_adapt_to(network):
    with pytest.raises(GuideError, match="at least one"):
        adapt.adapt(network, {}, {}, {}, LINEAR, adapt.Adaptation(steps=1))


def test_an_empty_guide_is_refused(network):
    plates, alphas = shot(1)
    with pytest.raises(GuideError, match="empty"):
        empty = 0 * alphas[0]
        adapt.adapt(network, plates, {0: guide(empty)}, {0: believed(empty)}, LINEAR, adapt.Adaptation(steps=1))


def test_what_is_learnt_from_is_what_the_weight_free_recipe_makes(tiny_shot, tmp_path):
    shot, digests = tiny_shot.shot(2).replace(recipe="flow-closed-form"), FileDigests()
    found = adapt_shot.mattes_of(shot, Source(shot, digests), [2, 5], Device("cpu"))
    engine = Engine(shot, Cache(tmp_path), digests=digests)
    for frame in (2, 5):
        made = as_seen(torch.from_numpy(engine.layer("alpha", frame)["A"])[None])[0].clamp(0, 1)
        torch.testing.assert_close(found[frame][0], made, atol=3e-3, rtol=0)
    engine.flush()
    digests.close()
