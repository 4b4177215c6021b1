"""Routes of the queues: how full they are, and the way back for dead letters."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from websocket_handler.api.access import note_action
from websocket_handler.api.gateway import Gateway, head_of_json, json_response
from websocket_handler.ports.queues import QueueState


class QueueRoutes:
    """Everything under `/api/v1/queues`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """GET queues: how many messages each queue has."""
        if request.method == "HEAD":
            return head_of_json()
        states = await self._gateway.queue_watch.states()
        listed = [{"queue": name, **_shown(state)} for name, state in states.items()]
        return json_response(msgspec.json.encode({"queues": listed}))

    async def redrive(self, request: Request) -> Response:
        """POST redrive: begin to move the dead letters of a queue back to where they came from."""
        name = request.path_params["queue"]
        messages = await self._gateway.queue_watch.return_dead_letters(name)
        note_action(self._gateway, request, "redrive", queue=name, messages=messages)
        return json_response(msgspec.json.encode({"type": "redrive_begun", "queue": name, "messages": messages}), 202)


def _shown(state: QueueState | str) -> dict[str, object]:
    if isinstance(state, str):
        return {"fault": state}
    shown: dict[str, object] = {"waiting": state.waiting, "in_flight": state.in_flight, "delayed": state.delayed}
    if state.dead_letters is not None:
        shown["dead_letters"] = state.dead_letters
    if state.fault:
        shown["fault"] = state.fault
    return shown
