"""The ways to start the whole system on one machine read the same settings as the gateway itself."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.gateway import clean_environment
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("written", ["{}", '"{}"', "' {} '"])
def test_the_health_check_of_the_image_follows_the_port(written: str) -> None:
    """The Dockerfile's own command, as Docker reads it."""
    dockerfile = (ROOT / "websocket_handler" / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert found is not None
    _python, *arguments = json.loads(found[1])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        environment = {"WEBSOCKET_PORT": written.format(port)}
        healthy = subprocess.run([sys.executable, *arguments], env=environment, timeout=PATIENCE_S, check=False)
    gone = subprocess.run(
        [sys.executable, *arguments], env=environment, timeout=PATIENCE_S, check=False, capture_output=True
    )
    assert (healthy.returncode, gone.returncode) == (0, 1)


def test_a_host_that_nobody_knows_ends_the_demo_with_one_line() -> None:
    environment = clean_environment({"WEBSOCKET_HOST": "no-such-host.invalid"})
    done = subprocess.run(
        [sys.executable, "-m", "demo.run"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("demo: Cannot use no-such-host.invalid:8080: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_demo_listens_where_the_environment_says() -> None:
    """With port 0 on a port that is free; it prints which."""
    environment = clean_environment({"WEBSOCKET_PORT": "0", "WEBSOCKET_HOST": "127.0.0.1"})
    command = [sys.executable, "-m", "demo.run"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            address = next(line for line in process.stdout if line.startswith("Open ")).split()[1]
            with urllib.request.urlopen(f"{address}health", timeout=PATIENCE_S) as answer:  # noqa: S310 - our own
                assert answer.read() == b"OK"
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            assert process.wait(PATIENCE_S) == 0
        finally:
            if process.poll() is None:
                process.terminate()
