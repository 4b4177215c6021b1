"""What `sam deploy --guided` remembers, and must not hold against the next deployment.

It saves every parameter, also the empty `ImageTag` with which a stack begins. The next `sam deploy` would send that
again, and a stack without an image runs no task. So a deployment puts the environment's alias in its place: that tag
always names the image that runs.
"""

import re
from pathlib import Path
from typing import Final

_VALUE: Final = r"""(?:\\"[^"\\]*\\"|[^\s"',\]]*)"""
_IMAGE_TAG: Final = re.compile(rf"\bImageTag={_VALUE}")


def remember_alias(samconfig: Path, environment: str) -> bool:
    """Put the alias where the file has another image of this environment; whether it had. Raises OSError."""
    if not samconfig.is_file():
        return False
    names_environment = re.compile(rf"""\bEnvironment=(?:\\")?{re.escape(environment)}(?![\w-])""")
    before = samconfig.read_text(encoding="utf-8")
    after = "".join(
        _IMAGE_TAG.sub(f"ImageTag={environment}", line)
        if "parameter_overrides" in line and names_environment.search(line)
        else line
        for line in before.splitlines(keepends=True)
    )
    if after != before:
        samconfig.write_text(after, encoding="utf-8")
    return after != before
