"""JSON Patch: the examples of RFC 6902, and what the RFC does not say about size."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.logs.runs.patch import PatchFailed, PatchTooLarge, apply_patch

BIG = 100_000


def op(name: str, path: str, **fields: Any) -> dict[str, Any]:
    return {"op": name, "path": path, **fields}


@pytest.mark.parametrize(
    ("document", "operations", "after"),
    [
        ({"foo": "bar"}, [op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, [op("add", "/foo/1", value="qux")], {"foo": ["bar", "qux", "baz"]}),
        ({"foo": ["bar"]}, [op("add", "/foo/-", value=["abc"])], {"foo": ["bar", ["abc"]]}),
        ({"foo": [1]}, [op("add", "/foo/1", value=2)], {"foo": [1, 2]}),
        ({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, [op("replace", "/baz", value="boo")], {"baz": "boo"}),
        ({"a": [1, 2, 3]}, [op("replace", "/a/1", value=9)], {"a": [1, 9, 3]}),
        ({"a": [{"b": 1}, 2]}, [op("replace", "/a/0/b", value=9)], {"a": [{"b": 9}, 2]}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"baz": "qux", "foo": ["a", 2, "c"]}, [op("test", "/baz", value="qux"), op("test", "/foo/1", value=2)], None),
        ({"/": 9, "~1": 10}, [op("test", "/~01", value=10), op("test", "/~1", value=9)], None),
        ({"a": 1}, [op("test", "/a", value=1.0)], None),
        ({"a": 1}, [op("add", "", value=[1])], [1]),
        ({"": 1}, [op("replace", "/", value=2)], {"": 2}),
        ({"a": 1}, [op("remove", "")], "null"),
        ({"a": 1}, [], None),
    ],
)
def test_what_a_patch_makes(document: Any, operations: list[dict[str, Any]], after: Any) -> None:
    before = msgspec.json.encode(document)
    expected = document if after is None else None if after == "null" else after
    assert apply_patch(document, operations, BIG) == expected
    assert msgspec.json.encode(document) == before


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ({"foo": "bar"}, op("add", "/baz/bat", value="qux")),
        ({"foo": [1]}, op("add", "/foo/2", value=2)),
        ({"foo": [1]}, op("add", "/foo/01", value=2)),
        ({"foo": [1]}, op("add", "/foo/-1", value=2)),
        ({"foo": [1]}, op("add", "/foo/x", value=2)),
        ({"foo": [1]}, op("add", "/foo/²", value=2)),
        ({"foo": [1]}, op("add", "/foo/" + "9" * 5000, value=2)),
        ({"foo": [1]}, op("add", "/foo/", value=2)),
        ({"foo": [1]}, op("replace", "/foo/-", value=2)),
        ({"foo": [1]}, op("remove", "/foo/1")),
        ({"foo": 1}, op("remove", "/bar")),
        ({"foo": 1}, op("replace", "/bar", value=1)),
        ({"foo": 1}, op("add", "/foo/a", value=1)),
        ({"foo": 1}, op("add", "foo", value=1)),
        ({"foo": 1}, op("add", "/f~o", value=1)),
        ({"foo": 1}, op("test", "/foo", value=True)),
        ({"foo": [1]}, op("test", "/foo", value=[1, 2])),
        ({"foo": {"a": 1}}, {"op": "move", "from": "/foo", "path": "/foo/a"}),
        ({"foo": {"a": 1}}, {"op": "copy", "from": "/bar", "path": "/foo/a"}),
        (None, op("add", "/a", value=1)),
    ],
)
def test_what_does_not_fit_changes_nothing(document: Any, operation: dict[str, Any]) -> None:
    before = msgspec.json.encode(document)
    with pytest.raises(PatchFailed):
        apply_patch(document, [op("add", "", value=document), operation], BIG)
    assert msgspec.json.encode(document) == before


def test_the_result_has_a_maximum_of_bytes() -> None:
    grow = [op("add", "/a", value="x" * 10)]
    assert len(msgspec.json.encode(apply_patch({}, grow, 18))) == 18
    with pytest.raises(PatchTooLarge):
        apply_patch({}, grow, 17)


def test_copies_of_copies_do_not_grow_without_end() -> None:
    """Two hundred of them would make a value of 2**200 bytes."""
    with pytest.raises(PatchTooLarge):
        apply_patch(["x"], [{"op": "copy", "from": "", "path": "/-"}] * 200, BIG)


def test_a_document_is_not_nested_more_deeply_than_a_publication() -> None:
    deepest: Any = []
    for _ in range(255):
        deepest = [deepest]
    assert apply_patch({}, [op("add", "", value=deepest)], BIG) == deepest
    for operation in (op("add", "", value=[deepest]), {"op": "copy", "from": "", "path": "/0/0/-"}):
        with pytest.raises(PatchTooLarge):
            apply_patch(deepest, [operation], BIG)
    with pytest.raises((PatchTooLarge, PatchFailed)):
        apply_patch({}, [op("add", "/a" * 30_000, value=1)], BIG)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "é"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "~", "/"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_adding_and_removing_is_as_before(document: Any, value: Any) -> None:
    around = {"x": document}
    there_and_back = [op("add", "/y", value=value), op("test", "/y", value=value), op("remove", "/y")]
    assert apply_patch(around, there_and_back, BIG) == around
