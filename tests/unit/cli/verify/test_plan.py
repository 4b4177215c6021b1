"""A run is bounded in every direction: at its maximum it is possible, and beyond it is told which option is wrong."""

from typing import Any

import pytest

from websocket_handler.cli.verify.plan import (
    CLIENTS_MAX,
    DURATION_MAX_S,
    PROJECTS_MAX,
    PUBLICATIONS_MAX,
    RATE_MAX,
    SETTLE_MAX_S,
    TOKENS_MAX,
    URLS_MAX,
    Plan,
    PlanError,
    is_http,
    messages_url,
    socket_url,
)

URL = "ws://gateway.example"


def plan(**options: Any) -> Plan:
    return Plan(**{"urls": [URL], **options})


@pytest.mark.parametrize(
    "options",
    [
        {"urls": [URL] * URLS_MAX},
        {"publish_urls": ["https://gateway.example"] * URLS_MAX},
        {"clients": CLIENTS_MAX},
        {"clients": PROJECTS_MAX, "projects": PROJECTS_MAX},
        {"rate": RATE_MAX},
        {"duration_s": DURATION_MAX_S, "rate": PUBLICATIONS_MAX / DURATION_MAX_S},
        {"settle_s": SETTLE_MAX_S},
        {"tokens": ["t"] * TOKENS_MAX},
    ],
    ids=lambda options: ",".join(options),
)
def test_a_run_is_possible_at_its_maximum(options: dict[str, Any]) -> None:
    plan(**options)  # raises nothing


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"urls": []}, "URL: 0 is not in 1 to 64"),
        ({"urls": [URL] * (URLS_MAX + 1)}, "URL: 65 is not in 1 to 64"),
        ({"publish_urls": [URL] * (URLS_MAX + 1)}, "--publish-url: 65 is not in 0 to 64"),
        ({"clients": 0, "projects": 0}, "--clients: 0 is not in 1 to 2,000"),
        ({"clients": CLIENTS_MAX + 1}, "--clients: 2001 is not in 1 to 2,000"),
        ({"clients": 500, "projects": PROJECTS_MAX + 1}, "--projects: 201 is not in 1 to 200"),
        ({"clients": 3, "projects": 4}, "--projects: 4 projects need as many clients, and there are 3"),
        ({"rate": 0}, "--rate: must be more than 0 and at most 2,000 publications per second"),
        ({"rate": RATE_MAX + 0.1}, "--rate: must be more than 0 and at most 2,000 publications per second"),
        ({"rate": float("nan")}, "--rate: must be more than 0 and at most 2,000 publications per second"),
        ({"duration_s": 0}, "--duration: must be more than 0 and at most 86,400 seconds"),
        ({"duration_s": DURATION_MAX_S + 1, "rate": 1}, "--duration: must be more than 0 and at most 86,400 seconds"),
        ({"settle_s": SETTLE_MAX_S + 1}, "--settle: must be more than 0 and at most 600 seconds"),
        ({"tokens": ["t"] * (TOKENS_MAX + 1)}, "--token: 101 is not in 0 to 100"),
        ({"rate": 501, "duration_s": 1000}, "--rate times --duration is 501,000 publications, at most 500,000"),
        ({"project_prefix": "a b"}, "--project-prefix: 'a b4' is no project id"),
    ],
)
def test_beyond_it_the_option_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError) as error:
        plan(**options)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    "url", ["", "gateway.example", "ws://", "ws:///ws", "ftp://host", "ws://host:port", "ws://h:0"]
)
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(PlanError, match=r"URL: .* does not begin with ws:// or wss://HOST"):
        plan(urls=[url])
    with pytest.raises(PlanError, match="--publish-url: "):
        plan(publish_urls=[url])


def test_subscribers_need_a_socket_and_publishers_may_use_http() -> None:
    with pytest.raises(PlanError, match=r"URL: 'http://gateway\.example'"):
        plan(urls=["http://gateway.example"])
    plan(publish_urls=["http://gateway.example", "wss://gateway.example/ws"])  # raises nothing
    assert [is_http(url) for url in ("http://h", "https://h", "ws://h", "wss://h")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("url", "query", "expected"),
    [
        ("ws://h", "", "ws://h/ws"),
        ("wss://h:8443/", "a=1", "wss://h:8443/ws?a=1"),
        ("ws://h/gateway/ws", "a=1", "ws://h/gateway/ws?a=1"),
        ("ws://h/ws?tenant=x", "a=1", "ws://h/ws?tenant=x&a=1"),
    ],
)
def test_a_socket_is_at_ws_unless_the_url_says_where(url: str, query: str, expected: str) -> None:
    assert socket_url(url, query) == expected


def test_messages_go_below_the_url_of_the_api() -> None:
    assert messages_url("https://h/base/", "p") == "https://h/base/api/v1/projects/p/messages"


def test_projects_have_the_prefix_and_runs_have_names_of_their_own() -> None:
    assert plan(projects=2, project_prefix="team-").project_ids == ["team-1", "team-2"]
    assert plan().run_id != plan().run_id
