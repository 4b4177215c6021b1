"""The commands of `websocket-handler`."""

from typing import Final

EXIT_CONFIGURATION: Final = 2
"""The settings, or the command's own arguments, cannot be used."""
