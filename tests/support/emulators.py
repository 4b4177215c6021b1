"""AWS for tests: an emulator process that has the queues and the table."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import pytest

from demo.resources import create_resources
from demo.testing import Emulator, running_emulator
from websocket_handler.adapters.aws.sdk import Aws

NewAws = Callable[[], AbstractAsyncContextManager[Aws]]
"""Makes clients of the emulator, which close at the end of the block."""


def emulator_for_each(scope: Literal["session", "module"]) -> Callable[..., Any]:
    """Make the fixture `emulator_process` of a folder: one process for all its tests, or one for each of its files."""

    @pytest.fixture(scope=scope)
    def emulator_process() -> Iterator[Emulator]:
        with running_emulator() as running:
            create_resources(running.url)
            yield running

    return emulator_process
