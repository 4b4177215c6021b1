"""A place in a project's log."""

import re
from dataclasses import dataclass
from typing import Any, Final

_WRITTEN: Final = re.compile(r"(?:[A-Za-z0-9._:-]{1,128}@)?([A-Za-z0-9_-]{1,64}):(0|[1-9][0-9]{0,15})")
OFFSET_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """An epoch and an offset. It stands behind the publication with that offset.

    Compare epochs for equality only. `str(position)` is `epoch:offset`, and `Position.parse` reads it.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    def as_field(self) -> dict[str, Any]:
        """The value of `since` in a `subscribe` command."""
        return {"epoch": self.epoch, "offset": self.offset}

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Reads `epoch:offset` or `project@epoch:offset`. Raises ValueError if it is neither."""
        match = _WRITTEN.fullmatch(text)
        if match is None or int(match[2]) > OFFSET_MAX:
            raise ValueError(f"no position of the form epoch:offset: {text!r}")
        return cls(match[1], int(match[2]))
