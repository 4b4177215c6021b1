"""When the Python SDK fetches a token, and what happens if that fails, in virtual time."""

import base64
import json

from tests.clients.python.driving import Desk
from websocket_handler_client.core.token_life import end_of, read_time


def jwt(end_s: float) -> str:
    """A token with this end. Nobody looks at its signature."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": end_s}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def give(desk: Desk, life_s: float = 100.0) -> str:
    """The provider answers with a token that lives so long."""
    token = jwt(desk.now.wall_s + life_s)
    desk.perform(desk.core.token(desk.fetches[-1], token, desk.now))
    return token


def live(life_s: float = 100.0) -> tuple[Desk, int]:
    """A client with a token, and its link."""
    desk = Desk(has_tokens=True)
    desk.follow()
    give(desk, life_s)
    link = desk.open()
    desk.confirm(link, 57)
    return desk, link


def refreshes(desk: Desk, link: int) -> list[str]:
    """The tokens that were sent on a link."""
    return [command["token"] for command in desk.asked(link) if command["action"] == "authenticate"]


def test_a_handshake_waits_for_its_token() -> None:
    desk = Desk(has_tokens=True)
    desk.follow()
    assert (desk.fetches, desk.opened, desk.core.state.name) == ([1], [], "authenticating")
    token = give(desk)
    assert [opened.token for opened in desk.opened] == [token]


def test_without_a_provider_no_token_is_fetched() -> None:
    desk = Desk()
    desk.live()
    desk.wait(3600)
    assert (desk.fetches, desk.opened[0].token) == ([], None)


def test_a_token_is_replaced_at_four_fifths_of_its_life() -> None:
    desk, link = live(100)
    desk.wait(79.9)
    assert desk.fetches == [1]
    desk.wait(0.1)
    assert desk.fetches == [1, 2]
    token = give(desk)
    assert refreshes(desk, link) == [token]
    desk.wait(79.9)
    assert desk.fetches == [1, 2]
    desk.wait(0.1)
    assert desk.fetches == [1, 2, 3]
    assert len(desk.opened) == 1


def test_the_gateways_word_on_the_end_counts() -> None:
    """An opaque token says nothing of its end; `authenticated` does, and so does `token_expiring`."""
    desk = Desk(has_tokens=True)
    desk.follow()
    desk.perform(desk.core.token(1, "opaque", desk.now))
    link = desk.open()
    desk.wait(3600)
    assert desk.fetches == [1]
    desk.get(link, type="token_expiring", expires_at="2026-11-22T20:00:00.123Z")
    desk.wait(0)
    assert desk.fetches == [1, 2]
    desk.perform(desk.core.token(2, "another", desk.now))
    end = read_time("2026-11-22T20:00:00.000Z")
    assert end == 1_795_377_600.0
    desk.get(link, type="authenticated", user_id="ada", expires_at="2026-11-22T20:00:00.000Z", id="t9")
    desk.wait((end - desk.now.wall_s) * 0.8)
    assert desk.fetches == [1, 2, 3]


def test_after_a_sleep_no_handshake_carries_an_old_token() -> None:
    desk, link = live(100)
    desk.snooze(3600)
    desk.cut(link)
    desk.wait(0.5)
    assert len(desk.opened) == 1, "the token comes first"
    token = give(desk)
    assert desk.opened[-1].token == token


def test_after_a_sleep_a_live_link_gets_a_new_token_within_its_silence() -> None:
    desk, _ = live(100)
    desk.snooze(3600)
    desk.wait(25)
    assert 2 in desk.fetches


def test_a_provider_that_hangs_has_a_deadline_and_its_late_answer_is_not_taken() -> None:
    desk = Desk(has_tokens=True)
    desk.follow()
    desk.wait(10)
    assert desk.core.state.name == "waiting"
    assert desk.core.state.reason == "the token provider did not answer in time"
    desk.wait(0.5)
    assert desk.fetches == [1, 2]
    desk.perform(desk.core.token(1, "late", desk.now))
    assert desk.opened == []
    give(desk)
    assert len(desk.opened) == 1


def test_a_provider_that_raises_is_asked_again_after_growing_pauses() -> None:
    desk = Desk(has_tokens=True)
    desk.follow()
    for pause_s in (0.5, 1, 2, 4):
        desk.perform(desk.core.token_failed(desk.fetches[-1], "no network", desk.now))
        assert (desk.core.state.retry_at_s or 0) - desk.now.s == pause_s
        desk.wait(pause_s)


def test_a_provider_that_will_never_have_one_stops_the_client() -> None:
    desk = Desk(has_tokens=True)
    desk.follow()
    desk.perform(desk.core.token_failed(1, "signed out", desk.now, is_final=True))
    desk.wait(3600)
    assert (desk.core.state.name, desk.core.state.reason, desk.fetches) == ("stopped", "signed out", [1])


def test_a_refresh_that_fails_leaves_the_link_alone_and_is_tried_again() -> None:
    desk, link = live(100)
    desk.wait(80)
    desk.perform(desk.core.token_failed(2, "no network", desk.now))
    assert desk.core.state.name == "live"
    desk.wait(0.5)
    assert desk.fetches == [1, 2, 3]
    token = give(desk)
    refused = [command for command in desk.asked(link) if command["action"] == "authenticate"][-1]
    desk.get(link, type="error", code="unauthorized", message="m", retryable=False, id=refused["id"])
    assert desk.core.state.name == "live"
    desk.wait(1)
    assert desk.fetches == [1, 2, 3, 4]
    assert refreshes(desk, link) == [token]


def test_the_same_token_again_is_taken_and_not_asked_for_in_a_flood() -> None:
    desk, link = live(100)
    token = desk.opened[0].token or ""
    for _ in range(20):
        desk.wait(5)
        if desk.core.next_timer(desk.now) is not None and len(desk.fetches) > 1:
            desk.perform(desk.core.token(desk.fetches[-1], token, desk.now))
    assert 2 <= len(desk.fetches) <= 7
    assert set(refreshes(desk, link)) == {token}


def test_a_kept_token_that_is_refused_is_replaced_and_a_new_one_that_is_refused_stops_the_client() -> None:
    desk, link = live(1000)
    desk.cut(link)
    desk.wait(0.5)
    assert (len(desk.opened), desk.fetches) == (2, [1])
    desk.refuse(401, code="unauthorized", message="m", retryable=False)
    assert (desk.fetches, desk.core.state.name) == ([1, 2], "authenticating")
    give(desk)
    desk.refuse(401, code="unauthorized", message="m", retryable=False)
    desk.wait(3600)
    assert (len(desk.opened), desk.core.state.name) == (3, "stopped")


OPAQUE = "nobody can read when this ends"


def test_a_token_that_ends_while_the_gateway_is_away_is_replaced() -> None:
    """It was new when the handshakes began to fail, and is not when the gateway answers at last."""
    desk = Desk(has_tokens=True)
    desk.follow()
    desk.perform(desk.core.token(1, OPAQUE, desk.now))
    desk.cut(desk.opened[-1].link)
    desk.wait(0.5)
    assert (len(desk.opened), desk.fetches) == (2, [1])
    desk.refuse(401, code="unauthorized", message="m", retryable=False)
    assert (desk.fetches, desk.core.state.name) == ([1, 2], "authenticating")


def test_a_token_that_was_renewed_on_a_link_and_ends_later_is_replaced() -> None:
    desk, link = live(100)
    desk.get(link, type="token_expiring", expires_at="t")
    desk.wait(0)
    desk.perform(desk.core.token(2, OPAQUE, desk.now))
    desk.get(link, type="reconnect", reason="draining", after_ms=1000)
    desk.wait(1)
    assert (len(desk.opened), desk.opened[-1].token) == (2, OPAQUE)
    desk.refuse(401, code="unauthorized", message="m", retryable=False)
    assert (desk.fetches, desk.core.state.name) == ([1, 2, 3], "live")


def test_a_token_that_expired_on_a_link_is_not_used_for_the_next() -> None:
    desk, link = live(100)
    desk.cut(link, 4002)
    desk.wait(0.5)
    assert (len(desk.opened), desk.fetches) == (1, [1, 2])


def test_the_end_of_a_token() -> None:
    assert end_of(jwt(7.5)) == 7.5
    for text in ("", "opaque", "a.b", "a.b.c", "a.W10.c", "a.eyJleHAiOiIxIn0.c", "a.eyJleHAiOnRydWV9.c", "a.é.c"):
        assert end_of(text) is None, text
    for value in (None, 7, "", "soon"):
        assert read_time(value) is None, value
