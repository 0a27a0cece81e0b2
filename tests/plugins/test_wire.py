import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlink import wire
from seqmatte import errors
from unhurried import unhurried

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
IDS = st.none() | st.integers() | st.text()
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
MESSAGES = (
    st.builds(wire.Request, st.text(), OBJECTS, IDS)
    | st.builds(wire.Reply, IDS, JSON)
    | st.builds(wire.Failure, IDS, st.integers(), st.text(), OBJECTS)
)


@unhurried
@given(MESSAGES)
def test_every_message_comes_back_from_its_line_equal(message):
    line = wire.written(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and line.isascii()
    assert wire.read(line) == message


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_wire_error(line):
    try:
        assert isinstance(wire.read(line), (wire.Request, wire.Reply, wire.Failure))
    except wire.WireError as error:
        assert error.code in (wire.PARSE_ERROR, wire.INVALID_REQUEST, wire.INVALID_PARAMS)


def test_the_codes_are_those_of_the_engines_errors():
    tree = {kind.__name__: kind.code for kind in vars(errors).values() if isinstance(kind, type)}
    assert wire.CODES == tree


@pytest.mark.parametrize(
    ("line", "code", "id"),
    [
        (b"", wire.PARSE_ERROR, None),
        (b"\xff", wire.PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', wire.PARSE_ERROR, None),
        (b"[" * 100_000, wire.PARSE_ERROR, None),
        (b"[]", wire.INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"x"}', wire.INVALID_REQUEST, None),
        (b'{"jsonrpc":"1.0","id":4,"method":"x"}', wire.INVALID_REQUEST, 4),
        (b'{"jsonrpc":"2.0","id":4}', wire.INVALID_REQUEST, 4),
        (b'{"jsonrpc":"2.0","id":"a","method":"x","params":[]}', wire.INVALID_PARAMS, "a"),
        (b'{"jsonrpc":"2.0","id":4,"error":"no"}', wire.INVALID_REQUEST, 4),
    ],
)
def test_what_is_no_message_is_refused_with_the_senders_id_where_it_can_be_read(line, code, id):
    with pytest.raises(wire.WireError) as caught:
        wire.read(line)
    assert (caught.value.code, caught.value.id) == (code, id)


def test_a_number_that_json_has_not_is_never_written():
    with pytest.raises(ValueError):
        wire.written(wire.Reply(1, float("nan")))
