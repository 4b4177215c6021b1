"""A module that is a part of a system ends with whoever holds its leash."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.patience import PATIENCE_S

LEASH = "websocket_handler.cli.dev.leash"


def test_the_module_gets_its_arguments_and_sigterm_when_the_leash_is_let_go() -> None:
    command = [sys.executable, "-u", "-m", LEASH, "60", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving HTTP on 127.0.0.1 ")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == -signal.SIGTERM
