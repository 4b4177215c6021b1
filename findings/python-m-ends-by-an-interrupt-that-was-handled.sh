#!/usr/bin/env bash
# CPython 3.11, 3.12 and 3.13: `python -m`, Ctrl-C and exec.
#
# Guess: a program that catches KeyboardInterrupt decides itself how it ends: with its own exit code, say, or by going on.
# Seen: it does, unless the interrupt came while a text was being executed with exec, as `dataclass`, `namedtuple` and
# `enum` do it whenever a module with such a class is imported. Then the interpreter keeps a note that the interrupt was not
# handled, and `python -m` reads this note at its very end: after the program has caught the interrupt, said so and called
# sys.exit(3), the process still ends by SIGINT. A shell script around it stops, and an exit code of one's own is lost, but
# only if Ctrl-C came during an import. `python program.py` ends with 3. Executing any other text removes the note.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >program.py <<'PYTHON'
import os
import signal
import sys

try:
    exec("os.kill(os.getpid(), signal.SIGINT)\nwhile True: pass")
except KeyboardInterrupt:
    print("handled")
if "--forget" in sys.argv:
    exec("")
sys.exit(3)
PYTHON
python3 - <<'PYTHON'
import platform
import subprocess
import sys


def run(*arguments: str) -> tuple[int, str]:
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    return ended.returncode, ended.stdout


seen = {
    "python program.py": run("program.py"),
    "python -m program": run("-m", "program"),
    "the same, and another exec": run("-m", "program", "--forget"),
}
print("CPython", platform.python_version())
for how, (code, said) in seen.items():
    print(f"{how:28} {said.strip()}, exit code {code}")
assert list(seen.values()) == [(3, "handled\n"), (-2, "handled\n"), (3, "handled\n")]
PYTHON
