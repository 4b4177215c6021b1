"""The processes of a system: how each starts, what it means when one ends, and how all of them stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

STEADY_AFTER_S: Final = 10.0
"""A process that has lived for so long is no longer one that ends again and again."""
FIRST_PAUSE_S: Final = 0.2
PAUSE_MAX_S: Final = 5.0
STARTS_IN_VAIN_MAX: Final = 6
STOP_PROBE_INTERVAL_S: Final = 0.05
CANNOT_START: Final = {2: "a setting is wrong", 3: "it cannot listen on its port"}
"""Exit codes of the gateway after which another start would end in the same way."""


class DemoError(Exception):
    """The system cannot start or go on. The text tells the person who started it why."""

    def __init__(self, reason: str, exit_code: int = 1) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


@dataclass
class Part:
    """One process, which is started again when it ends. After SIGTERM it has `stop_timeout_s`, then it is killed.

    `is_ready` says that it works; `may_be_stopped` that somebody may end it with SIGTERM, and it then stays away.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    stop_timeout_s: float
    is_ready: Callable[[], bool] = lambda: True
    may_be_stopped: bool = False
    is_quiet: bool = False
    is_program: bool = False
    """True if `command` is a program of this machine, and no module of Python."""
    is_lost: str = ""
    """Why the system cannot go on when this process ends; empty if it is started again."""
    process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0.0
    _was_ready: bool = False
    _starts_in_vain: int = 0
    _ends_in_a_row: int = 0
    _start_at: float | None = None

    def start(self) -> None:
        """Starts the process. It ends with this one. Ctrl-C reaches this one only, which stops the parts in order."""
        self.let_go()
        self._start_at, self._started_at, self._was_ready = None, time.monotonic(), False
        own = __package__
        leash = [f"{own}.tied"] if self.is_program else [f"{own}.leash", f"{self.stop_timeout_s:g}"]
        self.process = subprocess.Popen(  # noqa: S603 - a part of ours
            [sys.executable, "-m", *leash, *self.command],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if self.is_quiet else None,
            start_new_session=True,
        )

    def let_go(self) -> None:
        """Closes our end of the leash."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    @property
    def pid(self) -> int:
        """The process id; of the last process while there is none."""
        assert self.process is not None, "it was started"
        return self.process.pid

    @property
    def code(self) -> int | None:
        """The exit code of the process, as subprocess gives it; None while it runs."""
        return None if self.process is None else self.process.poll()

    def came_up(self) -> bool:
        """True once for each process: as soon as it is ready."""
        if self._was_ready or self.code is not None or not self.is_ready():
            return False
        self._was_ready, self._starts_in_vain = True, 0
        return True

    def tend(self) -> str:
        """Looks after the process: notes its end, and starts it again after a pause that grows. Returns one line for
        people when something happened. Raises DemoError when it is of no use to go on."""
        if self._start_at is not None:
            if time.monotonic() < self._start_at:
                return ""
            self.start()
            return ""
        code = self.code
        if code is None:
            is_news = self.came_up() and self._ends_in_a_row > 0
            return f"{self.name} is back: pid {self.pid}." if is_news else ""
        return self._ended(code)

    def fail_at_start(self) -> NoReturn:
        """Raises DemoError: it ended before everything was ready, so it would do so again."""
        code = self.code
        assert code is not None, "it ended"
        what = f"{self.name} (pid {self.pid}) {ended_with(code)} at the start"
        self.judge(code, what)
        raise DemoError(f"{what}: see above.")

    def judge(self, code: int, what: str) -> None:
        """Raises DemoError if another start after this exit code would be of no use. `what` says what happened."""
        if self.is_lost:
            raise DemoError(f"{what}. {self.is_lost}")
        if code in CANNOT_START and not self.may_be_stopped:
            raise DemoError(f"{what}: {CANNOT_START[code]}, as it says above.", code)

    def _ended(self, code: int) -> str:
        what = f"{self.name} (pid {self.pid}) {ended_with(code)}"
        self.judge(code, what)
        self._starts_in_vain += not self._was_ready
        if self._starts_in_vain >= STARTS_IN_VAIN_MAX:
            raise DemoError(f"{what}. It was started {self._starts_in_vain} times and did not become ready.")
        is_steady = time.monotonic() - self._started_at > STEADY_AFTER_S
        self._ends_in_a_row = 1 if is_steady else self._ends_in_a_row + 1
        pause_s = min(PAUSE_MAX_S, FIRST_PAUSE_S * 2 ** (self._ends_in_a_row - 1))
        self._start_at = time.monotonic() + pause_s
        return f"{what}; starting it again in {pause_s:.1f} s."


def ended_with(code: int) -> str:
    """An exit code of subprocess in words."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def stop(parts: Iterable[Part], is_urgent: Callable[[], bool]) -> None:
    """Asks the processes to stop, and returns when they have. Kills those that take too long, and all of them at once
    as soon as it `is_urgent`."""
    running = [part for part in parts if part.process is not None]
    for part in running:
        assert part.process is not None
        part.process.terminate()  # of no effect on one that has ended
    asked_at = time.monotonic()
    for part in running:
        assert part.process is not None
        while part.code is None:
            if is_urgent() or time.monotonic() > asked_at + part.stop_timeout_s:
                if not is_urgent():
                    sys.stdout.write(
                        f"{part.name} (pid {part.pid}) did not stop within {part.stop_timeout_s:.0f} s: killed.\n"
                    )
                part.process.kill()
                part.process.wait()
            time.sleep(STOP_PROBE_INTERVAL_S)
        part.let_go()
