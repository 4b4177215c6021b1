"""Calls of AWS that note how each queue and table does, and name it in errors that only an operator can end."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from websocket_handler.adapters.aws.begun_call import AwsBegin, BegunCall, nothing_begins
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.sdk import AwsCall
from websocket_handler.telemetry.resources import Resource, Resources


class WatchedCalls:
    """An `AwsCall` and an `AwsBegin` around others. `settings` has the queues' URLs and the table's name, by the
    variable that names them."""

    def __init__(
        self, call: AwsCall, settings: Mapping[str, str], resources: Resources, begin: AwsBegin = nothing_begins
    ) -> None:
        self._call = call
        self._begin = begin
        self._resources = resources
        by_name: dict[str, list[str]] = {}
        for setting, name in settings.items():
            by_name.setdefault(name, []).append(setting)
        self._named = {name: Resource(",".join(variables), name) for name, variables in by_name.items()}

    def begin(
        self,
        service: str,
        operation: str,
        timeout_s: float,
        parameters: Mapping[str, Any],
        ended: Callable[[BegunCall], None],
    ) -> BegunCall | None:
        """See `AwsBegin`. What becomes of a call without a result, `call` notes."""
        resource = self._named.get(_name_in(parameters))
        if resource is None:
            return self._begin(service, operation, timeout_s, parameters, ended)
        noted = partial(self._note, resource, operation, ended)
        return self._begin(service, operation, timeout_s, parameters, noted)

    def _note(self, resource: Resource, operation: str, ended: Callable[[BegunCall], None], begun: BegunCall) -> None:
        if begun.result is not None:
            self._resources.worked(resource, operation)
        ended(begun)

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        """See `AwsCall`."""
        resource = self._named.get(_name_in(parameters))
        if resource is None:
            return await self._call(service, operation, timeout_s, **parameters)
        try:
            answer = await self._call(service, operation, timeout_s, **parameters)
        except AwsError as error:
            if not error.fault.is_operators:
                raise
            self._resources.failed(resource, operation, error.code, error.message)
            raise error.about(resource.subject) from error
        self._resources.worked(resource, operation)
        return answer


def _name_in(parameters: Mapping[str, Any]) -> str:
    """The queue or table that a call is about; empty if there is none."""
    if batch := parameters.get("RequestItems"):
        return str(next(iter(batch)))
    return str(parameters.get("QueueUrl") or parameters.get("TableName") or "")
