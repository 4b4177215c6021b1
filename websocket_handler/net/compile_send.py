"""Compiles `_send.c` in a source folder, so that `python server.py` is as fast there as the installed package.

A wheel and the image contain the compiled loop and not its source; for them this does nothing.

`python -m websocket_handler.net.compile_send` does only this, and says how it went.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
TIMEOUT_S: Final = 60.0
REASON_LENGTH_MAX: Final = 300
FLAGS: Final = ("-O2", "-Wall", "-Wextra", "-Werror", "-fPIC")


def compile_send(folder: Path = FOLDER) -> str:
    """Compile the loop, unless it is there and not older than its source. Returns why there is no loop; empty if there
    is one.

    It takes less than a second, and blocks for that time. It never raises, because the gateway also runs without the
    loop.
    """
    source = folder / "_send.c"
    built = [path for suffix in EXTENSION_SUFFIXES if (path := folder / f"_send{suffix}").exists()]
    if not source.exists():
        return "" if built else "this package was built on a machine without a C compiler"
    try:
        if built and max(path.stat().st_mtime for path in built) >= source.stat().st_mtime:
            return ""
        problem = _compile(source, folder / "_send.abi3.so")
    except (OSError, subprocess.SubprocessError) as error:
        problem = f"it cannot be compiled: {error}"
    return "" if built else problem


def _compile(source: Path, target: Path) -> str:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if os.name != "posix" or compiler is None:
        return "there is no C compiler on PATH (cc)"
    kind = ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared",)
    with tempfile.TemporaryDirectory(
        prefix=".compile-", dir=source.parent
    ) as folder:  # a file on another file system cannot be moved
        output = Path(folder) / target.name
        done = subprocess.run(  # noqa: S603 - the compiler of this machine, on our own source
            [compiler, *FLAGS, *kind, f"-I{sysconfig.get_path('include')}", str(source), "-o", str(output)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            if "Python.h" in done.stderr:
                return "the headers of Python are missing (Python.h); Debian's package is python3-dev"
            said = " ".join(done.stderr.split())[:REASON_LENGTH_MAX]
            return f"{compiler} ended with exit code {done.returncode}: {said}"
        output.replace(target)
    return ""


def main() -> int:
    """Compile the loop. Returns the exit code: 1 if there is no loop."""
    problem = compile_send()
    sys.stdout.write(
        f"fan-out runs without its compiled loop: {problem}\n" if problem else "the compiled loop is there\n"
    )
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
