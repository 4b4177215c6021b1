"""SQS for the tests of an agent's queue."""

from tests.support.emulators import emulator_for_each

emulator_process = emulator_for_each("module")
