"""The console of a gateway that wants tokens: getting in, staying in, being shown out."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser
from tests.e2e.consoles import Console, opened
from tests.support.gateway import Gateway, running_gateway
from tests.support.links import new_project
from tests.support.tokens import GUARDED, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONNECTION: Final = "document.querySelector('#connection-id').textContent"


def team() -> str:
    """A project of this test's own that Ada's tokens permit."""
    return f"team-{new_project()}"


def soon(seconds: float) -> int:
    """A moment in so many seconds, as a token has it."""
    return int(time.time() + seconds)


@pytest.fixture(scope="module")
def guarded(settings: dict[str, str]) -> Iterator[Gateway]:
    """A gateway with `AUTH_MODE=jwt`, for pages of its own origin."""
    with running_gateway(settings, **{**GUARDED, "ALLOWED_ORIGINS": "", "SQS_QUEUE_URL_UPDATES": ""}) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, guarded: Gateway, tmp_path: Path) -> AsyncIterator[Console]:
    """Its console page in a new tab."""
    async with opened(browser, guarded, tmp_path) as page:
        yield page


async def signed_in(console: Console, project_id: str, **claims: Any) -> None:
    """Open a project with a token."""
    await console.open(f"?project_id={project_id}")
    await console.panel("needed")
    await console.enter(token(**claims))
    await console.state("live")
    await console.chip(project_id, "live")


async def test_a_token_lets_the_page_in_and_is_kept_nowhere(console: Console) -> None:
    """Not in the address, not in a header, not in a store; a reload asks again."""
    project_id, secret = team(), token()
    await console.open(f"?project_id={project_id}")
    await console.state("locked")
    await console.panel("needed")
    await console.picture("console-token-needed")
    await console.picture("console-token-needed-dark", scheme="dark")
    await console.picture("console-token-needed-narrow", width=360, height=800)
    await console.page.look()
    assert await console.page.run("document.querySelector('#token').type") == "password"

    await console.enter(f"  Bearer {secret[:40]}\n{secret[40:]} ")

    await console.state("live")
    await console.chip(project_id, "live")
    await console.no_panel()
    await console.publish(project_id, {"text": "hello"})
    assert "hello" in (await console.updates(project_id, 1))[0]
    assert await console.text("#user") == "ada"
    await console.picture("console-signed-in")
    kept = await console.stored() + str(
        await console.page.run("JSON.stringify(sockets.map((s) => [s.url, s.protocol]))")
    )
    assert secret[-40:] not in kept
    assert secret not in await console.page.run(
        "document.documentElement.outerHTML + document.querySelector('#token').value"
    )
    await console.open(f"?project_id={project_id}")
    await console.panel("needed")


async def test_a_token_that_the_tab_remembers_survives_a_reload_until_it_is_forgotten(console: Console) -> None:
    """Only where somebody asked for it, and only in this tab's session."""
    project_id, secret = team(), token()
    await console.open(f"?project_id={project_id}")
    await console.panel("needed")
    await console.enter(secret, remember=True)
    await console.state("live")
    assert secret in await console.page.run("JSON.stringify({...sessionStorage})")
    assert await console.page.run("localStorage.length") == 0

    await console.open(f"?project_id={project_id}")
    await console.state("live")
    await console.page.click("#token-open")
    await console.panel("signedIn")
    await console.page.click("#token-forget")

    await console.state("locked")
    assert secret not in await console.stored()
    await console.open(f"?project_id={project_id}")
    await console.panel("needed")


async def test_a_wrong_token_is_said_to_be_wrong_and_not_tried_again(console: Console) -> None:
    """The reason stands beside the field; the page waits; the right one works then."""
    await console.open(f"?project_id={team()}")
    await console.panel("needed")
    for wrong, reason in (
        ("not-a-token", "no signed JWT"),
        (token()[:-6], "did not take this token"),
        (token(exp=1_000_000_000), "expired"),
    ):
        await console.enter(wrong, remember=True)
        await console.says("#token-problem", reason)
        await console.state("locked")
        assert wrong not in await console.stored()
    await console.picture("console-token-wrong")
    assert await console.page.run("sockets.every((socket) => socket.readyState >= WebSocket.CLOSING)")
    await console.enter("   ")
    await console.says("#token-problem", "Paste a token first")
    await console.enter(token())
    await console.state("live")
    await console.no_panel()


async def test_a_token_that_ends_soon_is_renewed_in_place(console: Console) -> None:
    """The page asks, takes the new one on the same connection, and nobody notices."""
    project_id = team()
    await signed_in(console, project_id, exp=soon(59))
    await console.panel("expiring")
    await console.says("#sign-in-title", "The token ends at ")
    await console.picture("console-token-expiring")
    await console.picture("console-token-expiring-dark-narrow", width=360, height=800, scheme="dark")
    await console.page.look()
    before = await console.page.run(CONNECTION)

    await console.enter("nonsense")
    await console.says("#token-problem", "The one in use still holds")
    await console.enter(token(exp=soon(600)))

    await console.no_panel()
    await console.publish(project_id, {"text": "still here"})
    await console.updates(project_id, 1)
    assert await console.page.run(CONNECTION) == before
    assert await console.page.run("sockets.length") == 2, "one for the question, one for the answer"


