"""PURE: which web pages may talk to the gateway. A browser names the page's origin, and no page can forge it
(RFC 6454; cross-site WebSocket hijacking). The same rule holds for handshakes and for the HTTP API."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.variables.shown import quoted

ANY: Final = "*"
SETTING: Final = "ALLOWED_ORIGINS"
LOCALHOST: Final = "localhost"
"""This name, and every name below it, is the machine itself (RFC 6761 section 6.3)."""
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Origins:
    """The pages that may come in: those of the gateway's own host, and those that the operator named."""

    def __init__(self, named: frozenset[str] = frozenset(), *, has_loopback: bool = False) -> None:
        """`named` are origins as a browser writes them; `*` names all of them. With `has_loopback`, pages that the
        user's own machine serves may come in as well, on every port: pages under development."""
        self._named = named
        self._has_loopback = has_loopback

    def allow(self, origin: str | None, host: str | None) -> bool:
        """True if a request with these `Origin` and `Host` headers may come in. Only browsers send an origin, so a
        request without one may come."""
        if origin is None or ANY in self._named or origin in self._named:
            return True
        if self._has_loopback and _is_loopback(origin):
            return True
        return host is not None and _is_same(origin, host)

    def check(self, origin: str | None, host: str | None) -> None:
        """Raises CommandError with `forbidden` unless `allow` is True."""
        if origin is not None and not self.allow(origin, host):
            reason = f"this page's origin is not allowed; the operator can let it in with {SETTING}"
            raise CommandError(ErrorCode.FORBIDDEN, reason, setting=SETTING)


def _is_same(origin: str, host: str) -> bool:
    scheme, separator, authority = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme, "")
    if not separator or not default or not authority:
        return False
    return authority.lower().removesuffix(default) == host.lower().removesuffix(default)


def _exact_parts(text: str) -> SplitResult | None:
    """The parts of a text that is a scheme, a host and perhaps a port, and nothing else; None for every other text."""
    try:
        parts = urlsplit(text)
        is_exact = text == f"{parts.scheme}://{parts.netloc}" and parts.port != 0 and "@" not in text
    except ValueError:
        return None
    return parts if is_exact else None


def _is_loopback(origin: str) -> bool:
    parts = _exact_parts(origin)
    if parts is None or parts.scheme not in _DEFAULT_PORTS:
        return False
    host = (parts.hostname or "").removesuffix(".")
    if host == LOCALHOST or host.endswith("." + LOCALHOST):
        return True
    try:
        return ip_address(host).is_loopback  # 127.0.0.0/8 and ::1
    except ValueError:
        return False


def read_origins(text: str) -> frozenset[str]:
    """Comma-separated origins as a browser writes them, or `*`. A default port is left out, as browsers do. Raises
    ValueError with each entry that is no origin."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    wrong = [entry for entry in entries if entry != ANY and not _is_origin(entry)]
    if wrong:
        each = "each of " if len(wrong) > 1 else ""
        names = ", ".join(map(quoted, wrong))
        raise ValueError(f"{each}{names} is no origin: scheme://host or scheme://host:port, in lower case")
    return frozenset(entry.removesuffix(_DEFAULT_PORTS.get(entry.partition("://")[0], "")) for entry in entries)


def _is_origin(text: str) -> bool:
    parts = _exact_parts(text)
    return parts is not None and bool(parts.hostname) and "*" not in text and text == text.lower()


ANY_ORIGIN: Final = Origins(frozenset({ANY}))
SAME_HOST: Final = Origins()
"""Only pages that this host served."""
