"""AG-UI over HTTP, for its unmodified clients: `HttpAgent` of `@ag-ui/client`, and CopilotKit.

A thread is a project, and a run's id is the message id of its task, so a request that is sent again means the same run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.access.rights import check
from websocket_handler.api.access import visitor_of
from websocket_handler.api.agui_input import read_run_input
from websocket_handler.api.agui_stream import agui_form
from websocket_handler.api.gateway import Gateway, json_response, read_body
from websocket_handler.api.projects import project_id_of
from websocket_handler.api.run_start import Starts
from websocket_handler.api.run_streams import Counts, RunStreams
from websocket_handler.api.run_view import View
from websocket_handler.api.streams import resumed_at
from websocket_handler.logs.feed import Feed
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import FORWARD, SUBSCRIBE
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent

DESCRIPTIONS: Final[Mapping[Agent, str]] = {
    Agent.PM: "Plans the project",
    Agent.DEV: "Writes the code",
    Agent.QA: "Tests it",
    Agent.OPS: "Deploys and operates it",
}


class AgUiRoutes:
    """Everything under `/agui`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._starts = Starts(gateway)
        self._streams = RunStreams(gateway, Counts(self._requests, self._cut))

    def _requests(self) -> Counter[str]:
        return self._gateway.counters.agui_requests

    def _cut(self) -> None:
        self._gateway.counters.agui_cuts += 1

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
        view = View(asked.project_id, agui_form(asked.generation), asked.run_id)

        async def begin(feed: Feed) -> Sequence[bytes]:
            await view.catch_up(feed, since)
            if view.knows_run or since is not None:  # who has got an event of the run has started it, long ago perhaps
                return self._streams.joined(view)
            messages = asked.new_messages(view.message_ids)
            await self._starts.start(visitor.identity.user_id, agent, asked, messages, feed.position)
            return self._streams.started(view)

        return await self._streams.follow(request, asked.project_id, view, begin)

    async def connect(self, request: Request) -> Response:
        """Follow the run that is under way in a thread, to its end. If there is none, show what the thread has become,
        and end."""
        _agent_of(request)
        asked = read_run_input(await read_body(request, self._gateway))
        check(visitor_of(request).identity, SUBSCRIBE, asked.project_id)
        since = _since(request)
        view = View(asked.project_id, agui_form(asked.generation))

        async def begin(feed: Feed) -> Sequence[bytes]:
            await view.catch_up(feed, since)
            return self._streams.joined(view)

        return await self._streams.follow(request, asked.project_id, view, begin)

    async def stop(self, request: Request) -> Response:
        """Ask the agent to stop the run that the body names, or all that are under way in a thread. The agent ends
        them."""
        return await self._streams.stop(request, _agent_of(request), project_id_of(request))


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
