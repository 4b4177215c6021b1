"""Subscriptions beyond the vectors: refusals, slow readers, several projects, in virtual time."""

import json

import pytest

from tests.clients.python.driving import Desk
from websocket_handler_client.core.effects import Unfollowed
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.position import Position


def refuse(desk: Desk, link: int, **more: object) -> None:
    """The gateway refuses the last subscription."""
    error = {"type": "error", "code": "store_unavailable", "message": "m", "retryable": True}
    desk.get(link, **{**error, "id": desk.asked(link)[-1]["id"], **more})


@pytest.mark.parametrize(("hint", "pause_s"), [({}, 0.5), ({"retry_after_ms": 5210}, 5.21)])
def test_a_subscription_that_fails_for_now_is_asked_for_again(hint: dict[str, int], pause_s: float) -> None:
    desk = Desk()
    desk.follow()
    link = desk.open()
    refuse(desk, link, **hint)
    desk.wait(pause_s - 0.01)
    assert len(desk.asked(link)) == 1
    desk.wait(0.01)
    assert len(desk.asked(link)) == 2
    desk.confirm(link, 57)
    desk.publish(link, 58)
    assert desk.offsets == [58]


def test_a_subscription_that_is_not_permitted_ends_for_its_readers_only() -> None:
    desk = Desk()
    desk.follow("p")
    desk.follow("q")
    link = desk.open()
    refuse(desk, link, code="forbidden", retryable=False)
    assert [(given.project_id, given.error.code) for given in desk.given if isinstance(given, Unfollowed)] == [
        ("q", "forbidden")
    ]
    desk.confirm(link, 57)
    desk.publish(link, 58)
    assert desk.offsets == [58]
    desk.cut(link)
    desk.wait(1)
    assert [command["project_id"] for command in desk.asked(desk.open())] == ["p"]


def test_a_new_token_without_a_project_ends_it() -> None:
    desk = Desk()
    link = desk.live()
    desk.get(link, type="unsubscription_confirmed", project_id="p")
    desk.publish(link, 58)
    assert [given.error.code for given in desk.given if isinstance(given, Unfollowed)] == ["forbidden"]
    assert desk.offsets == []


def test_a_slow_reader_stops_the_project_and_goes_on_where_it_was() -> None:
    desk = Desk()
    link = desk.live(57)
    desk.publish(link, 58)
    desk.perform(desk.core.pause("p"))
    desk.publish(link, 59, 60)
    assert desk.asked(link)[-1]["action"] == "unsubscribe"
    desk.perform(desk.core.resume("p"))
    desk.publish(link, 61)
    desk.confirm(link, 58)
    desk.publish(link, 59, 60, 61, 62)
    assert desk.offsets == [58, 59, 60, 61, 62]


def test_a_paused_project_stays_paused_over_a_cut() -> None:
    desk = Desk()
    link = desk.live()
    desk.perform(desk.core.pause("p"))
    desk.cut(link)
    desk.wait(1)
    link = desk.open()
    assert desk.asked(link) == []
    desk.perform(desk.core.resume("p"))
    assert desk.asked(link)[-1]["since"] == {"epoch": "e1", "offset": 57}


def test_what_nobody_follows_any_more_is_not_delivered() -> None:
    desk = Desk()
    link = desk.live()
    desk.perform(desk.core.unfollow("p", desk.now))
    desk.publish(link, 58)
    assert (desk.offsets, desk.asked(link)[-1]["action"], desk.position) == ([], "unsubscribe", None)


def test_projects_do_not_touch_each_other() -> None:
    desk = Desk()
    link = desk.live(57)
    desk.follow("q")
    desk.confirm(link, 3, epoch="e9", project_id="q")
    desk.publish(link, 4, project_id="q")
    desk.publish(link, 58)
    desk.publish(link, 5, project_id="q")
    assert desk.offsets == [4, 58, 5]
    assert (desk.position, desk.core.position("q")) == (Position("e1", 58), Position("e9", 5))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"type":"pong"}', '{"type":{}}', '{"type":"weather"}', '{"type":"forward_confirmed"}']
)
def test_a_message_that_says_nothing_changes_nothing(text: str) -> None:
    desk = Desk()
    link = desk.live()
    states = list(desk.states)
    desk.perform(desk.core.received(link, text, desk.now))
    assert (desk.core.state.name, desk.states, desk.given) == ("live", states, [])


@pytest.mark.parametrize(
    "message",
    [
        {"project_id": "p", "offset": "58"},
        {"offset": 58},
        {"type": "reconnect"},
        {"type": "subscription_reset", "project_id": "p"},
    ],
    ids=json.dumps,
)
def test_a_message_that_breaks_the_protocol_ends_the_link_and_the_client_comes_back(message: dict[str, object]) -> None:
    desk = Desk()
    link = desk.live()
    desk.get(link, **message)
    assert (desk.ended, desk.core.state.name) == ([link], "waiting")
    desk.wait(1)
    assert desk.asked(desk.open())[0]["since"] == {"epoch": "e1", "offset": 57}


def test_positions_are_written_and_read() -> None:
    assert str(Position("e7Kq2", 57)) == "e7Kq2:57"
    assert Position.parse("e7Kq2:57") == Position.parse("proj_1:2@e7Kq2:57") == Position("e7Kq2", 57)
    for text in ("", "e7Kq2", ":57", "e:-1", "e:01", f"e:{2**53}", "e:1:2", "a b@e:1"):
        with pytest.raises(ValueError, match="no position"):
            Position.parse(text)


@pytest.mark.parametrize("option", [{"opening_s": -1}, {"buffer_updates": 0}])
def test_options_that_make_no_sense_are_refused(option: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        Options(**option)
