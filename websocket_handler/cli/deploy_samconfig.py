"""Corrects the image tag that `sam deploy --guided` wrote into samconfig.toml.

The guided deployment saves every parameter, also the empty `ImageTag` with which a stack begins. The next `sam deploy`
would send the empty tag again, and a stack without an image runs no task. So our deployment writes the environment's
alias in its place: that tag always names the image that runs.
"""

import re
from pathlib import Path
from typing import Final

_VALUE: Final = r"""(?:\\"[^"\\]*\\"|[^\s"',\]]*)"""
_IMAGE_TAG: Final = re.compile(rf"\bImageTag={_VALUE}")


def remember_alias(samconfig: Path, environment: str) -> bool:
    """Write the alias where the file names another image for this environment. Returns True if it did. Raises
    OSError."""
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
