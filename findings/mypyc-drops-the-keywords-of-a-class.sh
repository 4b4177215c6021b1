#!/usr/bin/env bash
# mypyc of mypy 2.4.1, with msgspec 0.22.0, CPython 3.11. It needs a C compiler.
#
# Guess: mypyc compiles a module or says what it cannot compile. A class that comes out of it follows the same rules: a
# frozen struct stays frozen, and what JSON looks like on the wire does not depend on how a module was built.
# Seen: the keywords of a class statement (`frozen=True, tag="point"` ...) never reach the metaclass, and neither mypyc nor
# the compiled module says a word. The compiled struct can be changed and not hashed, takes positional arguments in spite
# of kw_only, and writes other JSON: without its tag and under other names. Only a struct with a required field behind an
# optional one fails, at import, with a TypeError that advises `kw_only=True`, which is there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check mypy==2.4.1 msgspec==0.22.0 setuptools==84.2.1 2>/dev/null
cat >interpreted.py <<'PYTHON'
import msgspec


class Point(msgspec.Struct, frozen=True, kw_only=True, tag="point", rename="upper"):
    x: int
    y: int = 0
PYTHON
cp interpreted.py compiled.py
venv/bin/mypyc compiled.py >/dev/null
cat >look.py <<'PYTHON'
from importlib import import_module
from importlib.metadata import version

import msgspec


def change(point):
    point.x = 2


def seen_in(name):
    module = import_module(name)
    points = module.Point(x=1), module.Point(x=1)
    tries = {
        "change": lambda: change(points[0]),
        "hash": lambda: hash(points[1]),
        "positional": lambda: module.Point(1, 2),
    }
    refused = []
    for title, attempt in tries.items():
        try:
            attempt()
        except (AttributeError, TypeError):
            refused.append(title)
    text = msgspec.json.encode(points[1]).decode()
    print(name.ljust(12), module.__file__.rpartition(".")[2].ljust(3), text.ljust(30), "refuses", refused)
    return text, refused


print("mypy", version("mypy"), "msgspec", version("msgspec"))
assert seen_in("interpreted") == ('{"type":"point","X":1,"Y":0}', ["change", "positional"])
assert seen_in("compiled") == ('{"x":1,"y":0}', ["hash"])
PYTHON
venv/bin/python look.py
echo "as described"
