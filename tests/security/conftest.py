"""Gateways under attack, each with a bystander that must notice nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.emulators import emulator_for_folder
from tests.support.gateway import Gateway, Start, running_gateway
from tests.support.peers import Peer, bystander
from tests.support.tokens import GUARDED, token

emulator_process = emulator_for_folder()


@pytest.fixture(scope="session")
def resources(emulator_process: Emulator) -> dict[str, str]:
    """Queues and table, as settings."""
    return create_resources(emulator_process.url)


@pytest.fixture(scope="session")
def guarded(resources: dict[str, str]) -> Iterator[Gateway]:
    """A gateway with `AUTH_MODE=jwt`."""
    with running_gateway(resources, **GUARDED) as running:
        yield running


@pytest.fixture(scope="session")
def open_gateway(resources: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that everybody may use, with `/__echo`."""
    more = {"LOG_STORE": "memory", "DIAG_ECHO": "1", "COMMANDS_PER_SECOND": "0"}
    with running_gateway(resources, **more) as running:
        yield running


@pytest.fixture(scope="session")
def hasty(resources: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that waits for a second only: for a request, and for whoever came without a token."""
    with running_gateway(resources, **GUARDED, HANDSHAKE_TIMEOUT_S="1", AUTH_TIMEOUT_S="1") as running:
        yield running


@pytest.fixture
def start(resources: dict[str, str]) -> Start:
    """Starts gateways with settings of a test's own."""
    return lambda **more: running_gateway(resources, **{"LOG_STORE": "memory", **more})


@pytest.fixture
def witness(guarded: Gateway) -> Iterator[Peer]:
    """A bystander on `guarded` for the length of a test."""
    with bystander(guarded.port, {"authorization": f"Bearer {token(sub='bystander')}"}) as peer:
        yield peer


@pytest.fixture
def open_witness(open_gateway: Gateway) -> Iterator[Peer]:
    """A bystander on `open_gateway` for the length of a test."""
    with bystander(open_gateway.port, {}) as peer:
        yield peer
