"""Which gateway a command speaks to, and with which token: an option, the environment, or a profile."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

import click

WEBSOCKET_HANDLER_URL: Final = "WEBSOCKET_HANDLER_URL"
WEBSOCKET_HANDLER_TOKEN: Final = "WEBSOCKET_HANDLER_TOKEN"  # noqa: S105 - the name of a variable
URL: Final = "ws://127.0.0.1:8080/ws"
"""Where `websocket-handler dev` listens."""
SCHEMES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
"""The schemes that a URL may have, each with that of the HTTP API."""
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway, and the token for it."""

    url: str
    token: str | None

    @property
    def socket_url(self) -> str:
        """Where its WebSocket is: at `/ws` if the URL has no path."""
        parts = urlsplit(self.url)
        scheme = "wss" if SCHEMES[parts.scheme] == "https" else "ws"
        return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") or "/ws", parts.query, ""))

    @property
    def base_url(self) -> str:
        """Where its HTTP API begins."""
        parts = urlsplit(self.url)
        return urlunsplit((SCHEMES[parts.scheme], parts.netloc, parts.path.rstrip("/").removesuffix("/ws"), "", ""))


PROFILE: Final = "a table of ~/.config/websocket-handler/profile.toml with url and token (default: default)"


def target_options(command: Decorated) -> Decorated:
    """The options that say which gateway, and with which token."""
    for name, metavar, text in (
        ("--profile", "NAME", PROFILE),
        ("--token", "TOKEN", f"the token (default: {WEBSOCKET_HANDLER_TOKEN}, or that of the profile)"),
        ("--url", "URL", f"ws://, wss://, http:// or https:// (default: {WEBSOCKET_HANDLER_URL}, profile, or {URL})"),
    ):
        command = click.option(name, metavar=metavar, help=text)(command)
    return command


def find_target(
    url: str | None, token: str | None, profile: str | None, environment: Mapping[str, str] | None = None
) -> Target:
    """The gateway that is meant. A token goes only to the gateway that was named beside it: one of the profile never to
    a URL of the command line. Raises click.UsageError."""
    variables = os.environ if environment is None else environment
    given = _profile(profile, variables)
    if url is None and profile is None:
        url = variables.get(WEBSOCKET_HANDLER_URL) or None
    if token is None and profile is None:
        token = variables.get(WEBSOCKET_HANDLER_TOKEN) or None
    if url is None:
        url, token = given.get("url", URL), token or given.get("token")
    if not is_address(url, SCHEMES):
        raise click.UsageError(f"{url!r} is no URL of a gateway: ws://HOST:PORT/ws")
    return Target(url, token)


def _profile(name: str | None, environment: Mapping[str, str]) -> Mapping[str, str]:
    """A table of the file with profiles; an empty one if neither the name was given, nor the file is there."""
    folder = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME") or "~").expanduser() / ".config")
    path = Path(folder) / "websocket-handler" / "profile.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        tables = {}
    except (OSError, ValueError) as fault:
        raise click.UsageError(f"{path}: {fault}") from fault
    table = tables.get(name or "default")
    if table is None and name is None:
        return {}
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise click.UsageError(f'{path} has no profile [{name or "default"}] with url = "…" and token = "…"')
    return table


def is_address(url: str, schemes: Collection[str]) -> bool:
    """True if `url` has one of the schemes, and a host with a port that can be."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
