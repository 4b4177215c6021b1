"""AG-UI over HTTP, for its unmodified clients: `HttpAgent` of `@ag-ui/client`, and CopilotKit.

A thread is a project, and a run's id is the message id of its task, so a request that is sent again means the same run.
The stream of a run is a reader of the project's log like any other. It ends when the run ends, and never cleanly
before: where it cannot go on, the connection is cut, so that its client does not take what it has for the whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.access.rights import check
from websocket_handler.api.access import visitor_of
from websocket_handler.api.agui_input import read_run_input, read_stopped_run
from websocket_handler.api.agui_start import Starts, key_of
from websocket_handler.api.agui_view import View
from websocket_handler.api.cut import cut_of
from websocket_handler.api.gateway import Gateway, Waiter, json_response, read_body
from websocket_handler.api.half_close import HalfClose
from websocket_handler.api.projects import project_id_of
from websocket_handler.api.streams import HEARTBEAT, PAGE, followed, resumed_at, stream_of
from websocket_handler.logs.feed import Feed
from websocket_handler.logs.runs.vocabulary import Generation
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import FORWARD, SUBSCRIBE
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.publication import read_object

DESCRIPTIONS: Final[Mapping[Agent, str]] = {
    Agent.PM: "Plans the project",
    Agent.DEV: "Writes the code",
    Agent.QA: "Tests it",
    Agent.OPS: "Deploys and operates it",
}
STOP: Final = "wsh.stop"
"""The `name` of the CUSTOM event that asks the agent of a run to stop."""


class AgUiRoutes:
    """Everything under `/agui`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._starts = Starts(gateway)

    async def info(self, _request: Request) -> Response:
        """Answer which agents there are, as CopilotKit asks it."""
        agents = {
            agent.value: {
                "name": agent.value,
                "description": description,
                "capabilities": {"transport": {"streaming": True, "resumable": True}},
            }
            for agent, description in DESCRIPTIONS.items()
        }
        return json_response(msgspec.json.encode({"version": "1.0.0", "mode": "sse", "agents": agents}))

    async def run(self, request: Request) -> Response:
        """Hand a task to an agent, and follow its run to the end. If the run has begun already, join it."""
        agent, visitor = _agent_of(request), visitor_of(request)
        asked = read_run_input(await read_body(request, self._gateway))
        for right in (FORWARD[agent], SUBSCRIBE):
            check(visitor.identity, right, asked.project_id)
        since = _since(request)
        view = View(asked.project_id, asked.generation, asked.run_id)

        async def begin(feed: Feed) -> Sequence[bytes]:
            await view.catch_up(feed, since)
            if view.knows_run or since is not None:  # who has got an event of the run has started it, long ago perhaps
                return self._join(view)
            messages = asked.new_messages(view.message_ids)
            await self._starts.start(visitor.identity.user_id, agent, asked, messages, feed.position)
            self._gateway.counters.agui_requests["started"] += 1
            return view.begin()

        return await self._stream(request, asked.project_id, view, begin)

    async def connect(self, request: Request) -> Response:
        """Follow the run that is under way in a thread, to its end. If there is none, show what the thread has become,
        and end."""
        _agent_of(request)
        asked = read_run_input(await read_body(request, self._gateway))
        check(visitor_of(request).identity, SUBSCRIBE, asked.project_id)
        since = _since(request)
        view = View(asked.project_id, asked.generation)

        async def begin(feed: Feed) -> Sequence[bytes]:
            await view.catch_up(feed, since)
            return self._join(view)

        return await self._stream(request, asked.project_id, view, begin)

    async def stop(self, request: Request) -> Response:
        """Ask the agent to stop the run that the body names, or all that are under way in a thread. The agent ends
        them."""
        agent, project_id = _agent_of(request), project_id_of(request)
        for right in (FORWARD[agent], SUBSCRIBE):
            check(visitor_of(request).identity, right, project_id)
        named = read_stopped_run(await read_body(request, self._gateway))
        view = View(project_id, Generation.V1)
        with self._gateway.node.feed(project_id, limits=PAGE) as feed:
            await view.catch_up(feed, None)
        run_ids = [run_id for run_id in view.open_runs if named in (None, run_id)]
        self._gateway.counters.agui_requests["stopped"] += 1
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

    def _join(self, view: View) -> Sequence[bytes]:
        self._gateway.counters.agui_requests["resumed" if view.is_resumed else "joined"] += 1
        return view.join()

    async def _stream(
        self,
        request: Request,
        project_id: str,
        view: View,
        begin: Callable[[Feed], Coroutine[Any, Any, Sequence[bytes]]],
    ) -> Response:
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
            self._gateway.counters.agui_cuts += 1
            cut()

        return await stream_of(request, self._gateway, project_id, begin, frames)


def _agent_of(request: Request) -> Agent:
    """The agent that the path names. Raises CommandError with `not_found`."""
    try:
        return Agent(request.path_params["agent"])
    except ValueError:
        raise CommandError(ErrorCode.NOT_FOUND, "there is no such agent: pm, dev, qa or ops") from None


def _since(request: Request) -> Position | None:
    """The position of a client that resumes; None for one that has got no event yet."""
    last_id = ", ".join(request.headers.getlist("last-event-id"))
    return resumed_at(last_id) if last_id else None
