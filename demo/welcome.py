"""What the demo tells the person who started it: addresses, what to try, the environment for an agent of their own."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from demo.parts import Part

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
PRINTED = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OVERRULES_THEM = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""What in somebody's shell would lead an SDK past these credentials."""

TEXT = """
The demo runs (started in {seconds:.1f} s). Ctrl-C stops it.

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
For an agent of your own, paste this into its shell. It leads to the emulator and not to AWS.
SDKs since July 2023 read AWS_ENDPOINT_URL; AWS CLI 1 does not for SQS: give it --endpoint-url "$AWS_ENDPOINT_URL".

{exports}

A demo agent takes the tasks of its queue. To let yours work as dev, leave that one out: \
make {target} ARGS="--without dev"
"""
KILL = "try it: kill -9 {pid}; it comes back, and nothing is lost"


def welcome(
    seconds: float,
    address: str,
    parts: Iterable[Part],
    environment: Mapping[str, str],
    more: str = "",
    target: str = "run",
) -> str:
    """The text. `address` is host and port of the gateway, `environment` what a part of the demo gets, `more` what else
    to try, and `target` the target of make that started it."""
    processes = "\n".join(f"  {part.name:<10} pid {part.pid}{_remark(part)}" for part in parts)
    return TEXT.format(
        seconds=seconds,
        address=address,
        processes=processes,
        exports=exports(environment),
        more=f"\n{more}\n" if more else "",
        target=target,
    )


def _remark(part: Part) -> str:
    return f"   {KILL.format(pid=part.pid)}" if part.name.startswith(("gateway", "node", "valkey")) else ""


def exports(environment: Mapping[str, str]) -> str:
    """Shell commands that give another shell the emulator, the queues and the table of `environment`."""
    names = [*PRINTED, *(name for name in environment if name.startswith("SQS_QUEUE_URL_")), "DYNAMODB_TABLE_NAME"]
    if any(environment.get(name) or environment.get(name.upper()) for name in PROXIES):
        names += ["NO_PROXY", "no_proxy"]
    lines = [f"export {name}={shlex.quote(environment[name])}" for name in names]
    return "\n".join([f"unset {' '.join(OVERRULES_THEM)}", *lines])
