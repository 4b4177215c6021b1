"""An emulator for tests: starts its process, knows its address, switches faults on and off."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from demo.resources import DUMMY_CREDENTIALS

REPOSITORY = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 60.0
PROBE_INTERVAL_S = 0.01
CONNECTIONS_MAX = 50

EMULATOR = """
import os, sys, threading
from demo.emulator import main

def end_with_whoever_started_it():
    sys.stdin.read()
    os._exit(0)

threading.Thread(target=end_with_whoever_started_it, daemon=True).start()
sys.setswitchinterval(1e-6)
sys.exit(main())
"""
"""`python -m demo.emulator`, except that it ends with the process that started it, even when that one is killed. It
switches threads as often as it can, so that a missing lock shows at once."""


class Emulator:
    """A running emulator. `url` is its address, for use as `AWS_ENDPOINT_URL`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str) -> Any:
        """A boto3 client that never retries, so that a test sees each answer. Close it after use."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=CONNECTIONS_MAX),
        )

    def add_fault(self, service: str, mode: str, **more: Any) -> None:
        """Puts a fault in force (see `demo.faults.Fault`). Raises ValueError when it is not understood."""
        fault = json.dumps({"service": service, "mode": mode, **more})
        status, answer = self._request("POST", "/_emulator/faults", fault)
        if status != 200:
            raise ValueError(answer["message"])

    def clear_faults(self) -> None:
        """Ends all faults and releases the requests that they stall."""
        self._request("DELETE", "/_emulator/faults")

    def delete_resources(self) -> None:
        """Deletes every queue and every table."""
        self._request("DELETE", "/_emulator/resources")

    def request_count(self, service: str, operation: str) -> int:
        """How many requests for an operation arrived so far, refused ones included."""
        return self._count("arrived", service, operation)

    def wait_until_under_way(self, count: int, service: str, operation: str, timeout_s: float = 60.0) -> None:
        """Returns when so many requests for an operation are under way: stalled ones count, and long polls whose
        client is still there. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while (found := self._count("under_way", service, operation)) != count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found} requests for {operation} are under way, not {count}")

    def _count(self, which: str, service: str, operation: str) -> int:
        counts = self._request("GET", "/_emulator/requests")[1]
        return int(counts[which][service].get(operation, 0))

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        address = self.url.removeprefix("http://")
        with closing(http.client.HTTPConnection(address, timeout=REQUEST_TIMEOUT_S)) as connection:
            connection.request(method, path, body)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None


@contextmanager
def running_server(name: str, command: Sequence[str]) -> Iterator[str]:
    """Runs a server for the length of a `with` block, and gives its URL. `command` gets the option `--ready-file` more,
    with the file that the server writes its URL to. Raises RuntimeError when it does not start in time."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "url"
        arguments = [*command, "--ready-file", str(ready)]
        with subprocess.Popen(arguments, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            try:
                deadline = time.monotonic() + START_TIMEOUT_S
                while not ready.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"{name} did not start")
                    time.sleep(PROBE_INTERVAL_S)
                yield ready.read_text(encoding="utf-8")
            finally:
                process.terminate()


@contextmanager
def running_emulator() -> Iterator[Emulator]:
    """An emulator process on a free port, for the length of a `with` block. Raises RuntimeError."""
    with running_server("the emulator", [sys.executable, "-c", EMULATOR, "--port", "0"]) as url:
        yield Emulator(url)
