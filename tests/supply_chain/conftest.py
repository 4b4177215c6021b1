"""A project with two locked packages, and a service that knows of vulnerabilities."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.supply_chain.project import Project
from tests.supply_chain.vulnerability_service import VulnerabilityService, running_service

collect_ignore = [] if find_spec("cyclonedx") else ["test_check_sbom.py"]
"""It needs the standard's schema: `make sbom-test` has it, in an environment of its own."""


@pytest.fixture
def service() -> Iterator[VulnerabilityService]:
    """A service that knows the control and nothing else."""
    with running_service() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    """Two locked packages, nothing ignored."""
    return Project(tmp_path, capsys)
