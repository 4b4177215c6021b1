"""The commands of `websocket-handler`."""

from typing import Final

NO_COLOR: Final = "NO_COLOR"
"""The variable that switches colours off in every program."""
EXIT_FAILED: Final = 1
"""The command ran, and what it tried or examined is not in order."""
EXIT_USAGE: Final = 2
"""The settings, or the command's own arguments, cannot be used."""
EXIT_PORT: Final = 3
"""It cannot listen on its port."""
EXIT_UNCHECKED: Final = 4
"""Nothing is wrong in what could be examined, but something could not be."""
EXIT_UNREACHABLE: Final = 4
"""No gateway answered."""
EXIT_NOT_ALLOWED: Final = 5
"""The gateway let nobody in with this token, or the token does not allow this."""
EXIT_BROKEN: Final = 6
"""A deployment broke a promise."""
EXIT_INTERRUPTED: Final = 130
"""Somebody pressed Ctrl-C."""
