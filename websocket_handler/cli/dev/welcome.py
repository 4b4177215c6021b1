"""What a system on one machine tells the person who started it: addresses, what to try, how to add an agent."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from websocket_handler.cli.dev.parts import Part

PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
PRINTED: Final = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OVERRULES_THEM: Final = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""What in somebody's shell would lead an SDK past these credentials."""

TEXT: Final = """
{name} runs (started in {seconds:.1f} s). Ctrl-C stops it.

{processes}

Open        http://{address}/
WebSocket   ws://{address}/ws?project_id=proj_123

Try in a browser console (on the page above); one request goes through PM, Dev and QA:

  ws = new WebSocket("ws://{address}/ws?project_id=proj_123"); \
ws.onmessage = e => console.log(e.data); \
ws.onopen = () => ws.send(JSON.stringify({{action: "forward", type: "pm", project_id: "proj_123", \
data: {{text: "Build a login page"}}}}))

Or publish as an agent would:

  curl -X POST http://{address}/api/v1/projects/proj_123/messages \
-H 'content-type: application/json' -d '{{"type":"hello","text":"Hello from curl"}}'
{more}
For an agent of your own, paste this into its shell. It leads to {place} and not to AWS.
SDKs since July 2023 read AWS_ENDPOINT_URL; AWS CLI 1 does not for SQS: give it --endpoint-url "$AWS_ENDPOINT_URL".

{exports}

A demo agent takes the tasks of its queue. To let yours work as dev, leave that one out: \
{without_dev}
"""
KILL: Final = "try it: kill -9 {pid}; it comes back, and {cost}"


@dataclass(frozen=True, slots=True)
class Words:
    """What differs from one kind of system to another."""

    name: str
    """What it calls itself, at the beginning of a sentence."""
    place: str
    """Where its queues are."""
    without_dev: str
    """The command that starts it without the demo agent dev."""
    remark: str = "nothing is lost"
    """What a killed gateway costs."""


def welcome(
    words: Words, seconds: float, address: str, parts: Iterable[Part], environment: Mapping[str, str], more: str = ""
) -> str:
    """The text. `address` is host and port of the gateway, `environment` what a part of the system gets, and `more`
    what else to try or to know."""
    processes = "\n".join(f"  {part.name:<10} pid {part.pid}{_remark(part, words)}" for part in parts)
    return TEXT.format(
        name=words.name,
        place=words.place,
        without_dev=words.without_dev,
        seconds=seconds,
        address=address,
        processes=processes,
        exports=exports(environment),
        more=f"\n{more}\n" if more else "",
    )


def _remark(part: Part, words: Words) -> str:
    return (
        f"   {KILL.format(pid=part.pid, cost=words.remark)}"
        if part.name.startswith(("gateway", "node", "valkey"))
        else ""
    )


def exports(environment: Mapping[str, str]) -> str:
    """Shell commands that give another shell the way to the queues of `environment`, and to the table if it has one."""
    names = [*PRINTED, *(name for name in environment if name.startswith("SQS_QUEUE_URL_"))]
    if "DYNAMODB_TABLE_NAME" in environment:
        names.append("DYNAMODB_TABLE_NAME")
    if any(environment.get(name) or environment.get(name.upper()) for name in PROXIES):
        names += ["NO_PROXY", "no_proxy"]
    lines = [f"export {name}={shlex.quote(environment[name])}" for name in names]
    return "\n".join([f"unset {' '.join(OVERRULES_THEM)}", *lines])
