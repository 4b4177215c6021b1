"""Processes of the gateway that need not import it: a server process has imported it, and forks.

A gateway that starts as `python -m websocket_handler` spends 0.8 s of processor time on imports, and the tests start
more than 200. What is forked is a gateway like every other: a process, with its own environment, sockets, signals and
exit code. tests/e2e/test_start.py, the tests of the demo and of the first run start gateways as operators do.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import connection, reduction
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Final, Self, TextIO

from tests.support.patience import PATIENCE_S

MODULES: Final = (
    "websocket_handler.app",
    "websocket_handler.adapters.aws.sdk_session",
    "websocket_handler.cli.doctor",
    __name__,
)
"""What the server process imports: the gateway, the part of it that a thread imports later, a command that asks AWS,
and how to become one of them."""
_STDOUT: Final = 1
_STDERR: Final = 2


class PreloadedGateway:
    """A gateway process with the parts of `subprocess.Popen` that tests use. Its standard output is a pipe."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        self.stdout: TextIO = open(reading, encoding="ascii")  # noqa: SIM115 - it lives as long as the process
        self._process = _process((), folder, environment, {_STDOUT: writing})
        try:
            self._process.start()
        finally:
            os.close(writing)
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self._reading_code = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wait()
        self.stdout.close()

    def poll(self) -> int | None:
        """The exit code, below zero for a signal; None while the process runs."""
        with self._reading_code:  # the code can be read once, and two threads may ask for it
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Returns the exit code. Raises TimeoutExpired."""
        connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("websocket_handler", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash does."""
        self.send_signal(signal.SIGKILL)


def run_preloaded(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What `python -m websocket_handler ARGUMENTS` prints, and its exit code. Raises TimeoutError."""
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = _process(arguments, folder, environment, {_STDOUT: output.fileno(), _STDERR: errors.fileno()})
        process.start()
        process.join(PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{' '.join(arguments)} did not end")
        return subprocess.CompletedProcess(arguments, process.exitcode, _text(output), _text(errors))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _process(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], outputs: Mapping[int, int]
) -> ForkServerProcess:
    """A process that has not started yet. `outputs` gives its descriptors: theirs, and ours that they come from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(MODULES))
    inherited = {theirs: _Inherited(ours) for theirs, ours in outputs.items()}
    target = (tuple(arguments), folder, dict(environment), inherited)
    return context.Process(target=_become_command, args=target, daemon=True)


class _Inherited:
    """A file descriptor that the new process gets. It cannot be sent in any other way than by starting a process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _taken, (reduction.DupFd(self._descriptor),)


def _taken(duplicate: Any) -> int:
    descriptor: int = duplicate.detach()
    return descriptor


def _become_command(
    arguments: tuple[str, ...], folder: Path, environment: dict[str, str], outputs: dict[int, int]
) -> None:
    for theirs, ours in outputs.items():
        os.dup2(ours, theirs)
        os.close(ours)
    sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - the inherited one is of a file
    if _STDERR in outputs:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["websocket_handler", *arguments]
    runpy.run_module("websocket_handler", run_name="__main__", alter_sys=True)
