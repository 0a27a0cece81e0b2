"""Weights that an artist names: which network they are for."""

import json

import pytest

from seqlink.weights import named


def written(folder, card):
    folder.mkdir(exist_ok=True)
    (folder / "weights.safetensors").write_bytes(b"")
    (folder / "weights.json").write_text(card if isinstance(card, str) else json.dumps(card))
    return folder


def test_a_folder_of_adapted_weights_or_its_file_stands_for_the_network_of_its_card(tmp_path):
    folder = written(tmp_path / "adapted", {"name": "hstsg-compact"})
    wanted = {"hstsg-compact": str(folder / "weights.safetensors")}
    assert named(str(folder)) == named(str(folder / "weights.safetensors")) == wanted
    assert named("") == {}


@pytest.mark.parametrize(
    ("card", "said"), [("{", "no readable card"), ({}, "does not say which"), ([], "does not say")]
)
def test_weights_whose_card_names_no_network_are_refused(card, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        named(str(written(tmp_path / "adapted", card)))


def test_a_file_of_weights_alone_is_refused_with_how_to_name_its_network(tmp_path):
    (tmp_path / "found.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=r"found\.json.*NETWORK=FILE on the.* choose the folder that seqmatte train"):
        named(str(tmp_path / "found.pth"))


def test_weights_that_are_not_there_are_refused_with_what_to_name(tmp_path):
    with pytest.raises(ValueError, match="name the folder that seqmatte train wrote"):
        named(str(tmp_path / "none"))
