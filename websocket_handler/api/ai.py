"""The AI SDK's UI message stream over HTTP, for `useChat` with its `DefaultChatTransport`, unmodified.

A chat is a project. What answers a message of the user is a run, and the run's id comes from that message's, so the
same request again means the same run. `resume` of `useChat` finds the run that is under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.access.rights import check
from websocket_handler.api.access import visitor_of
from websocket_handler.api.ai_input import ChatRequest, read_chat
from websocket_handler.api.gateway import Gateway, bodiless, parameter, read_body
from websocket_handler.api.projects import project_id_of
from websocket_handler.api.run_start import Starts
from websocket_handler.api.run_streams import Counts, RunStreams
from websocket_handler.api.run_view import Form, View
from websocket_handler.api.streams import EVENT_STREAM, STREAM_HEADERS, resumed_at
from websocket_handler.logs.feed import Feed
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.ui_message import UiMessageStream, message_of
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import FORWARD, SUBSCRIBE
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent, agent_named, is_project_id

HEADERS: Final = {**STREAM_HEADERS, "x-vercel-ai-ui-message-stream": "v1"}


class AiRoutes:
    """Everything under `/ai`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._starts = Starts(gateway)
        self._streams = RunStreams(gateway, Counts(self._requests, self._cut), HEADERS)

    def _requests(self) -> Counter[str]:
        return self._gateway.counters.ai_requests

    def _cut(self) -> None:
        self._gateway.counters.ai_cuts += 1

    async def send(self, request: Request) -> Response:
        """Hand what the user says to an agent, and follow its run to the end. If the run has begun already, join it.
        The project is that of the path, or the chat's id."""
        asked = read_chat(await read_body(request, self._gateway))
        project_id = request.path_params.get("project_id", asked.chat_id)
        if project_id is None:
            raise CommandError(ErrorCode.MISSING_FIELD, "id is missing: it is the project")
        if not is_project_id(project_id):
            raise invalid_project_id()
        agent, visitor = _agent(request, asked.agent), visitor_of(request)
        for right in (FORWARD[agent], SUBSCRIBE):
            check(visitor.identity, right, project_id)
        since, run_id = _last_event(request)
        view = View(project_id, _form(is_whole=False), run_id or next(asked.repetitions()))

        async def begin(feed: Feed) -> Sequence[bytes]:
            await view.catch_up(feed, since)
            if since is not None:  # who has got an event of the run has started it, long ago perhaps
                return self._streams.joined(view)
            return await self._begun(agent, project_id, asked, view, feed, visitor.identity.user_id)

        return await self._streams.follow(request, project_id, view, begin)

    async def _begun(
        self, agent: Agent, project_id: str, asked: ChatRequest, view: View, feed: Feed, sender: str
    ) -> Sequence[bytes]:
        """Start the run, unless the log says that it has begun."""
        run_id = next(each for each in asked.repetitions() if not (asked.is_again and view.has_ended(each)))
        if run_id in view.open_runs or view.has_ended(run_id):
            return self._streams.joined(view, run_id)
        run = asked.run_input(project_id, run_id)
        held = view.message_ids | {message_of(writer) for writer in view.writers}
        messages = asked.new_messages(run, held, view.answered_calls)
        await self._starts.start(sender, agent, run, messages, feed.position)
        return self._streams.started(view, run_id)

    async def resume(self, request: Request) -> Response:
        """Follow the run that is under way, from its beginning; or, for a client that was cut, go on with its run. 204
        if there is none: that is what the AI SDK expects."""
        project_id = project_id_of(request)
        if request.method == "HEAD":
            return bodiless(HEADERS, EVENT_STREAM)
        since, run_id = _last_event(request)
        view = View(project_id, _form(is_whole=True), run_id)

        async def begin(feed: Feed) -> Sequence[bytes] | Response:
            await view.catch_up(feed, since)
            if run_id is None and not view.open_runs:
                return Response(status_code=204, headers={"Cache-Control": "no-store"})
            return self._streams.joined(view, run_id or view.open_runs[-1])

        return await self._streams.follow(request, project_id, view, begin)

    async def stop(self, request: Request) -> Response:
        """Ask the agent to stop the run that the body names, or all that are under way. The agent ends them. What the
        page calls `stop()` only leaves."""
        return await self._streams.stop(request, _agent(request, None), project_id_of(request))


def _form(*, is_whole: bool) -> Form:
    def form(fold: Fold, run_id: str, look: Callable[[], Fold | None]) -> UiMessageStream:
        return UiMessageStream(fold, run_id, look, is_whole=is_whole)

    return form


def _agent(request: Request, named: str | None) -> Agent:
    """The agent that `?agent=` names, or else the body. Raises CommandError: `missing_field`, or `invalid_field` if one
    of the two names is no agent."""
    names = [name for name in (parameter(request, "agent"), named) if name is not None]
    if not names:
        raise CommandError(ErrorCode.MISSING_FIELD, "agent is missing: pm, dev, qa or ops")
    agents = [agent for name in names if (agent := agent_named(name)) is not None]
    if len(agents) < len(names):
        raise CommandError(ErrorCode.INVALID_FIELD, "agent must be pm, dev, qa or ops")
    return agents[0]


def _last_event(request: Request) -> tuple[Position | None, str | None]:
    """Where a client that was cut stands, and in which run; None and None for one that has got no event yet."""
    last_id = ", ".join(request.headers.getlist("last-event-id"))
    if not last_id:
        return None, None
    position, _, run = last_id.partition("/")
    return resumed_at(position), unquote(run, errors="replace") or None
