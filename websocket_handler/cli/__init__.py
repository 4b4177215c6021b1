"""The commands of `websocket-handler`."""

from typing import Final

EXIT_FAILED: Final = 1
"""The command ran, and what it tried or examined is not in order."""
EXIT_USAGE: Final = 2
"""The settings, or the command's own arguments, cannot be used."""
