#!/usr/bin/env bash
# Hypothesis 6.170.0, settings(derandomize=True).
#
# Guess: as its documentation says, every run tests "the same set of examples until you update Hypothesis, Python, or the
# test function". So a test that fails in the whole suite fails in the same way when it runs alone.
# Seen: the examples change when another module of the project has been imported, which the test neither uses nor knows.
# Hypothesis collects the constants of all local modules that are loaded and mixes them into what it draws. A test alone,
# a folder, the whole suite, and each process of pytest-xdist may have other modules loaded, and so other examples.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check hypothesis==6.170.0 2>/dev/null
cat >drawn.py <<'PYTHON'
import hashlib
import sys

import hypothesis
from hypothesis import given, settings, strategies

for name in sys.argv[1:]:
    __import__(name)
examples = []


@settings(derandomize=True, database=None, max_examples=200)
@given(strategies.integers())
def draw(number):
    examples.append(number)


draw()
print(len(examples), "examples", hashlib.sha256(repr(examples).encode()).hexdigest()[:12])
PYTHON
venv/bin/python -c 'print("PRICES = [", ", ".join(str(1_000_003 * n + 17) for n in range(1, 200)), "]")' >prices.py
echo "EMPTY = None" >nothing.py
venv/bin/python -c 'import hypothesis; print("hypothesis", hypothesis.__version__)'
alone=$(venv/bin/python drawn.py)
again=$(venv/bin/python drawn.py)
beside_nothing=$(venv/bin/python drawn.py nothing)
beside_prices=$(venv/bin/python drawn.py prices)
printf '%-34s %s\n' "alone" "$alone" "alone, once more" "$again" \
    "beside a module without constants" "$beside_nothing" "beside a module with constants" "$beside_prices"
[ "$alone" = "$again" ] && [ "$alone" = "$beside_nothing" ]
[ "$alone" != "$beside_prices" ] || { echo "the other module changes nothing any more"; exit 1; }
echo "as described"
