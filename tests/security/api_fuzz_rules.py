"""What the run of `api_fuzz` adds to schemathesis: requests that end by themselves, and the rules that OpenAPI
cannot say. Loaded by schemathesis, not by tests."""

from __future__ import annotations

import itertools
import json
import os
import re
from typing import Any, Final
from urllib.parse import urlsplit

import schemathesis

from tests.security.api_fuzz import USERS
from tests.support.peers import Peer
from websocket_handler.protocol.codes import ERRORS, ErrorCode
from websocket_handler.protocol.identity import ADMIN, PRESENCE, PUBLISH, SUBSCRIBE

USER: Final = USERS[os.environ["API_FUZZ_USER"]]
AUTHORIZATION: Final = os.environ.get("API_FUZZ_AUTHORIZATION")
RIGHTS: Final = {
    "publish": PUBLISH,
    "history": SUBSCRIBE,
    "events": SUBSCRIBE,
    "presence": PRESENCE,
    "interrupts": SUBSCRIBE,
    "broadcast": ADMIN,
    "connections": ADMIN,
    "disconnect": ADMIN,
    "disconnect_user": ADMIN,
    "drain": ADMIN,
    "rebalance": ADMIN,
    "queues": ADMIN,
    "agents": ADMIN,
    "redrive": ADMIN,
    "metrics": ADMIN,
    "ticket": "",
    "agui_info": "",
    "ai_resume": SUBSCRIBE,
    "health": None,
    "ready": None,
    "console": None,
}
"""What an operation needs: a right, a valid token only, or nothing."""
SEVERAL_RIGHTS: Final = frozenset(
    {"agui_run", "agui_connect", "agui_stop", "ai_chat", "ai_send", "ai_stop", "answer_interrupt"}
)
"""Operations that need several rights, or rights on a project that the body names: tests of the routes check them."""
SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
BEGINNINGS: Final = frozenset({"after", "epoch", "since"})
_turn = itertools.count()
_peers: list[Peer] = []


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Bound what would not end, and give the operations something to work on."""
    operation = case.operation.definition.raw.get("operationId")
    if operation in ("history", "events") and case.query.get("from") == "snapshot" and BEGINNINGS & set(case.query):
        del case.query["from"]  # one of them may say where to begin, which a list of parameters cannot tell
    if operation == "history" and _waits(case.query.get("wait")):
        case.query["wait"] = 0
    elif operation == "disconnect_user" and USER.claims and case.path_parameters.get("user_id") == USER.claims["sub"]:
        case.path_parameters["user_id"] = "somebody-else"  # their own token would be revoked
    elif operation == "disconnect" and USER.may(ADMIN, is_of_project=False) and next(_turn) % 2:
        case.path_parameters["connection_id"] = _connected(case.operation.base_url)
    elif operation == "connections" and USER.may(ADMIN, is_of_project=False):
        _connected(case.operation.base_url)
    elif operation in ("ai_chat", "ai_send") and "agent" not in case.query and isinstance(case.body, dict):
        case.body["agent"] = case.body.get("agent") or "dev"  # one of the two places has to name it


def _waits(value: object) -> bool:
    """True if a request would wait for so long."""
    return not isinstance(value, bool) and SECONDS.fullmatch(str(value)) is not None and 0 < float(str(value)) <= 60


def _connected(url: str) -> str:
    """The id of a connection that is there."""
    while _peers:
        _peers.pop().raw.socket.close()
    headers = {"authorization": AUTHORIZATION} if AUTHORIZATION else {}
    _peers.append(Peer.connect(urlsplit(url).port or 0, **headers))
    return str(_peers[-1].greeting["connection_id"])


@schemathesis.check
def errors_say_what_their_code_means(ctx: Any, response: Any, case: Any) -> None:
    """An error is the protocol's object, with the status and the headers that its code has, and no cache keeps it."""
    if response.status_code < 400 or (response.status_code == 503 and case.path == "/ready"):
        return
    error = json.loads(response.content)
    spec = ERRORS[ErrorCode(error["code"])]
    assert (error["type"], error["retryable"]) == ("error", spec.retryable), error
    assert response.status_code == spec.status, error
    assert error["code"] != ErrorCode.INTERNAL, error
    assert "no-store" in _header(response, "cache-control")
    assert bool(_header(response, "retry-after")) == (response.status_code in (429, 503))
    assert (_header(response, "www-authenticate") == "Bearer") == (response.status_code == 401)


@schemathesis.check
def those_with_the_right_get_in_and_nobody_else(ctx: Any, response: Any, case: Any) -> None:
    """What is carried out is carried out for those who may; and who may is not sent away."""
    if case.method.upper() not in (case.operation.method.upper(), "HEAD"):
        return
    if case.operation.definition.raw["operationId"] in SEVERAL_RIGHTS:
        return
    right = RIGHTS[case.operation.definition.raw["operationId"]]
    is_of_project = "{project_id}" in case.path
    if right is None or USER.may(right, is_of_project=is_of_project):
        assert response.status_code not in (401, 403)
    else:
        assert response.status_code >= 400


@schemathesis.check
def nothing_says_more_than_it_should(ctx: Any, response: Any, case: Any) -> None:
    """No answer repeats a credential, names the software behind it, or sets a cookie."""
    text = response.content + repr(sorted(response.headers.items())).encode()
    assert not AUTHORIZATION or AUTHORIZATION.removeprefix("Bearer ").encode() not in text
    assert not {"server", "x-powered-by", "set-cookie"} & {name.lower() for name in response.headers}
    assert b"Traceback" not in text


def _header(response: Any, name: str) -> str:
    """A header's value; empty where there is none."""
    return ", ".join(response.headers.get(name, ()))
