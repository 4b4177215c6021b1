"""A program that is a part of a system, and ends with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import psutil

from tests.support.demo_process import all_gone
from tests.support.patience import PATIENCE_S


def test_a_program_has_the_process_id_that_was_started_and_ends_with_its_parent() -> None:
    """The parent is killed, so it cannot tell anybody."""
    sleep = shutil.which("sleep")
    code = (
        "import subprocess, sys\n"
        f"command = [sys.executable, '-m', 'websocket_handler.cli.dev.tied', {sleep!r}, '1000']\n"
        "process = subprocess.Popen(command, stdout=subprocess.DEVNULL)\n"
        "print(process.pid, flush=True)\n"
        "process.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        program = psutil.Process(int(parent.stdout.readline()))
        while program.name() != "sleep":
            assert program.is_running()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(PATIENCE_S)
    assert all_gone([program])
