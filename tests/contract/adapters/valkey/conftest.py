"""A server for each file of tests, because tests here stop it and change what it allows."""

from collections.abc import Iterator

import pytest

from tests.support.valkeys import Valkey, running_valkey


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server
