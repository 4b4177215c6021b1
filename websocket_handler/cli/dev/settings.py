"""The gateway's settings on one machine: yours, except for those that lead to AWS. The system sets these itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from websocket_handler import config
from websocket_handler.protocol.names import Agent
from websocket_handler.variables.names import tell_unknown

AGENTS: Final = tuple(agent.value for agent in Agent)
DEFAULTS: Final = {"WEBSOCKET_HOST": "127.0.0.1", "DRAIN_SECONDS": "1", "LOG_FORMAT": "console"}
"""What a system sets where you set nothing."""
STAND_INS: Final = {
    **{f"SQS_QUEUE_URL_{name.upper()}": "http://127.0.0.1/demo" for name in (*AGENTS, "updates")},
    "DYNAMODB_TABLE_NAME": "demo",
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1",
}
"""What a system sets whatever you set, with values that are right until its own are known."""


@dataclass(frozen=True)
class Choice:
    """What the gateway of a system gets. `remarks` are lines for the person who started it."""

    variables: Mapping[str, str]
    hosts: tuple[str, ...]
    port: int
    drain_s: float
    remarks: list[str]


def choose(
    environment: Mapping[str, str],
    host: str | None = None,
    port: int | None = None,
    stand_ins: Mapping[str, str] = MappingProxyType({}),
    defaults: Mapping[str, str] = MappingProxyType({}),
    reason: str = "the demo sets this itself, for its emulator",
) -> Choice:
    """The settings from `environment`; options of the command line go first. `stand_ins` and `defaults` are those of a
    kind of system, beside STAND_INS and DEFAULTS; `reason` says why a setting of yours has no effect. Raises
    ConfigurationError with everything that is wrong."""
    stand_ins, defaults = {**STAND_INS, **stand_ins}, {**DEFAULTS, **defaults}
    options = {"WEBSOCKET_HOST": host or "", "WEBSOCKET_PORT": "" if port is None else str(port)}
    given = {name: value for name, value in config.cleaned(environment).items() if value}
    given |= {name: value for name, value in options.items() if value}
    settings = config.from_environment({**defaults, **given, **stand_ins})
    variables = {
        "WEBSOCKET_HOST": settings.websocket_host,
        "WEBSOCKET_PORT": str(settings.websocket_port),
        "DRAIN_SECONDS": f"{settings.drain_seconds:g}",
        "LOG_FORMAT": settings.log_format,
        **{name: given.get(name, value) for name, value in defaults.items() if name not in DEFAULTS},
    }
    return Choice(
        variables=variables,
        hosts=settings.listen_hosts,
        port=settings.websocket_port,
        drain_s=settings.drain_seconds,
        remarks=[*_ignored(given, stand_ins, reason), *tell_unknown(config.unknown_settings(environment))],
    )


def _ignored(given: Mapping[str, str], stand_ins: Mapping[str, str], reason: str) -> list[str]:
    names = sorted(name for name in given if name in stand_ins)
    return [f"{', '.join(names)}: {reason}; yours has no effect"] if names else []


def reachable(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
