"""SQS for the tests of an agent's queue."""

from tests.support.emulators import emulator_process as emulator_process  # its tests use this fixture
