"""The commands as types: their names on the wire, and the form of each field at its limit and one beyond."""

from typing import Any, get_args

import msgspec
import pytest

from websocket_handler.protocol import messages
from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.messages import AnyCommand, Command, History, Ping, Position, Publish, Subscribe
from websocket_handler.protocol.names import OFFSET_MAX

COMMANDS: tuple[type[Command], ...] = get_args(AnyCommand)


def test_each_command_is_named_after_its_class_and_no_two_alike() -> None:
    assert [kind.__struct_config__.tag for kind in COMMANDS] == [kind.__name__.lower() for kind in COMMANDS]
    assert set(COMMANDS) == {
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, Command) and kind is not Command
    }
    assert Ping().action == "ping"
    assert Publish(project_id="p", message=JsonObject(b"{}", ())).action == "publish"


@pytest.mark.parametrize("kind", COMMANDS)
def test_no_command_can_be_changed_after_it_was_read(kind: type[Command]) -> None:
    assert kind.__struct_config__.frozen


def accepts(kind: Any, **fields: object) -> bool:
    """True if a struct takes these fields as they come off the wire."""
    try:
        msgspec.convert(fields, kind)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "field", "most"),
    [(Ping, "id", 64), (Subscribe, "project_id", 128), (messages.Unsubscribe, "project_id", 128)],
)
def test_a_text_is_taken_at_its_maximum_and_refused_one_beyond(kind: Any, field: str, most: int) -> None:
    assert accepts(kind, **{field: "a"})
    assert accepts(kind, **{field: "a" * most})
    assert not accepts(kind, **{field: "a" * (most + 1)})
    assert not accepts(kind, **{field: ""})
    assert not accepts(kind, **{field: None})


@pytest.mark.parametrize("text", ["a\n", "a b", "a/b", "..", "ä", "\u0661"])
def test_a_project_id_is_looked_at_to_its_end(text: str) -> None:
    assert not accepts(Subscribe, project_id=text)


@pytest.mark.parametrize("text", ["e" * 65, "", "e\n", "e:1"])
def test_an_epoch_has_the_form_that_the_gateway_gives_it(text: str) -> None:
    assert accepts(Position, epoch="e" * 64, offset=0)
    assert not accepts(Position, epoch=text, offset=0)


def test_an_offset_is_a_whole_number_that_every_client_can_hold() -> None:
    for offset in (0, OFFSET_MAX):
        assert accepts(Position, epoch="e", offset=offset)
        assert accepts(Subscribe, project_id="p", rewind=offset)
        assert accepts(History, project_id="p", after=offset)
    for wrong in (-1, OFFSET_MAX + 1, 1.5, "1", True):
        assert not accepts(Position, epoch="e", offset=wrong)
        assert not accepts(Subscribe, project_id="p", rewind=wrong)
        assert not accepts(History, project_id="p", after=wrong)


def test_history_reads_from_the_beginning_and_at_least_one() -> None:
    asked = msgspec.convert({"project_id": "p"}, History)
    assert (asked.after, asked.limit) == (0, 100)
    assert accepts(History, project_id="p", limit=1)
    assert accepts(History, project_id="p", limit=10**15), "the node caps it"
    assert not accepts(History, project_id="p", limit=0)


def test_a_token_is_not_empty() -> None:
    assert accepts(messages.Authenticate, token="t")  # noqa: S106
    assert not accepts(messages.Authenticate, token="")
