"""These tests install packages several times: only `make first-run` asks for them."""

from __future__ import annotations

import os


def pytest_ignore_collect() -> bool | None:
    """Leave them out of `make test`."""
    return None if os.environ.get("FIRST_RUN") else True
