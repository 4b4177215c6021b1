from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.patience import PATIENCE_S
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


GOES_ON = """
import sys
for line in 'abcde':
    print(line, flush=True)
sys.stdin.read()
"""


def test_while_the_process_runs_nobody_counts_its_lines_but_up_to_one_of_them() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", GOES_ON], stdin=pipe, stdout=pipe, text=True) as process:
        output = ProcessOutput(process, str.strip)
        assert output.up_to(lambda line: line == "c", PATIENCE_S) == ["a", "b", "c"]
        with pytest.raises(AssertionError, match="the process runs"):
            _ = output.lines
        assert process.stdin is not None
        process.stdin.close()
        assert output.up_to(lambda line: line == "f", PATIENCE_S) is None

    assert output.lines == ["a", "b", "c", "d", "e"]
