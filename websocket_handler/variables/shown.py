"""PURE: the part of a value that may be shown. A message about a setting may end in a log, a ticket or a chat."""

import re
from typing import Final
from urllib.parse import urlsplit

HIDDEN: Final = "***"
VALUE_CHARACTERS_MAX: Final = 100
_NEXT_URL: Final = re.compile(r",(?=\s*https?://)")
_USER: Final = re.compile(r"\A(\s*(?:[A-Za-z][A-Za-z0-9+.-]*://)?)[^/?#]*@")
_ANYTHING: Final = re.compile(r"\A(\s*(?:[A-Za-z][A-Za-z0-9+.-]*://)?).*@", re.DOTALL)


def redacted(value: str) -> str:
    """A value without the credentials that a URL, or one of several URLs, may carry."""
    return ",".join(_redacted(url) for url in _NEXT_URL.split(value))


def _redacted(url: str) -> str:
    # If a password has a slash, the URL cannot be read. Then only the part after the last @ is safe to show.
    pattern = _USER if is_readable(url) else _ANYTHING
    return pattern.sub(rf"\1{HIDDEN}@", url, count=1)


def is_readable(url: str) -> bool:
    """True if `urlsplit` can divide the text into its parts, and its port is a number."""
    try:
        _port = urlsplit(url).port
    except ValueError:
        return False
    return True


def quoted(value: str) -> str:
    """A value for a message on one line: ASCII, escaped, cut to a maximum, without credentials."""
    text = redacted(value)
    cut = text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + "..."
    return ascii(cut)
