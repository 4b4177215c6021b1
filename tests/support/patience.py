"""How long a test waits for what must come."""

from typing import Final

PATIENCE_S: Final = 120.0
"""Long enough for the slowest and busiest machine: only a test that would hang for ever ends by it."""
