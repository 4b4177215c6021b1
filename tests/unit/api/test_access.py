"""Who sends an HTTP request: what is checked, in which order, and how long the answer holds."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.support.http_api import Api, Exchange, KnownTokens, bearer, known
from tests.support.virtual_time import in_virtual_time
from websocket_handler.api.access import (
    REFUSAL,
    SLACK_S,
    Visitor,
    check_still,
    guarded,
    identify,
    is_over,
    patience_s,
    visitor_of,
)
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import ANYONE, PUBLISH, SUBSCRIBE

TOKENS = {"ada": known("ada", "p", rights=[SUBSCRIBE]), "admin": known("admin")}


async def answer(
    api: Api, right: str | None, name: str | None, project_id: str | None = None, refusal: CommandError | None = None
) -> Visitor | ErrorCode:
    """Whom an endpoint behind this guard sees, or why it sees nobody."""
    seen: list[Visitor] = []

    async def endpoint(request: Request) -> Response:
        seen.append(visitor_of(request))
        return Response()

    exchange = Exchange("GET", "/", **({} if name is None else {"authorization": bearer(name)}))
    request = exchange.request()
    if project_id is not None:
        request.scope["path_params"] = {"project_id": project_id}
    if refusal is not None:
        setattr(request.state, REFUSAL, refusal)
    try:
        await guarded(api.gateway, right, endpoint)(request)
    except CommandError as fault:
        assert seen == []
        return fault.code
    return seen[0]


@in_virtual_time
async def test_an_endpoint_sees_the_visitor_whom_the_token_names() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    visitor = await answer(api, SUBSCRIBE, "ada", "p")
    assert isinstance(visitor, Visitor)
    assert visitor.identity == TOKENS["ada"]
    assert visitor.ends_at == api.gateway.access.ends_at(TOKENS["ada"])


@in_virtual_time
async def test_without_a_valid_token_nobody_is_told_anything_else() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    for name in (None, "", "forged"):
        for project_id in (None, "p", "no project!"):
            assert await answer(api, SUBSCRIBE, name, project_id) is ErrorCode.UNAUTHORIZED


@in_virtual_time
async def test_a_right_is_needed_on_the_project_that_the_path_names() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    assert await answer(api, PUBLISH, "ada", "p") is ErrorCode.FORBIDDEN
    assert await answer(api, SUBSCRIBE, "ada", "q") is ErrorCode.FORBIDDEN
    assert await answer(api, SUBSCRIBE, "ada", "no project!") is ErrorCode.INVALID_PROJECT_ID
    assert isinstance(await answer(api, SUBSCRIBE, "admin", "q"), Visitor)


@in_virtual_time
async def test_without_a_right_a_valid_token_is_enough() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    assert isinstance(await answer(api, None, "ada"), Visitor)


@in_virtual_time
async def test_what_the_http_server_refuses_comes_before_everything() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    refusal = CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "full")
    for name in (None, "ada"):
        assert await answer(api, None, name, refusal=refusal) is ErrorCode.TOO_MANY_CONNECTIONS


@in_virtual_time
async def test_a_token_in_two_places_is_nobodys() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    for target in ("/?access_token=ada", "/?ticket=x"):
        with pytest.raises(CommandError) as refused:
            await identify(Exchange("GET", target, authorization=bearer("ada")).request(), api.gateway)
        assert refused.value.code is ErrorCode.UNAUTHORIZED
    twice = Exchange("GET", "/", authorization=bearer("ada"))
    twice.scope["headers"].append((b"authorization", bearer("ada").encode()))
    with pytest.raises(CommandError):
        await identify(twice.request(), api.gateway)


@in_virtual_time
async def test_where_nobody_has_to_say_who_they_are_everybody_may_come_and_stay() -> None:
    api = Api()
    visitor = await answer(api, PUBLISH, None, "p")
    assert visitor == Visitor(ANYONE, None)
    check_still(visitor, api.gateway)
    assert patience_s(visitor, api.gateway, 60.0) == 60.0


@in_virtual_time
async def test_a_visitor_may_stay_until_the_token_ends_and_not_a_moment_longer() -> None:
    api = Api()
    clock = api.core.ports.clock
    expires_at = clock.wall() + 100
    api = Api(tokens=KnownTokens(ada=known("ada", expires_at=expires_at)), ports={"clock": clock})
    visitor = await answer(api, None, "ada")
    assert isinstance(visitor, Visitor)
    assert visitor.ends_at is not None
    left = visitor.ends_at - clock.monotonic()
    clock.advance(left - 0.001)  # type: ignore[attr-defined]
    assert not is_over(visitor, api.gateway)
    check_still(visitor, api.gateway)
    clock.advance(0.001)  # type: ignore[attr-defined]
    assert is_over(visitor, api.gateway)
    with pytest.raises(CommandError) as refused:
        check_still(visitor, api.gateway)
    assert refused.value.code is ErrorCode.UNAUTHORIZED


@in_virtual_time
async def test_a_revoked_visitor_may_not_stay() -> None:
    api = Api(tokens=KnownTokens(**TOKENS))
    visitor = await answer(api, None, "ada")
    assert isinstance(visitor, Visitor)
    api.gateway.access.revoke("somebody-else")
    assert not is_over(visitor, api.gateway)
    api.gateway.access.revoke("ada")
    assert is_over(visitor, api.gateway)


@pytest.mark.parametrize(
    ("left_s", "expected_s"), [(100.0, 60.0), (60.0, 60.0), (10.0, 10.0 + SLACK_S), (0.0, SLACK_S), (-5.0, SLACK_S)]
)
@in_virtual_time
async def test_nobody_waits_for_news_much_longer_than_they_may_stay(left_s: float, expected_s: float) -> None:
    api = Api()
    visitor = Visitor(ANYONE, api.gateway.clock.monotonic() + left_s)
    assert patience_s(visitor, api.gateway, 60.0) == pytest.approx(expected_s)
