"""SQS and DynamoDB on this machine: moto behind waitress, with corrections of its SQS, and with faults for tests.

`python -m demo.emulator --port 4566` serves both on 127.0.0.1, for use with `AWS_ENDPOINT_URL`. It keeps
everything in memory, and loses it when the process ends. Besides AWS's own operations it answers `GET
/_emulator/requests`, `POST /_emulator/faults`, `DELETE /_emulator/faults` and `DELETE /_emulator/resources`. Clients
must use SQS's JSON protocol, as every AWS SDK has done since the end of 2023.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import waitress
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import create_backend_app

from demo import dynamodb_fidelity, sqs_fidelity, sqs_redrive
from demo.faults import FaultLayer

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# A long poll holds its thread for up to 20 s, so there are many more threads than work for the processor.
THREADS = 64
CONNECTIONS_MAX = 1000


def create_application() -> WSGIApplication:
    """The emulator as one WSGI application. Also corrects moto's SQS and DynamoDB in this process."""
    sqs_fidelity.install()
    sqs_redrive.install()
    dynamodb_fidelity.install()
    return FaultLayer(
        {
            "sqs": _tell_when_client_is_gone(create_backend_app("sqs")),
            "dynamodb": _one_at_a_time(create_backend_app("dynamodb")),
        },
        delete_resources=BackendDict.reset,
    )


def _tell_when_client_is_gone(application: WSGIApplication) -> WSGIApplication:
    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sqs_fidelity.current_request.client_gone = environ.get("waitress.client_disconnected")
        try:
            return application(environ, start_response)
        except sqs_fidelity.ClientGoneError:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []

    return serve


def _one_at_a_time(application: WSGIApplication) -> WSGIApplication:
    """moto checks a condition and writes the item in two steps; only a lock makes that atomic."""
    lock = threading.Lock()

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with lock:
            return [b"".join(application(environ, start_response))]

    return serve


def _write_ready_file(path: Path, url: str) -> None:
    """Writes the URL in one step, so that a reader never sees half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(url, encoding="utf-8")
    partial.replace(path)


def _stop_at_once(*_: object) -> None:
    """Ends the process: it has nothing to save, and open long polls would take seconds to end."""
    os._exit(0)


def _read_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.emulator", description="SQS and DynamoDB in memory.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 lets the system choose")
    parser.add_argument(
        "--ready-file", type=Path, help="file that gets the URL as soon as the emulator answers requests"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit code: 1 when the port cannot be used."""
    options = _read_options(arguments)
    signal.signal(signal.SIGTERM, _stop_at_once)
    signal.signal(signal.SIGINT, _stop_at_once)
    logging.getLogger("waitress").setLevel(logging.ERROR)
    try:
        server = waitress.create_server(
            create_application(),
            host="127.0.0.1",
            port=options.port,
            threads=THREADS,
            connection_limit=CONNECTIONS_MAX,
            channel_request_lookahead=1,  # without it waitress does not notice that a client went away
            asyncore_use_poll=True,
            ident="demo.emulator",
        )
    except OSError as error:
        print(f"demo.emulator: 127.0.0.1:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    url = f"http://127.0.0.1:{server.effective_port}"
    if options.ready_file is not None:
        _write_ready_file(options.ready_file, url)
    print(f"SQS and DynamoDB at {url}", flush=True)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
