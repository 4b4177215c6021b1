"""PURE: which web pages may talk to the gateway. A browser names the page's origin, and no page can forge it
(RFC 6454; cross-site WebSocket hijacking)."""

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The allowed origins: `any`, exact ones, or (`same_host`) only pages that this host served."""

    def __init__(self, allowed: frozenset[str], *, same_host: bool, is_any: bool = False) -> None:
        self._is_any = is_any or "*" in allowed
        self._allowed = allowed
        self._is_same_host = same_host
        self.are_named = bool(allowed)
        """True if the operator has named origins: pages of these origins may read answers (CORS)."""

    def allow(self, origin: str | None, host: str | None) -> bool:
        """True if a request with these `Origin` and `Host` headers may come in. Only browsers send an origin, so a
        request without one may come."""
        if origin is None or self._is_any or origin in self._allowed:
            return True
        return self._is_same_host and host is not None and _is_same(origin, host)


def _is_same(origin: str, host: str) -> bool:
    scheme, separator, authority = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme, "")
    if not separator or not default or not authority:
        return False
    return authority.lower().removesuffix(default) == host.lower().removesuffix(default)


def read_origins(text: str) -> frozenset[str]:
    """Comma-separated origins as a browser writes them, or `*`. Raises ValueError with the entry that is no origin."""
    origins = frozenset(entry.strip() for entry in text.split(",") if entry.strip())
    for origin in origins - {"*"}:
        if not _is_origin(origin):
            raise ValueError(f"{origin!r} is no origin: scheme://host or scheme://host:port, in lower case")
    return origins


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_exact = text == f"{parts.scheme}://{parts.netloc}" and parts.port != 0
    except ValueError:
        return False
    return is_exact and bool(parts.hostname) and "@" not in text and "*" not in text and text == text.lower()


ANY_ORIGIN = Origins(frozenset(), same_host=False, is_any=True)
SAME_HOST = Origins(frozenset(), same_host=True)
"""Only pages that this host served."""


def origins_of(text: str, otherwise: Origins) -> Origins:
    """The origins that the operator has named, comma-separated; `otherwise` if there are none. Raises ValueError."""
    named = read_origins(text)
    return Origins(named, same_host=False) if named else otherwise
