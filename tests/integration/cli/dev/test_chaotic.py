"""`websocket-handler dev --chaos`: somebody types failures, and reads that nothing is lost or doubled."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.demo_process import DemoProcess
from tests.support.gateway import clean_environment
from tests.support.patience import PATIENCE_S

KEPT = r"^lost 0 · doubled 0 · out of order 0 "


def test_failures_are_typed_and_their_cost_is_told() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "websocket_handler", "dev", "--chaos"],
        cwd="/",
        env=clean_environment({"WEBSOCKET_PORT": "0", "LOG_LEVEL": "warning"}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        assert process.stdin is not None
        try:
            dev = DemoProcess(process)
            dev.wait_until_it_runs()
            process.stdin.write("dance\ncut soon\n\ncut\n")
            process.stdin.flush()
            dev.wait_for("^'dance' is none of cut, stall")
            dev.wait_for("^'soon' is no number of seconds$")
            dev.wait_for("^cut: done$")
            dev.wait_for(KEPT)
            process.stdin.write("agent\nrestart\n")
            process.stdin.flush()
            dev.wait_for("^gateway is back: pid")
            dev.wait_for(f"{KEPT}.*[1-9] new logs", timeout_s=PATIENCE_S)
            process.send_signal(signal.SIGINT)
            assert dev.wait_for_exit() == 0
        finally:
            if process.poll() is None:
                process.kill()
    assert "Traceback" not in dev.text