async def test_a_token_that_ended_shows_so_and_a_new_one_goes_on_where_the_page_stood(console: Console) -> None:
    """Close code 4002: no attempts with the old one, and nothing is missed."""
    project_id = team()
    await signed_in(console, project_id)
    await console.publish(project_id, {"text": "first"})
    await console.updates(project_id, 1)
    await console.page.click("#token-open")
    await console.panel("signedIn")
    await console.enter(token(exp=soon(4)))
    await console.panel("expired")
    await console.says("#reason", "(4002)")
    await console.picture("console-token-expired")
    await console.publish(project_id, {"text": "meanwhile"})

    await console.enter(token())

    await console.state("live")
    await console.no_panel()
    assert "meanwhile" in (await console.updates(project_id, 2))[1]
    assert [await console.text(f"#{name}") for name in ("lost", "doubled", "resets")] == ["0", "0", "0"]


async def test_another_users_token_is_said_to_be_one(console: Console) -> None:
    """Close code 4501: the page stays out until somebody decides, and comes back as who it was."""
    project_id = team()
    await signed_in(console, project_id)
    await console.page.click("#token-open")
    await console.panel("signedIn")
    await console.enter(token(sub="eve"))
    await console.panel("otherUser")
    await console.says("#reason", "(4501)")
    await console.says("#state", "ended")
    await console.picture("console-token-of-another-user")

    await console.page.click("#connect")

    await console.state("live")
    await console.no_panel()
    assert await console.text("#user") == "ada"


async def test_an_operator_who_ends_the_connection_is_named(console: Console) -> None:
    """Close code 4500: no return by itself; a button does it."""
    await signed_in(console, team())
    assert await console.ask("DELETE", f"/api/v1/connections/{await console.page.run(CONNECTION)}") == 204
    await console.says("#reason", "An operator ended this connection. It does not come back by itself. (4500)")
    await console.says("#state", "ended")
    await console.picture("console-ended-by-operator")
    assert await console.page.run("sockets.at(-1).readyState >= WebSocket.CLOSING")
    await console.page.click("#connect")
    await console.state("live")


async def test_a_revoked_token_is_said_to_be_revoked(console: Console) -> None:
    """After the close the way back is shut, with the reason beside the field."""
    await signed_in(console, team(), sub="mallory", iat=soon(-60))
    assert await console.ask("POST", "/api/v1/users/mallory/disconnect") == 200
    await console.says("#reason", "(4500)")
    await console.page.click("#connect")
    await console.says("#token-problem", "the token was revoked")


async def test_unanswered_pings_are_named_and_the_page_comes_back(console: Console) -> None:
    """Close code 4001."""
    project_id = team()
    await signed_in(console, project_id)
    ended = {"code": 4001, "reason": "<b>pong timeout</b>"}
    await console.page.run(f"sockets.at(-1).dispatchEvent(new CloseEvent('close', {json.dumps(ended)})), 0")
    await console.says("#reason", "This page did not answer the gateway's pings. (4001)")
    await console.picture("console-pong-timeout")
    await console.state("live")
    await console.chip(project_id, "live")


async def test_what_the_token_does_not_allow_is_shown_where_it_was_asked_for(console: Console) -> None:
    """A project and work for an agent; a new token opens the one and takes the other."""
    project_id = team()
    await console.open(f"?project_id={project_id}&project_id=secret")
    await console.panel("needed")
    await console.enter(token(rights=["subscribe"]))
    await console.chip(project_id, "live")
    await console.chip("secret", "refused")
    await console.says("#projects", "forbidden: the token does not permit this project")
    await console.page.fill("#task", "Build it")
    await console.page.click("#send")
    await console.says("#forwards", "forbidden: the token does not allow this agent, or this project")
    await console.picture("console-forbidden")

    await console.page.click("#token-open")
    await console.enter(token(projects=["secret"]))

    await console.chip("secret", "live")
    await console.chip(project_id, "refused")
    await console.says("#projects", "forbidden: the new token does not permit this project")


async def test_a_users_name_is_text(console: Console) -> None:
    """A subject may hold any printable character."""
    name = "<img/src=x/onerror=document.title='owned'>"
    await signed_in(console, team(), sub=name)
    assert await console.text("#user") == name
    await console.page.click("#token-open")
    await console.panel("signedIn")
    assert name in await console.text("#sign-in-title")
    assert await console.page.run("document.title") == "websocket_handler console"


async def test_the_token_is_hidden_until_somebody_wants_to_see_it(console: Console) -> None:
    """A toggle, which the next opening of the panel has forgotten."""
    await console.open()
    await console.panel("needed")
    await console.page.fill("#token", "abc")
    await console.page.click("#token-show")
    assert await console.page.run("document.querySelector('#token').type") == "text"
    assert await console.page.run("document.querySelector('#token-show').ariaPressed") == "true"
    await console.enter(token())
    await console.state("live")
    await console.page.click("#token-open")
    await console.panel("signedIn")
    assert await console.page.run("document.querySelector('#token').type") == "password"
    await console.page.click("#token-close")
    await console.no_panel()


async def test_a_gateway_that_asks_nobody_is_not_asked_for_a_token(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    """With `AUTH_MODE=none` there is nothing to enter."""
    async with opened(browser, gateway, tmp_path) as console:
        await console.open(f"?project_id={new_project()}")
        await console.state("live")
        assert await console.page.run("document.querySelector('#sign-in').hidden")
        assert await console.page.run("document.querySelector('#token-open').hidden")
        for scheme in ("light", "dark"):
            await console.picture(f"console-open-{scheme}", scheme=scheme)
        await console.picture("console-open-narrow", width=360, height=800)
