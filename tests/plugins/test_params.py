from dataclasses import dataclass

import pytest

from seqlink import describe, param, parse
from seqlink.params import values


@dataclass(frozen=True)
class Params:
    inner: int = param(6, low=0, high=100, help="Sure foreground starts this far inside.")
    strength: float = param(0.5, low=0.0, high=1.0, help="How much.")
    keep: bool = param(True, help="Whether to keep it.")
    mode: str = param("soft", choices=("soft", "hard"), help="Which edge.")


def test_texts_from_a_command_line_become_typed_values():
    made = parse(Params, {"inner": "8", "strength": "0.25", "keep": "no", "mode": "hard"})
    assert made == Params(8, 0.25, False, "hard")


def test_what_is_not_given_keeps_its_default():
    assert parse(Params, {}) == Params()
    assert values(Params()) == {"inner": 6, "strength": 0.5, "keep": True, "mode": "soft"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inner", 101),
        ("inner", 2.5),
        ("inner", "six"),
        ("inner", float("inf")),
        ("inner", 10**400),
        ("strength", 10**400),
        ("strength", "nan"),
        ("keep", "maybe"),
        ("mode", "x"),
        ("iner", 1),
    ],
)
def test_a_wrong_value_names_the_option(name, value):
    with pytest.raises(ValueError, match=rf"flow\.{name}"):
        parse(Params, {name: value}, "flow")


def test_a_description_holds_all_that_a_knob_needs():
    row = describe(Params)[0]
    assert (row["name"], row["type"], row["default"], row["low"], row["high"]) == ("inner", "int", 6, 0, 100)
    assert row["help"].startswith("Sure foreground")
