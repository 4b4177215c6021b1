"""An AWS account for tests: Moto, with the faults cured that stand between it and this project's template.

`python -m tests.infra.cloud --ready-file FILE` serves on a free port and writes the address to FILE. Every
request is recorded as `service:Operation`; `GET /_cloud/requests` tells them, `DELETE` forgets them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

THREADS: Final = 16

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Recorder:
    """Passes requests on, and remembers which operation of which service each was."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._seen: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_cloud/requests":
            return self._answer(environ["REQUEST_METHOD"], start_response)
        operation = _operation(environ)
        if operation:
            with self._lock:
                self._seen.append(operation)
        return self._application(environ, start_response)

    def _answer(self, method: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            body = json.dumps(self._seen).encode()
            if method == "DELETE":
                self._seen.clear()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def _operation(environ: dict[str, Any]) -> str:
    """`dynamodb:PutItem` for the JSON protocols and for the query protocol, empty for anything else."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        service, _, operation = target.rpartition(".")
        return f"{_SERVICES.get(service.partition('_')[0], service.lower())}:{operation}"
    if environ["REQUEST_METHOD"] != "POST":
        return ""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    import io  # noqa: PLC0415

    environ["wsgi.input"] = io.BytesIO(body)
    action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
    return f"{scope[3]}:{action}" if action and len(scope) > 3 else ""


_SERVICES: Final = {
    "AmazonSQS": "sqs",
    "DynamoDB": "dynamodb",
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonEC2ContainerRegistry": "ecr",
}


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ready-file", type=Path, required=True)
    options = parser.parse_args()
    os.environ["MOTO_ECS_SERVICE_RUNNING"] = "1"
    logging.disable(logging.INFO)

    import waitress  # noqa: PLC0415 - after the environment that Moto reads at its import
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415

    from tests.infra import cloud_cures  # noqa: PLC0415

    cloud_cures.apply()
    application = Recorder(DomainDispatcherApplication(create_backend_app))
    server = waitress.create_server(application, host="127.0.0.1", port=0, threads=THREADS)
    partial = options.ready_file.with_suffix(".partial")
    partial.write_text(f"http://127.0.0.1:{server.effective_port}", encoding="utf-8")
    partial.replace(options.ready_file)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
