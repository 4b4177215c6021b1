"""Tests, by how much of the system they run: unit, contract, simulation, integration, e2e."""

import pytest

pytest.register_assert_rewrite("tests.support.peers")  # before any test folder imports it
