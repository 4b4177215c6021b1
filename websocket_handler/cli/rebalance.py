"""`websocket-handler rebalance [URL]`: nodes that have more clients than their share move the surplus."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from websocket_handler.cli.client.asking import call_api, run_client
from websocket_handler.cli.grammar import WHOLE, Command
from websocket_handler.cli.target import Target, find_target, target_options
from websocket_handler.cli.verify.links import dialing


@click.command(
    cls=Command,
    help="Let each node that has more clients than its share tell the surplus to reconnect. The load balancer sends "
    "them to whichever node has room. Needs the right admin.",
    examples=(
        "websocket-handler rebalance http://127.0.0.1:8080",
        "websocket-handler rebalance --profile prod --seconds 300 --json",
    ),
    epilog="URL is that of any node or of the load balancer; it is the same as --url. Exit codes: 0 all nodes will do "
    "so; 1 the gateway refused; 2 wrong arguments; 4 no gateway answered; 5 the token does not allow this.",
)
@click.argument("address", metavar="[URL]", required=False)
@click.option(
    "--seconds", type=WHOLE, default=60, metavar="N", help="over how long that is spread (default 60, at most 3600)"
)
@click.option("--json", "is_json", is_flag=True, help="print an object with seconds and the nodes")
@target_options
def command(address: str | None, seconds: int, is_json: bool, **where: Any) -> int:
    """Ask one node to tell all of them."""
    if address is not None and where["url"] is not None:
        raise click.UsageError("URL and --url both say which gateway")
    target = find_target(**{**where, "url": address or where["url"]})
    return run_client(_rebalance(target, seconds, is_json), "rebalance")


async def _rebalance(target: Target, seconds: int, is_json: bool) -> int:
    async with dialing() as dial:
        nodes = (await call_api(dial, target, "GET", "/api/v1/connections?limit=1")).get("nodes", [])
        await call_api(dial, target, "POST", f"/api/v1/rebalance?seconds={seconds}")
    row = {"seconds": seconds, "nodes": nodes}
    sys.stdout.write(f"{msgspec.json.encode(row).decode()}\n" if is_json else _told(nodes, seconds))
    return 0


def _told(nodes: Sequence[Mapping[str, Any]], seconds: int) -> str:
    if len(nodes) < 2:
        return "There is one node only: nobody has to move.\n"
    listed = "".join(
        f"  {node['connections']:>7} connections on {node['node_id']}{', which drains' if node['draining'] else ''}\n"
        for node in nodes
    )
    return f"{listed}Within {seconds} s the surplus moves.\n"
