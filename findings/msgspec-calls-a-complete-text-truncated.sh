#!/usr/bin/env bash
# msgspec 0.22.0, JSON decoder.
#
# Guess: "Input data was truncated" is said of a text whose end is missing, so a reader of a stream may take it as
# "wait for more bytes".
# Seen: it is also said of complete texts. An escaped high surrogate without its partner (RFC 8259 section 8.2 lets such
# texts exist; JSON.stringify in browsers before ES2019 wrote them) gives "truncated" while fewer than six bytes follow
# the escape, and "JSON is malformed" when more follow. Whoever waits for the rest waits for ever.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check msgspec==0.22.0 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import json

import msgspec

TRUNCATED = "Input data was truncated"


def said_of(text: bytes) -> str:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return str(error)
    return "accepted"


print("msgspec", msgspec.__version__)
seen = {}
for text in (rb'"\ud83d"', rb'{"a":"\ud83d"}', rb'"\ud83d and more"', rb'"\ud83', rb'"\udc00"'):
    seen[text] = said_of(text)
    print(text.decode().ljust(24), "->", seen[text])
assert json.loads(rb'{"a":"\ud83d"}') == {"a": "\ud83d"}, "the standard library takes the text for complete"
assert seen[rb'"\ud83d"'] == seen[rb'{"a":"\ud83d"}'] == TRUNCATED, "complete, and called truncated"
assert seen[rb'"\ud83'] == TRUNCATED, "really truncated: the same words"
assert "malformed" in seen[rb'"\ud83d and more"'], "the same fault with more bytes behind it"
assert "malformed" in seen[rb'"\udc00"'], "a low surrogate alone is never called truncated"
PYTHON
echo "as described"
