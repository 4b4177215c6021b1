from __future__ import annotations

import json
import subprocess
import sys

from tests.support.process_output import ProcessOutput

KILLED_IN_MID_LINE = """
import os, signal, sys
sys.stdout.write('{"event": "first"}\\n{"ti')
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_only_begun_to_print_is_no_line() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED_IN_MID_LINE], stdout=subprocess.PIPE, text=True) as process:
        output: ProcessOutput[dict[str, str]] = ProcessOutput(process, json.loads)
        output.wait_for_exit()

    assert output.lines == [{"event": "first"}]
