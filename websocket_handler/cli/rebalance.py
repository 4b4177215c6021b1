"""`websocket-handler rebalance URL`: nodes that have more clients than their share move the surplus."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import click

from websocket_handler.cli import EXIT_FAILED, EXIT_NOT_ALLOWED, EXIT_UNREACHABLE, EXIT_USAGE
from websocket_handler.cli.grammar import WHOLE, Command

TIMEOUT_S = 30.0
DENIED = frozenset({401, 403})


@click.command(
    cls=Command,
    help="Let each node that has more clients than its share tell the surplus to reconnect. The load balancer sends "
    "them to whichever node has room.",
    examples=(
        "websocket-handler rebalance http://127.0.0.1:8080",
        'websocket-handler rebalance https://gateway.example --seconds 300 --token "$TOKEN"',
    ),
    epilog="URL is http:// or https://, of any node or of the load balancer. Exit codes: 0 all nodes will do so; 1 the "
    "gateway refused; 2 wrong arguments; 4 no gateway answered; 5 the token does not allow this.",
)
@click.argument("url", metavar="URL")
@click.option(
    "--seconds", type=WHOLE, default=60, metavar="N", help="over how long that is spread (default 60, at most 3600)"
)
@click.option("--token", metavar="TOKEN", help="with the right admin")
def command(url: str, seconds: int, token: str | None) -> int:
    """Ask one node to tell all of them."""
    if urlsplit(url).scheme not in ("http", "https"):
        sys.stderr.write("websocket-handler rebalance: the URL begins with http:// or https://\n")
        return EXIT_USAGE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    base = url.rstrip("/")
    try:
        nodes = _asked("GET", f"{base}/api/v1/connections?limit=1", headers).get("nodes", [])
        _asked("POST", f"{base}/api/v1/rebalance?seconds={seconds}", headers)
    except HTTPError as refused:
        sys.stderr.write(f"the gateway refused: {refused.code} {_reason(refused)}\n")
        return EXIT_NOT_ALLOWED if refused.code in DENIED else EXIT_FAILED
    except (URLError, OSError, ValueError) as fault:
        sys.stderr.write(f"the gateway does not answer: {fault}\n")
        return EXIT_UNREACHABLE
    sys.stdout.write(_told(nodes, seconds))
    return 0


def _told(nodes: Sequence[Mapping[str, Any]], seconds: int) -> str:
    if len(nodes) < 2:
        return "There is one node only: nobody has to move.\n"
    listed = "".join(
        f"  {node['connections']:>7} connections on {node['node_id']}{', which drains' if node['draining'] else ''}\n"
        for node in nodes
    )
    return f"{listed}Within {seconds} s the surplus moves.\n"


def _asked(method: str, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    opener = build_opener(ProxyHandler({}))
    request = Request(url, method=method, headers=dict(headers), data=b"" if method == "POST" else None)  # noqa: S310
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def _reason(refused: HTTPError) -> str:
    try:
        return str(json.loads(refused.read())["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return refused.reason
