"""Faults on demand, for tests: a WSGI layer in front of the emulator that fails or delays some requests.

It knows services, operations and HTTP; it does not know what an operation does.
"""

from __future__ import annotations

import io
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SERVICES = ("sqs", "dynamodb")
MODES = ("error", "throttle", "stall", "partial")
STALL_S_MAX = 300.0
THROTTLED = {"sqs": "ThrottlingException", "dynamodb": "ProvisionedThroughputExceededException"}
ERROR_TYPE_PREFIX = {"sqs": "com.amazonaws.sqs#", "dynamodb": "com.amazonaws.dynamodb.v20120810#"}
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}


@dataclass
class Fault:
    """One rule. `requests_left` counts the requests that it may still hit; None means no end."""

    service: str
    operation: str | None
    mode: str
    probability: float
    requests_left: int | None
    stall_s: float
    chance: random.Random

    @classmethod
    def from_json(cls, value: Any) -> Fault:
        """Reads the body of `POST /_emulator/faults`. Raises ValueError with the reason."""
        if not isinstance(value, dict):
            raise ValueError("the body must be a JSON object")
        fault = cls(
            service=value.get("service", ""),
            operation=value.get("operation"),
            mode=value.get("mode", ""),
            probability=float(value.get("probability", 1.0)),
            requests_left=value.get("for_requests"),
            stall_s=float(value.get("stall_s", 1.0)),
            chance=random.Random(value.get("seed", 0)),
        )
        fault._check()
        return fault

    def _check(self) -> None:
        if self.service not in SERVICES:
            raise ValueError(f"service must be one of {', '.join(SERVICES)}")
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")
        if self.mode == "partial":
            if self.service != "sqs" or self.operation not in (None, "SendMessageBatch"):
                raise ValueError("partial exists for SendMessageBatch of sqs only")
            self.operation = "SendMessageBatch"
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError("probability must be between 0 and 1")
        if not 0.0 <= self.stall_s <= STALL_S_MAX:
            raise ValueError(f"stall_s must be between 0 and {STALL_S_MAX:.0f}")
        if self.requests_left is not None and (type(self.requests_left) is not int or self.requests_left < 1):
            raise ValueError("for_requests must be null or a positive integer")


@dataclass(frozen=True)
class Hit:
    """What happens to one request. The rule seeds `chance`, so that a run can be repeated."""

    mode: str
    stall_s: float
    released: threading.Event
    chance: random.Random


