"""The limit on nesting, which is a number of ours and the same on every Python."""

import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.api.projects import read_batch
from websocket_handler.protocol import json_text
from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.json_text import NESTING_MAX, check_depth, parse
from websocket_handler.protocol.publication import read_object

SHAPES = (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ('[ "[{",\n', "]"), ('{"\\"[":"\\\\","a":', "}"))
"""What opens levels, and what closes them again."""


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    """A JSON text with exactly so many levels; each repetition opens as many as it has closing brackets."""
    times, rest = divmod(levels, len(closing))
    return opening * times + "[" * rest + "1" + "]" * rest + closing * times


def is_too_deep(read: Callable[[bytes], object], text: str) -> bool:
    """True if reading `text` is refused with `too_deep`. Raises CommandError if another rule refuses it."""
    try:
        read(text.encode())
    except CommandError as fault:
        if fault.code is not ErrorCode.TOO_DEEP:
            raise
        return True
    return False


@pytest.mark.parametrize(("opening", "closing"), SHAPES)
def test_the_maximum_is_read_and_one_level_more_is_not(opening: str, closing: str) -> None:
    at_maximum, beyond = (nested(levels, opening, closing) for levels in (NESTING_MAX, NESTING_MAX + 1))
    assert isinstance(json.loads(at_maximum), list | dict)
    assert not is_too_deep(parse, at_maximum)
    assert is_too_deep(parse, beyond)


def inside(template: str) -> Callable[[int], str]:
    """Makes texts with so many levels: what stands in place of the `@` has those that `template` has not.
    Behind the `@` there is nothing but closing brackets."""
    levels_around = len(template.partition("@")[2])
    return lambda levels: template.replace("@", nested(levels - levels_around))


COMMANDS = {
    "subscribe": '{"action":"subscribe","project_id":"p","x":@}',
    "unsubscribe": '{"action":"unsubscribe","project_id":"p","x":@}',
    "forward, its data": '{"action":"forward","type":"dev","data":@}',
    "ping": '{"action":"ping","x":@}',
    "publish, its message": '{"action":"publish","project_id":"p","message":{"a":@}}',
    "publish, beside its message": '{"action":"publish","project_id":"p","message":{},"x":@}',
    "history": '{"action":"history","project_id":"p","x":@}',
    "presence": '{"action":"presence","project_id":"p","x":@}',
    "authenticate": '{"action":"authenticate","token":"t","x":@}',
}


@pytest.mark.parametrize("template", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_command_may_have_as_many_levels(template: str) -> None:
    text = inside(template)
    assert not is_too_deep(decode_command, text(NESTING_MAX))
    assert is_too_deep(decode_command, text(NESTING_MAX + 1))


def test_every_object_may_have_as_many_levels() -> None:
    text = inside('{"a":@}')
    assert not is_too_deep(read_object, text(NESTING_MAX))
    assert is_too_deep(read_object, text(NESTING_MAX + 1))


def test_the_array_of_a_batch_is_a_level_of_its_text() -> None:
    text = inside('[{},{"a":@}]')
    assert not is_too_deep(read_batch, text(NESTING_MAX))
    assert is_too_deep(read_batch, text(NESTING_MAX + 1))


@pytest.mark.parametrize("levels", [NESTING_MAX + 1, 1000, 9990, 200_000])
def test_what_is_not_closed_or_no_json_is_too_deep_all_the_same(levels: int) -> None:
    for text in ("[" * levels, '{"a":' * levels, "nonsense" + "[" * levels, '{"a":[' + "[" * levels + "}"):
        assert is_too_deep(parse, text)
        assert is_too_deep(decode_command, text)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"text": "[" * 50, "more": '"' + "{" * 50 + "\\"} for _ in range(200)]),
        json.dumps({"[" * 3000: "]" * 3000}),
        json.dumps("\\" * 999 + "[" * 999 + '\\"' * 999 + "{" * 999),
        "[" + "[],{}," * 5000 + "[]]",
        '["' + "\\\\" * 500 + '",' + '"\\"[",' * 500 + "1]",
    ],
    ids=["texts", "key", "escapes", "side by side", "quotes"],
)
def test_brackets_in_strings_and_beside_each_other_do_not_count(text: str) -> None:
    json.loads(text)
    assert not is_too_deep(parse, text)


def depth_character_by_character(text: str) -> int:
    """How many brackets outside of strings are open at once, at most."""
    deepest = level = 0
    is_inside = is_escaped = False
    for character, following in pairwise(text + " "):
        if is_escaped:
            is_escaped = False
        elif character == "\\":
            is_escaped = following in '\\"'
        elif character == '"':
            is_inside = not is_inside
        elif not is_inside:
            level += (character in "[{") - (character in "]}")
            deepest = max(deepest, level)
    return deepest


@given(st.text(alphabet='[]{}"\\,a ', max_size=60))
def test_the_quick_count_is_the_plain_one(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "NESTING_MAX", 3)
        assert is_too_deep(check_depth, text) == (depth_character_by_character(text) > 3)


VALUES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\a\n', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[{"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


def levels_of(value: object) -> int:
    """How many lists and dicts stand within one another."""
    if isinstance(value, dict):
        return 1 + max(map(levels_of, value.values()), default=0)
    return 1 + max(map(levels_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES)
def test_the_levels_of_any_value_are_counted_right(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "NESTING_MAX", 2)
        assert is_too_deep(check_depth, json.dumps(value)) == (levels_of(value) > 2)
