"""What the streams of runs have in common, whatever their form: how one is followed to its end, and how it is stopped.

The stream of a run is a reader of the project's log like any other. It ends when the run ends, and never cleanly
before: where it cannot go on, the connection is cut, so that its client does not take what it has for the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.access.rights import check
from websocket_handler.api.access import visitor_of
from websocket_handler.api.agui_input import read_stopped_run
from websocket_handler.api.agui_stream import agui_form
from websocket_handler.api.cut import cut_of
from websocket_handler.api.gateway import Gateway, Waiter, json_response, read_body
from websocket_handler.api.half_close import HalfClose
from websocket_handler.api.run_start import key_of
from websocket_handler.api.run_view import View
from websocket_handler.api.streams import HEARTBEAT, PAGE, STREAM_HEADERS, followed, stream_of
from websocket_handler.logs.feed import Feed
from websocket_handler.logs.runs.vocabulary import STOP, Generation
from websocket_handler.protocol.identity import FORWARD, SUBSCRIBE
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.publication import read_object


@dataclass(frozen=True, slots=True)
class Counts:
    """Where the requests of one form are counted."""

    requests: Callable[[], Counter[str]]
    cut: Callable[[], None]


class RunStreams:
    """The streams of runs in one form."""

    def __init__(self, gateway: Gateway, counts: Counts, headers: Mapping[str, str] = STREAM_HEADERS) -> None:
        self._gateway = gateway
        self._counts = counts
        self._headers = headers

    def joined(self, view: View, run_id: str | None = None) -> Sequence[bytes]:
        """The first frames of a client that does not start its run."""
        self._counts.requests()["resumed" if view.is_resumed else "joined"] += 1
        return view.join(run_id)

    def started(self, view: View, run_id: str | None = None) -> Sequence[bytes]:
        """The first frames of a client that has just started its run."""
        self._counts.requests()["started"] += 1
        return view.begin(run_id)

    async def follow(
        self,
        request: Request,
        project_id: str,
        view: View,
        begin: Callable[[Feed], Coroutine[Any, Any, Sequence[bytes] | Response]],
    ) -> Response:
        """Answer with the stream of a run. `begin` gives its first frames, or another answer."""
        visitor, cut = visitor_of(request), cut_of(request)

        async def frames(feed: Feed, beginning: Sequence[bytes], half_close: HalfClose) -> AsyncIterator[bytes]:
            yield b"".join(beginning) or HEARTBEAT
            if view.is_over:
                return
            async for page in followed(feed, visitor, self._gateway, half_close):
                if page is not None and not page.recovered:
                    break  # what the client has is void
                text = HEARTBEAT if page is None else b"".join(view.frames(page.epoch, page.entries))
                if text:
                    yield text
                if view.is_over:
                    return
            self._counts.cut()
            cut()

        return await stream_of(request, self._gateway, project_id, begin, frames, headers=self._headers)

    async def stop(self, request: Request, agent: Agent, project_id: str) -> Response:
        """Ask the agent to stop the run that the body names, or all that are under way in a project. The agent ends
        them."""
        for right in (FORWARD[agent], SUBSCRIBE):
            check(visitor_of(request).identity, right, project_id)
        named = read_stopped_run(await read_body(request, self._gateway))
        view = View(project_id, agui_form(Generation.V1))
        with self._gateway.node.feed(project_id, limits=PAGE) as feed:
            await view.catch_up(feed, None)
        run_ids = [run_id for run_id in view.open_runs if named in (None, run_id)]
        self._counts.requests()["stopped"] += 1
        for waiter in [self._ask_to_stop(request, agent, project_id, run_id) for run_id in run_ids]:
            await waiter.result(Position)
        return json_response(msgspec.json.encode({"stopped": bool(run_ids), "runIds": run_ids}))

    def _ask_to_stop(self, request: Request, agent: Agent, project_id: str, run_id: str) -> Waiter:
        by = visitor_of(request).identity.user_id
        event = {
            "type": "CUSTOM",
            "name": STOP,
            "value": {"by": by},
            "runId": run_id,
            "agent": agent,
            "task_id": run_id,
        }
        node, waiter = self._gateway.node, Waiter()
        message = read_object(msgspec.json.encode(event))
        node.publish(node.prepare(message, project_id, key_of(agent.value, run_id, "stop")), waiter.done)
        return waiter
