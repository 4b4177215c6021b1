"""The fields `producer` and `sequence` of a publication."""

import pytest

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.names import IDEMPOTENCY_KEY, SEQUENCE_MAX
from websocket_handler.protocol.ordinal import Ordinal, ordinal_in, ordinal_of
from websocket_handler.protocol.publication import prepare, prepare_broadcast, read_object

LONGEST = "a" * 100


@pytest.mark.parametrize("producer", ["a", "dev:7f3.x_y-z", "..", LONGEST])
@pytest.mark.parametrize("sequence", [0, 1, SEQUENCE_MAX])
def test_both_fields_make_an_ordinal(producer: str, sequence: int) -> None:
    assert ordinal_in({"producer": producer, "sequence": sequence, "x": 1}) == Ordinal(producer, sequence)


@pytest.mark.parametrize("fields", [{}, {"producer": 1}, {"sequence": "third"}, {"Producer": "a", "sequence": 1}])
def test_one_of_the_fields_alone_means_what_its_publisher_likes(fields: dict[str, object]) -> None:
    assert ordinal_in(fields) is None


@pytest.mark.parametrize("producer", ["", "a b", "ä", "a/b", "a\n", LONGEST + "a", None, 1, True, ("a",)])
def test_a_producer_has_the_form_of_a_name(producer: object) -> None:
    with pytest.raises(CommandError) as caught:
        ordinal_in({"producer": producer, "sequence": 1})
    assert caught.value.code is ErrorCode.INVALID_FIELD
    assert "producer" in caught.value.message


@pytest.mark.parametrize(
    "sequence", [-1, SEQUENCE_MAX + 1, 1.5, 1e300, float("inf"), float("nan"), "1", None, True, ()]
)
def test_a_sequence_is_an_integer_that_every_client_can_tell_apart(sequence: object) -> None:
    with pytest.raises(CommandError) as caught:
        ordinal_in({"producer": "a", "sequence": sequence})
    assert caught.value.code is ErrorCode.INVALID_FIELD
    assert "sequence" in caught.value.message


def test_a_sequence_may_be_written_as_languages_write_it_that_have_floats_only() -> None:
    assert ordinal_in({"producer": "a", "sequence": 7.0}) == Ordinal("a", 7)
    assert ordinal_in({"producer": "a", "sequence": float(SEQUENCE_MAX)}) == Ordinal("a", SEQUENCE_MAX)


def test_the_key_of_an_ordinal_is_read_back_and_is_nobodys_own_key() -> None:
    for ordinal in (Ordinal("a", 0), Ordinal("a:1", 2), Ordinal(LONGEST, SEQUENCE_MAX)):
        assert ordinal_of(ordinal.key) == ordinal
        assert IDEMPOTENCY_KEY.fullmatch(ordinal.key) is None
        assert len(ordinal.key) <= 128


def test_a_numbered_publication_has_its_key_in_itself() -> None:
    message = read_object(b'{"producer":"a","sequence":7}')
    for key in ("", "own"):
        publication = prepare(message, "p", key)
        assert publication.key == "a 7"
        assert publication.head == b'{"producer":"a","sequence":7,"project_id":"p","offset":'
    plain = prepare(read_object(b'{"sequence":7}'), "p", "own")
    assert plain.key == "own"


def test_a_broadcast_is_in_no_log_and_in_no_order() -> None:
    broadcast = prepare_broadcast(read_object(b'{"producer":{},"sequence":"x"}'))
    assert broadcast.key == ""
