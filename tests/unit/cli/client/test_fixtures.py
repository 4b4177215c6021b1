"""What an export says about each publication, and what a replay sends of it."""

import pytest

from websocket_handler.cli.client.fixtures import read_export

HEAD = b'{"websocket_handler_export":1,"project_id":"p","epoch":"e"}\n'
LINE = b'{"type":"t","n":1.0,"big":123456789012345678901234567890,"project_id":"p","offset":7,"published_at":1000}\n'


def test_a_publication_keeps_its_bytes_without_what_the_gateway_added() -> None:
    [entry] = read_export([HEAD, LINE])
    assert entry.body == b'{"type":"t","n":1.0,"big":123456789012345678901234567890}'
    assert (entry.at_ms, entry.project_id) == (1000, "p")


def test_times_can_be_kept() -> None:
    [entry] = read_export([LINE], keep_times=True)
    assert entry.body.endswith(b',"published_at":1000}')


def test_a_publishers_own_published_at_stays() -> None:
    [entry] = read_export([b'{"project_id":"p","offset":7,"published_at":"noon"}'])
    assert (entry.body, entry.at_ms) == (b'{"published_at":"noon"}', None)


def test_each_line_has_the_same_key_in_every_replay_and_another_than_its_neighbour() -> None:
    lines = [LINE, LINE.replace(b"7", b"8")]
    first, second = read_export(lines)
    assert [entry.key for entry in read_export(lines)] == [first.key, second.key]
    assert first.key != second.key


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"[]\n", "line 2: "),
        (b'{"n":1\n', "line 2: "),
        (b'{"websocket_handler_export":2,"project_id":"p","epoch":"e"}\n', "line 2: version 2 is unknown"),
        (b'{"websocket_handler_export":1}\n', "line 2: "),
    ],
)
def test_a_line_that_is_no_publication_is_named(line: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}"):
        list(read_export([HEAD, line]))
