"""Positions, projects and ages as somebody types them."""

import pytest

from websocket_handler.cli.client.place import START, Age, Position, read_project, read_since


def test_a_project_may_have_a_position() -> None:
    assert read_project("proj_123") == ("proj_123", None)
    assert read_project("proj_123@e7-Kq2:57") == ("proj_123", Position("e7-Kq2", 57))


@pytest.mark.parametrize(
    ("text", "found"),
    [("start", START), ("30s", Age(30)), ("10m", Age(600)), ("1.5h", Age(5400)), ("1d", Age(86_400))],
)
def test_a_beginning_may_be_an_age(text: str, found: object) -> None:
    assert read_since(text) == found
    assert read_since("e:0") == Position("e", 0)


@pytest.mark.parametrize("text", ["", "..", "a/b", "p@", "p@e", "p@e:x", "p@e:-1", "p@:1"])
def test_what_is_no_project_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        read_project(text)


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "yesterday", "e:"])
def test_what_is_no_beginning_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="neither start, nor an age"):
        read_since(text)
