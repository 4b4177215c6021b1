"""Runs a command for a person: what the person or the machine causes ends in one line, and never in a traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Final

from websocket_handler.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from websocket_handler.variables.quotes import clean

PYTHON_MIN: Final = (3, 11)
OUTPUT_IS_LOST: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run_command(command: Callable[[], int]) -> int:
    """Run a command. Returns its exit code, also for an old Python, a package that is missing, Ctrl-C, a reader that
    went away and a disk that is full."""
    _open_standard_descriptors()
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(descriptor, "w", encoding="utf-8", closefd=False))
        elif isinstance(stream, io.TextIOWrapper):  # a terminal without UTF-8 shows what it cannot write as codes
            stream.reconfigure(errors="backslashreplace")
    if sys.version_info < PYTHON_MIN:
        return _say(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}", EXIT_USAGE)
    tidy_aws_variables(os.environ)
    try:
        code = _code_of(command)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _forget_interrupt()
        return _say("stopped by Ctrl-C", EXIT_INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        return 0
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "websocket_handler":
            raise
        return _say(f"the package {error.name} is missing: python -m pip install -r requirements.txt", EXIT_USAGE)
    except OSError as error:
        if error.errno not in OUTPUT_IS_LOST:
            raise
        _drop_output()
        return _say(str(error), EXIT_FAILED)
    return code


def _open_standard_descriptors() -> None:
    """Put `/dev/null` in the place of each of the descriptors 0, 1 and 2 that somebody closed (`>&-`). Otherwise a
    client's socket would get the free number, and the log would be written to this client."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest free number


def tidy_aws_variables(environment: MutableMapping[str, str]) -> None:
    """The SDK reads its variables itself, and takes quotes for a part of the value and an empty profile for a name.
    Here they count as they do in our settings."""
    for name in [name for name in environment if name.startswith("AWS_")]:
        value = clean(environment[name])
        if value:
            environment[name] = value
        else:
            del environment[name]


def _code_of(command: Callable[[], int]) -> int:
    """The exit code, also where argparse ends the command: its output is still to be written."""
    try:
        return command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_USAGE


def _forget_interrupt() -> None:
    """If Ctrl-C came while a text was executed, as `dataclass` and `namedtuple` do it, then `python -m` ends by the
    signal and not with its exit code, although the interrupt was handled (CPython 3.11 to 3.13). It forgets the
    interrupt when another text is executed."""
    exec("")  # noqa: S102 - an empty text


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"websocket-handler: {text}\n")
    return code


def _drop_output() -> None:
    """Nobody reads the output, or nothing holds it: without this, Python complains once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
