"""What a run does: where, with how many clients, how fast and for how long. Everything has a maximum."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from websocket_handler.cli.target import is_address
from websocket_handler.protocol.names import PROJECT_ID

URLS_MAX: Final = 64
CLIENTS_MAX: Final = 2000
PROJECTS_MAX: Final = 200
TOKENS_MAX: Final = 100
RATE_MAX: Final = 2000
DURATION_MAX_S: Final = 86_400
SETTLE_MAX_S: Final = 600
PUBLICATIONS_MAX: Final = 500_000
"""A run remembers every publication, with about 400 bytes for each."""
SOCKET_SCHEMES: Final = ("ws", "wss")
HTTP_SCHEMES: Final = ("http", "https")


class PlanError(ValueError):
    """A run like this is not possible. The text says which option is wrong, and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run. `rate` is in publications per second, of all projects together. Raises PlanError."""

    urls: Sequence[str]
    """Where subscribers connect: `ws://` or `wss://`."""
    publish_urls: Sequence[str] = ()
    """Where publishers connect; `http://` or `https://` publishes over the HTTP API. If there are none, `urls`."""
    duration_s: float = 60.0
    clients: int = 20
    projects: int = 4
    rate: float = 50.0
    settle_s: float = 30.0
    """How long a run waits at its beginning and at its end until every client has everything."""
    tokens: Sequence[str] = ()
    """Clients take turns with them."""
    project_prefix: str = "verify-"
    run_id: str = field(default_factory=lambda: secrets.token_hex(6))
    """Tells the publications of this run from those of others in the same projects."""

    def __post_init__(self) -> None:
        _check_count("URL", len(self.urls), URLS_MAX)
        _check_count("--publish-url", len(self.publish_urls), URLS_MAX, least=0)
        _check_count("--token", len(self.tokens), TOKENS_MAX, least=0)
        _check_count("--clients", self.clients, CLIENTS_MAX)
        _check_count("--projects", self.projects, PROJECTS_MAX)
        _check_number("--rate", self.rate, RATE_MAX, "publications per second")
        _check_number("--duration", self.duration_s, DURATION_MAX_S, "seconds")
        _check_number("--settle", self.settle_s, SETTLE_MAX_S, "seconds")
        if self.projects > self.clients:
            raise PlanError(f"--projects: {self.projects} projects need as many clients, and there are {self.clients}")
        if self.rate * self.duration_s > PUBLICATIONS_MAX:
            raise PlanError(
                f"--rate times --duration is {self.rate * self.duration_s:,.0f} publications, "
                f"at most {PUBLICATIONS_MAX:,} are allowed"
            )
        for url in self.urls:
            _check_url("URL", url, SOCKET_SCHEMES)
        for url in self.publish_urls:
            _check_url("--publish-url", url, SOCKET_SCHEMES + HTTP_SCHEMES)
        if PROJECT_ID.fullmatch(self.project_ids[-1]) is None:
            raise PlanError(f"--project-prefix: {self.project_ids[-1]!r} is no project id")

    @property
    def project_ids(self) -> list[str]:
        """The projects of the run."""
        return [f"{self.project_prefix}{number}" for number in range(1, self.projects + 1)]


def _check_count(name: str, count: int, most: int, least: int = 1) -> None:
    if not least <= count <= most:
        raise PlanError(f"{name}: {count} is not in {least} to {most:,}")


def _check_number(name: str, value: float, most: float, unit: str) -> None:
    if not 0 < value <= most:
        raise PlanError(f"{name}: must be more than 0 and at most {most:,} {unit}")


def _check_url(name: str, url: str, schemes: Sequence[str]) -> None:
    if not is_address(url, schemes):
        raise PlanError(f"{name}: {url!r} does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}HOST")


def is_http(url: str) -> bool:
    """True if publications go there over the HTTP API."""
    return urlsplit(url).scheme in HTTP_SCHEMES


def socket_url(url: str, query: str = "") -> str:
    """Where a WebSocket connects: at `/ws` if the URL has no path, with `query` behind the URL's own."""
    parts = urlsplit(url)
    joined = "&".join(filter(None, (parts.query, query)))
    return urlunsplit(SplitResult(parts.scheme, parts.netloc, parts.path.rstrip("/") or "/ws", joined, ""))


def messages_url(url: str, project_id: str) -> str:
    """Where the HTTP API takes publications."""
    return f"{url.rstrip('/')}/api/v1/projects/{project_id}/messages"
