"""Writes codes.md from the gateway's codes and the specification: `python docs/reference/codes.py`. A test compares."""

import re
import sys
from pathlib import Path

from websocket_handler.protocol.codes import ERRORS, CloseCode

PAGE = Path(__file__).resolve().with_name("codes.md")
PROTOCOL = Path(__file__).resolve().parents[2] / "spec" / "protocol.md"
ERROR_HEAD = """# Error codes and close codes

`make reference` writes this page from `websocket_handler/protocol/codes.py`, and from what
[the protocol](../../spec/protocol.md#7-errors) says about each code.

An **error code** answers one command or request, and the connection stays. A **close code** ends the connection.

## Error codes

*Retry* says if the same request may succeed later: wait with exponential back-off and jitter, or as long as
`retry_after_ms` or `Retry-After` says.

| code | HTTP | retry | meaning |
| --- | --- | --- | --- |
"""
CLOSE_HEAD = """
## Close codes

*Come back* says if a client should connect again by itself, and resume. After a `reconnect` push it should, whatever
the code is. Codes that are not in the table: 4500 to 4999 mean no, all others yes.

| code | name | come back | meaning |
| --- | --- | --- | --- |
"""


def meanings(heading: str) -> dict[str, list[str]]:
    """The rows of the first table under a heading of the protocol, by their first cells."""
    text = PROTOCOL.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    return {
        row[0].strip("`"): [cell.replace("(section 9)", "([HTTP](../../spec/protocol.md#9-http))") for cell in row[1:]]
        for row in rows[2:]
    }


def page() -> str:
    """The whole page."""
    said, closing = meanings("7. Errors"), meanings("8. Close codes")
    errors = "".join(
        f"| `{code}` | {spec.status} | {'yes' if spec.retryable else 'no'} | {said[code][-1]} |\n"
        for code, spec in ERRORS.items()
    )
    closes = "".join(
        f"| {code.value} | {code.name.lower().replace('_', ' ')} | {closing[str(code.value)][0]} "
        f"| {closing[str(code.value)][1]} |\n"
        for code in CloseCode
    )
    return ERROR_HEAD + errors + CLOSE_HEAD + closes


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
