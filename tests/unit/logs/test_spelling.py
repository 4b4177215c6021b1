"""Names in the bytes of publications, plainly written and with escapes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.publications import prepared
from websocket_handler.logs.spelling import has_field, has_type, may_have

NAME = b'"runId"'


def spelled(name: str, escaped: frozenset[int]) -> str:
    """The name with these of its letters as escapes."""
    return "".join(f"\\u{ord(letter):04x}" if at in escaped else letter for at, letter in enumerate(name))


@given(st.frozensets(st.integers(0, 4)), st.frozensets(st.integers(0, 10)), st.booleans())
def test_a_name_is_found_however_it_is_written(in_name: frozenset[int], in_type: frozenset[int], is_head: bool) -> None:
    text = f'{{"{spelled("runId", in_name)}":"r","type":"{spelled("RUN_STARTED", in_type)}"}}'
    assert json.loads(text) == {"runId": "r", "type": "RUN_STARTED"}
    data = prepared(text.encode()).head if is_head else text.encode()
    assert may_have(NAME, data)
    assert has_field(NAME, data)
    assert has_type(b'"RUN_STARTED', text.encode())
    assert has_type(b'"RUN_', text.encode())


@pytest.mark.parametrize("text", ['{"a":1}', '{"run":"Id"}', "{}", '{"type":"NOTE"}'])
def test_what_has_no_escape_is_not_read(text: str) -> None:
    data = text.encode()
    assert (may_have(NAME, data), has_field(NAME, data), has_type(b'"RUN_', data)) == (False, False, False)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":"\\u0041"}',
        '{"a":{"run\\u0049d":1}}',
        '{"a":"run\\u0049d"}',
        '{"type":"N\\u004fTE"}',
        '{"type":7,"a":"\\u0041"}',
        '{"a":"\\ud800"}',
        "\\u",
    ],
)
def test_what_has_an_escape_is_read(text: str) -> None:
    data = text.encode()
    assert (may_have(NAME, data), has_field(NAME, data), has_type(b'"RUN_', data)) == (True, False, False)
