"""The compact HSTSG: frame by frame as over clips, each frame looked at twice, and as a graph of named tensors."""

import pytest
import torch

from seqmatte.networks import graphs, hstsg_compact
from seqmatte.training import lessons
from seqmatte.training.scenes import shoot
from seqmatte.training.unroll import over_clips


@pytest.fixture
def compact():
    torch.manual_seed(1)
    return hstsg_compact.build(widths=(8, 8, 16, 16), keys=(8, 8, 8), values=(4, 8, 8)).eval()


def test_over_clips_gives_what_frame_by_frame_calls_give(compact):
    clips = shoot(3, 2, 3, 48)
    with torch.no_grad():
        mattes = over_clips(compact, clips.plate, clips.guide)
        first, memory = compact.begin(clips.plate[:, 0], clips.guide)
        second, _, _, memory = compact(clips.plate[:, 1], memory)
        third, mask, confidence, memory = compact(clips.plate[:, 2], memory)
    for found, alpha in zip(mattes, (first.alpha, second, third), strict=True):
        torch.testing.assert_close(found.alpha, alpha, rtol=1e-4, atol=1e-5)
    assert mask.shape == confidence.shape == third.shape
    assert len(memory.guided) == 1
    assert len(memory.recent) == 2


def test_every_parameter_of_the_compact_network_is_taught(compact):
    compact.train()
    clips = shoot(4, 2, 3, 64)
    parts = lessons.propagation_lesson(compact, clips, step=4)
    sum(parts.values()).backward()
    untaught = [name for name, p in compact.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert untaught == []


def test_a_sure_guide_is_believed_in_memory():
    alpha = torch.full((1, 1, 2, 3), 0.4)
    trimap = hstsg_compact.guide_planes(torch.tensor([[[[0, 0.5, 1], [0, 0.5, 1]]]]), "trimap")
    given = hstsg_compact.guide_planes(torch.full((1, 1, 2, 3), 0.7), "alpha")
    drawn = hstsg_compact.guide_planes(torch.ones(1, 1, 2, 3), "mask")
    assert hstsg_compact.settled(alpha, trimap)[0, 0, 0].tolist() == pytest.approx([0, 0.4, 1])
    assert hstsg_compact.settled(alpha, given).unique().tolist() == pytest.approx([0.7])
    assert hstsg_compact.settled(alpha, drawn).unique().tolist() == pytest.approx([0.4])


def test_a_frame_is_looked_at_again_with_its_draft_beside_the_others_and_the_draft_is_remembered(compact):
    clips = shoot(5, 1, 2, 48)
    with torch.no_grad():
        _, memory = compact.begin(clips.plate[:, 0], clips.guide)
        seen = compact.encode(clips.plate[:, 1])
        draft = compact.decode(seen, memory).alpha
        entry = compact.remember(seen, draft, hstsg_compact.no_guide(draft))
        again = compact.decode(seen, memory.beside(entry)).alpha
        matte, after = compact.step(seen, memory)
    assert torch.equal(matte.alpha, again)
    assert not torch.equal(matte.alpha, draft)
    assert torch.equal(after.newest.alpha, draft)
    assert len(after.recent) == 1


def test_the_graph_gives_what_the_network_gives_with_all_frames_in_one_bank(compact):
    clips = shoot(6, 1, 3, 48)
    parts = graphs.parts("hstsg-compact", compact)
    with torch.no_grad():
        mattes = over_clips(compact, clips.plate, clips.guide)
        _, _, *bank = parts["begin"](clips.plate[:, 0], clips.guide)
        for frame in (1, 2):
            alpha, confidence, *entry = parts["step"](clips.plate[:, frame], *bank)
            bank = [torch.cat(pair, 2) for pair in zip(bank, entry, strict=True)]
            torch.testing.assert_close(alpha, mattes[frame].alpha, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(confidence, mattes[frame].confidence, rtol=1e-4, atol=1e-5)
