"""AWS for tests: an emulator process that has the queues and the table."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from demo.resources import create_resources
from demo.testing import Emulator, running_emulator
from websocket_handler.adapters.aws.sdk import Aws

NewAws = Callable[[], AbstractAsyncContextManager[Aws]]
"""Makes clients of the emulator, which close at the end of the block."""


def emulator_for_folder() -> Callable[..., Any]:
    """Make the fixture `emulator_process` of a folder: one process, and one set of resources, for all its tests."""

    @pytest.fixture(scope="session")
    def emulator_process() -> Iterator[Emulator]:
        with running_emulator() as running:
            create_resources(running.url)
            yield running

    return emulator_process


@pytest.fixture(scope="module")
def emulator_process(reused_emulator: Emulator) -> Emulator:
    """The emulator of a file, for a folder's conftest to import: it holds nothing of another file's tests."""
    reused_emulator.delete_resources()
    create_resources(reused_emulator.url)
    return reused_emulator