class FaultSwitch:
    """The rules in force, in the order in which they were added. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._released = threading.Event()

    def add(self, fault: Fault) -> int:
        """Adds a rule and returns how many are in force."""
        with self._lock:
            self._faults.append(fault)
            return len(self._faults)

    def clear(self) -> None:
        """Removes all rules, and lets stalled requests go on at once."""
        with self._lock:
            self._faults.clear()
            self._released.set()
            self._released = threading.Event()

    def draw(self, service: str, operation: str) -> Hit | None:
        """What happens to one request, by the first rule that matches and that chance lets strike; None: nothing."""
        with self._lock:
            for fault in self._faults:
                if fault.service != service or fault.operation not in (None, operation):
                    continue
                if fault.chance.random() >= fault.probability:
                    continue
                if fault.requests_left is not None:
                    fault.requests_left -= 1
                    if fault.requests_left == 0:
                        self._faults.remove(fault)
                chance = random.Random(fault.chance.getrandbits(32))
                return Hit(fault.mode, fault.stall_s, self._released, chance)
        return None


class FaultLayer:
    """WSGI application: it answers `/_emulator/…` itself, and gives all else to the application of the service."""

    def __init__(self, services: dict[str, WSGIApplication], delete_resources: Callable[[], object]) -> None:
        self._services = services
        self._delete_resources = delete_resources
        self._switch = FaultSwitch()
        self._requests: dict[str, Counter[str]] = {service: Counter() for service in SERVICES}
        self._under_way: dict[str, Counter[str]] = {service: Counter() for service in SERVICES}
        self._counts_lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_emulator/"):
            return self._control(environ, start_response)
        target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        service = "sqs" if target == "AmazonSQS" else "dynamodb" if target.startswith("DynamoDB_") else ""
        if not service or not operation:
            text = "This emulator speaks only the JSON protocols of SQS and DynamoDB."
            return _answer(start_response, 400, {"__type": "UnknownOperationException", "message": text})
        with self._counts_lock:
            self._requests[service][operation] += 1
            self._under_way[service][operation] += 1
        try:
            return self._serve(service, operation, environ, start_response)
        finally:
            with self._counts_lock:
                self._under_way[service][operation] -= 1

    def _serve(
        self, service: str, operation: str, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        application = self._services[service]
        match self._switch.draw(service, operation):
            case Hit(mode="error"):
                return _answer_error(start_response, 500, service, "InternalFailure")
            case Hit(mode="throttle"):
                return _answer_error(start_response, 400, service, THROTTLED[service])
            case Hit(mode="partial") as hit:
                return _answer_partly(application, environ, start_response, hit.chance)
            case Hit(mode="stall") as hit:
                hit.released.wait(hit.stall_s)
            case _:
                pass
        return application(environ, start_response)

    def _control(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/_emulator/requests":
                with self._counts_lock:
                    counts = {"arrived": self._requests, "under_way": self._under_way}
                    return _answer(start_response, 200, counts)
            case "POST", "/_emulator/faults":
                try:
                    fault = Fault.from_json(json.loads(_read_body(environ)))
                except (ValueError, TypeError) as error:
                    return _answer(start_response, 400, {"message": str(error)})
                return _answer(start_response, 200, {"faults": self._switch.add(fault)})
            case "DELETE", "/_emulator/faults":
                self._switch.clear()
                return _answer(start_response, 204, None)
            case "DELETE", "/_emulator/resources":
                self._delete_resources()
                return _answer(start_response, 204, None)
            case _:
                return _answer(start_response, 404, {"message": "no such path under /_emulator/"})


def _read_body(environ: WSGIEnvironment) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


def _answer(start_response: StartResponse, status: int, value: Any) -> Iterable[bytes]:
    body = b"" if value is None else json.dumps(value).encode()
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {REASONS[status]}", headers)
    return [body]


def _answer_error(start_response: StartResponse, status: int, service: str, code: str) -> Iterable[bytes]:
    error = {
        "__type": ERROR_TYPE_PREFIX[service] + code,
        "message": f"{code}: a fault that a test asked for.",
    }
    return _answer(start_response, status, error)


def _answer_partly(
    application: WSGIApplication,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    chance: random.Random,
) -> Iterable[bytes]:
    """Passes some entries of a batch on, and reports the others, at least one, as failed by the service."""
    request = json.loads(_read_body(environ))
    entries = request.get("Entries") or [{"Id": "none"}]
    failed = [entry for entry in entries if chance.random() < 0.5] or [chance.choice(entries)]
    kept = [entry for entry in entries if entry not in failed]
    response: dict[str, Any] = {"Successful": [], "Failed": []}
    status = "200 OK"
    if kept:
        status, response = _call(application, environ, {**request, "Entries": kept})
    if status.startswith("200"):
        response.setdefault("Failed", []).extend(
            {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError", "Message": "Please try again."}
            for entry in failed
        )
    return _answer(start_response, int(status[:3]), response)


def _call(application: WSGIApplication, environ: WSGIEnvironment, request: Any) -> tuple[str, dict[str, Any]]:
    """Calls a WSGI application with another JSON body and returns the status line and the JSON answer."""
    body = json.dumps(request).encode()
    statuses: list[str] = []

    def start_response(status: str, *_: Any) -> Callable[[bytes], object]:
        statuses.append(status)
        return len

    inner = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    answer = b"".join(application(inner, start_response))
    return statuses[0], json.loads(answer)
