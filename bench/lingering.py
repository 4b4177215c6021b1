"""How many SQS requests 250 forwards a second from 50 clients take, and how long they take, with and without
`FORWARD_LINGER_MS`.

`python -m bench.lingering` runs it. The sink answers each request after a time that stands in for SQS's own: within a
region that is some 10 ms, and several times as much for the slowest request in a hundred.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bench.install import compile_programs
from bench.measurement import Load, measure
from bench.processes import Running, end_children_on_signal, raise_file_limit
from bench.servers import gateway, start_sink

CLIENTS = 50
PER_SECOND = 250
LINGERS_MS = (0, 20)
DELAYS_MS = (0, 10, 50, 100)
HEADER = ("SQS answers after", "FORWARD_LINGER_MS", "requests/s", "p50 ms", "p99 ms", "CPU µs per forward")


@dataclass(frozen=True)
class Forwards:
    """What one window gave."""

    delay_ms: int
    linger_ms: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float

    def row(self) -> list[str]:
        """The row of the report."""
        return [
            f"{self.delay_ms} ms",
            str(self.linger_ms),
            f"{self.requests_per_second:.0f}",
            f"{self.p50_ms:.1f}",
            f"{self.p99_ms:.1f}",
            f"{self.cpu_us:.0f}",
        ]


def measure_delay(delay_ms: int, lingers_ms: Sequence[int], seconds: float) -> list[Forwards]:
    """Measure with each linger, one right after the other. Raises Failed."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for linger_ms in lingers_ms:
            sink = start_sink(folder, delay_ms)
            stack.callback(sink.stop)
            server = gateway(sink.port, LOG_LEVEL="WARNING", FORWARD_LINGER_MS=str(linger_ms)).start(folder)
            stack.callback(server.stop)
            load = Load("forward", callers=CLIENTS, per_second=PER_SECOND, payload_bytes=200, seconds=seconds)
            sample = measure("gateway", server, load)
            requests, messages = _counts(sink)  # of the warm-up, too, which has the same rate
            rate = sample.per_second(sample.answers) * requests / messages
            found.append(
                Forwards(delay_ms, linger_ms, rate, sample.p50_ms, sample.p99_ms, sample.cpu_us(sample.answers))
            )
    return found


def _counts(sink: Running) -> tuple[int, int]:
    with urlopen(f"http://127.0.0.1:{sink.port}/counts", timeout=10) as answer:
        counts = json.load(answer)
    return counts["requests"], counts["messages"]


def main() -> int:
    """Measure, and print a row for each delay and linger."""
    parser = argparse.ArgumentParser(prog="python -m bench.lingering")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--delays", type=int, nargs="+", default=DELAYS_MS, metavar="MS")
    parser.add_argument("--lingers", type=int, nargs="+", default=LINGERS_MS, metavar="MS")
    options = parser.parse_args()
    raise_file_limit()
    end_children_on_signal()
    compile_programs()
    print(" | ".join(HEADER))
    for delay_ms in options.delays:
        for forwards in measure_delay(delay_ms, options.lingers, options.seconds):
            print(" | ".join(forwards.row()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
