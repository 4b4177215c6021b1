"""SQS for the tests of an agent's queue."""

from tests.support.emulators import emulator_process  # noqa: F401 - the tests use this fixture
