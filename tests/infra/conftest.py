"""Shared by the infrastructure tests: which of them the installed tools allow, and one test account."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.infra.account import Account

WITHOUT_TOOLS = {"test_costs.py"}
"""These need nothing beyond the gateway's own test environment; the others run in requirements/infra.txt."""


def pytest_ignore_collect(collection_path: object) -> bool | None:
    """Leave the tests that need the infrastructure tools to `make infra-test`, which installs them."""
    name = str(getattr(collection_path, "name", ""))
    needs_tools = name.startswith("test_") and name not in WITHOUT_TOOLS
    return True if needs_tools and find_spec("cfnlint") is None else None


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """A test account that the whole run shares; every test takes environments of its own."""
    from tests.infra.account import running_account  # noqa: PLC0415 - needs the tools

    with running_account() as running:
        yield running
