"""Attacks, each with its exact answer."""

import pytest

pytest.register_assert_rewrite("tests.support.peers")
