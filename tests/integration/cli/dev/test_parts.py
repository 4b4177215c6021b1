"""When a process of a system is started again, after which pause, and when nobody tries any more."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.patience import PATIENCE_S
from websocket_handler.cli.dev import parts
from websocket_handler.cli.dev.parts import DemoError, Part

ENDS = ["platform"]
"""A module that prints a line and ends with code 0."""
STAYS = ["demo.emulator", "--port", "0"]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause to speak of."""
    monkeypatch.setattr(parts, "FIRST_PAUSE_S", 1e-6)


@contextmanager
def started(command: list[str], is_ready: Callable[[], bool] = lambda: True, is_lost: str = "") -> Iterator[Part]:
    """A process that is over at the end."""
    part = Part("part", command, os.environ, 5.0, is_ready, is_quiet=True, is_lost=is_lost)
    part.start()
    try:
        yield part
    finally:
        parts.stop([part], lambda: True)


def ended(part: Part) -> None:
    """Wait until the process has ended."""
    assert part.process is not None
    part.process.wait(PATIENCE_S)


def started_again(part: Part) -> None:
    """Look after it until another process runs, or ran."""
    before = part.pid
    while part.pid == before:
        part.tend()


def test_what_never_works_is_given_up() -> None:
    """Six starts without becoming ready, with one line for each but the last."""
    with started(ENDS, is_ready=lambda: False) as part:
        for _ in range(parts.STARTS_IN_VAIN_MAX - 1):
            ended(part)
            assert part.tend().startswith(f"part (pid {part.pid}) ended with code 0; starting it again in ")
            started_again(part)
        ended(part)
        with pytest.raises(DemoError, match="was started 6 times and did not become ready"):
            part.tend()


def test_what_worked_is_started_again_and_again() -> None:
    """However often somebody kills it."""
    with started(STAYS) as part:
        for _ in range(parts.STARTS_IN_VAIN_MAX + 2):
            part.tend()
            os.kill(part.pid, signal.SIGKILL)
            ended(part)
            assert "was ended by SIGKILL; starting it again" in part.tend()
            started_again(part)
            assert part.tend() == f"part is back: pid {part.pid}."
            assert part.tend() == ""


def test_the_pause_grows_up_to_a_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one end to the next."""
    with started(STAYS) as part:
        said = []
        for _ in range(8):
            monkeypatch.setattr(parts, "FIRST_PAUSE_S", parts.PAUSE_MAX_S / 8)
            part.tend()
            os.kill(part.pid, signal.SIGKILL)
            ended(part)
            said.append(part.tend().rpartition(" in ")[2])
            part.start()

    assert said == ["0.6 s.", "1.2 s.", "2.5 s.", *["5.0 s."] * 5]


@pytest.mark.parametrize(("code", "reason"), parts.CANNOT_START.items())
def test_the_gateways_own_reasons_end_it(code: int, reason: str) -> None:
    """A wrong setting and a taken port: another start would end in the same way. The exit code is the gateway's."""
    part = Part("gateway", ENDS, os.environ, 5.0)
    with pytest.raises(DemoError, match=reason) as raised:
        part.judge(code, "gateway ended")
    assert raised.value.exit_code == code


def test_what_cannot_be_replaced_ends_the_demo() -> None:
    """With the reason."""
    with started(ENDS, is_lost="It was the only one.") as part:
        ended(part)
        with pytest.raises(DemoError, match="It was the only one"):
            part.tend()
