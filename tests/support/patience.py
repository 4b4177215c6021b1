"""How long a test waits for what has to come."""

from typing import Final

PATIENCE_S: Final = 120.0
"""Long enough for the slowest and busiest machine. Only a test that would hang for ever reaches it."""
