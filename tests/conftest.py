"""For all tests: generated ones are the same in every run, the longest ones begin first, and faults of AWS end."""

import gc
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from demo.testing import Emulator

LONG = ("tests/proof/", "tests/simulation/")


def pytest_configure() -> None:
    """Generated tests judge what comes out, never how long it took. There is no garbage while tests are collected."""
    gc.disable()
    if find_spec("hypothesis") is None:  # the environments of the infrastructure tests have none
        return
    from hypothesis import HealthCheck, settings  # noqa: PLC0415

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=slow)
    settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first: the processes then end at about the same time."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """Thousands of collected tests live until the end: looked through by each collection of garbage, they cost 40 % of
    the run."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def reused_emulator() -> Iterator["Emulator"]:
    """One process for every file that wants an empty emulator: starting one costs more than most of their tests."""
    from demo.testing import running_emulator  # noqa: PLC0415 - the infrastructure's environments have no boto3

    with running_emulator() as running:
        yield running


@pytest.fixture
def emulator(emulator_process: "Emulator") -> Iterator["Emulator"]:
    """SQS and DynamoDB of this folder or file. Faults that a test makes end with the test."""
    yield emulator_process
    emulator_process.clear_faults()
