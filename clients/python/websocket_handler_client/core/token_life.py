"""How long a token lives. The client reads a JWT's `exp`, but verifies nothing: only the gateway can."""

import base64
import binascii
import json
from datetime import datetime


def end_of(token: str) -> float | None:
    """The end of a JWT in seconds since 1970, or None if the text does not say one."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    end = claims.get("exp") if isinstance(claims, dict) else None
    return float(end) if isinstance(end, int | float) and not isinstance(end, bool) else None


def read_time(text: object) -> float | None:
    """A timestamp of the gateway in seconds since 1970, or None if the value is none."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
