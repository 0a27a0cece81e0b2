import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqmatte.reach import Chunked, FromKey, NearestKey, PerFrame, Span, meetings
from unhurried import unhurried

REACHES = [
    PerFrame(),
    Chunked(16, 8),
    NearestKey(0),
    NearestKey(1),
    NearestKey(2),
    NearestKey(2, 4),
    FromKey(+1),
    FromKey(-1),
]


@pytest.mark.parametrize("reach", REACHES, ids=str)
@unhurried
@given(first=st.integers(-50, 1001), length=st.integers(1, 60), data=st.data())
def test_every_frame_lies_in_exactly_one_span(reach, first, length, data):
    frames = range(first, first + length)
    guided = data.draw(st.lists(st.sampled_from(list(frames)), min_size=1, max_size=4, unique=True))
    spans = reach.spans(frames, guided)
    assert sorted(frame for span in spans for frame in span.frames) == list(frames)


@unhurried
@given(first=st.integers(-50, 1001), length=st.integers(1, 60), far=st.integers(0, 6), data=st.data())
def test_walks_that_meet_share_the_frames_about_the_middle_and_no_guided_one(first, length, far, data):
    frames = range(first, first + length)
    guided = data.draw(st.lists(st.sampled_from(list(frames)), min_size=1, max_size=4, unique=True))
    spans = NearestKey(1, far).spans(frames, guided)
    for frame, made in meetings(spans).items():
        assert sum(share for _, share in made) == pytest.approx(1)
        assert all(frame in span.walked for span, _ in made)
        assert len(made) == 1 or frame not in guided
    for span in spans:
        assert len(span.beyond) <= far
        assert not set(span.beyond) & set(guided)


def test_the_share_of_a_walk_falls_evenly_where_another_comes_to_meet_it():
    spans = NearestKey(1, 2).spans(range(1, 12), [1, 11])
    shares = {frame: {span.guides[0]: share for span, share in made} for frame, made in meetings(spans).items()}
    assert [shares[frame].get(1, 0) for frame in range(4, 10)] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])


def test_nearest_key_walks_out_both_ways_to_the_middle():
    spans = NearestKey().spans(range(1, 101), [20, 50, 80])
    reached = {frame for span in spans if 50 in span.guides for frame in span.frames}
    assert (min(reached), max(reached)) == (36, 65)
    assert Span(tuple(range(49, 35, -1)), (), (50,)) in spans


def test_two_nearest_keys_reach_to_the_neighbouring_guides():
    spans = NearestKey(2).spans(range(1, 101), [20, 50, 80])
    reached = {frame for span in spans if 50 in span.guides for frame in span.frames}
    assert (min(reached), max(reached)) == (20, 79)


def test_the_second_key_is_the_one_the_walk_goes_to():
    spans = NearestKey(2).spans(range(1, 101), [20, 50, 80])
    assert [span.guides for span in spans if 40 in span.frames] == [(50, 20)]
    assert [span.guides for span in spans if 60 in span.frames] == [(50, 80)]
    assert [span.guides for span in spans if 10 in span.frames] == [(20,)]


def test_a_walk_that_looks_at_no_guide_has_the_same_frames_and_depends_on_none():
    spans = NearestKey(0).spans(range(1, 101), [20, 50, 80])
    assert [span.frames for span in spans] == [span.frames for span in NearestKey(1).spans(range(1, 101), [20, 50, 80])]
    assert {span.guides for span in spans} == {()}


def test_one_direction_runs_from_key_to_key_and_the_head_runs_back():
    assert FromKey(+1).spans(range(1, 11), [4, 8]) == [
        Span((4, 5, 6, 7), (), (4,)),
        Span((8, 9, 10), (), (8,)),
        Span((3, 2, 1), (), (4,)),
    ]
    assert FromKey(-1).spans(range(1, 11), [4, 8]) == [
        Span((8, 7, 6, 5), (), (8,)),
        Span((4, 3, 2, 1), (), (4,)),
        Span((9, 10), (), (8,)),
    ]


def test_trimming_a_shot_moves_no_chunk():
    whole = Chunked(16, 8).spans(range(1, 65), [])
    trimmed = Chunked(16, 8).spans(range(5, 65), [])
    assert whole[1:] == trimmed[1:] or whole[2:] == trimmed[2:]
    assert {span.frames for span in trimmed[1:]} <= {span.frames for span in whole}


def simply_cut(frames, keys, guides, far):
    """NearestKey's spans by their definition, frame by frame."""
    made = []
    for key in keys:
        mine = [frame for frame in frames if min(keys, key=lambda k: (abs(k - frame), k)) == key]
        for run, side in (([f for f in mine if f < key][::-1], -1), ([f for f in mine if f >= key], 1)):
            ahead = sorted((k for k in keys if (k - key) * side > 0), key=lambda k: abs(k - key))
            free = [f for f in frames[::side] if ahead and run and run[-1] * side < f * side < ahead[0] * side]
            if run:
                made.append(Span(tuple(run), (), (key, *ahead)[:guides], tuple(free[:far])))
    return made


def simply_met(frame, spans):
    """The spans that make a frame, by looking through all of them."""
    coming = [span for span in spans if frame in span.beyond]
    return [next(span for span in spans if frame in span.frames), *coming[:1]]


@unhurried
@given(
    frames=st.sets(st.integers(-30, 60), min_size=1, max_size=70),
    guides=st.integers(0, 3),
    far=st.integers(0, 6),
    data=st.data(),
)
def test_nearest_key_cuts_as_its_definition_says_also_with_gaps_in_the_numbers(frames, guides, far, data):
    keys = data.draw(st.lists(st.sampled_from(sorted(frames)), min_size=1, max_size=12, unique=True))
    spans = NearestKey(guides, far).spans(sorted(frames), keys)
    assert spans == simply_cut(sorted(frames), sorted(keys), guides, far)
    made = {frame: [span for span, _ in shares] for frame, shares in meetings(spans).items()}
    assert made == {frame: simply_met(frame, spans) for frame in frames}


def test_a_guide_on_every_frame_of_a_long_shot_is_cut_at_once():
    frames = range(1, 20_001)
    began = time.process_time()
    assert len(meetings(NearestKey(2, 4).spans(frames, frames))) == len(frames)
    assert time.process_time() - began < 2
