"""What is ignored has a reason and a day on which it counts again."""

from __future__ import annotations

import datetime

import pytest

from supply_chain.ignored import LIFE_DAYS_MAX
from tests.supply_chain.project import ADVISORY, TODAY, Project
from tests.supply_chain.vulnerability_service import VulnerabilityService


def test_an_entry_excuses_its_advisory_up_to_its_day_and_is_printed(
    project: Project, service: VulnerabilityService
) -> None:
    service.add("alpha", "1.0", ADVISORY)
    project.ignore()
    outcome = project.audit(service)
    assert outcome.code == 0
    assert f"ignored until {TODAY}: alpha 1.0 {ADVISORY}: The part that has it" in outcome.out


def test_an_entry_that_has_expired_excuses_nothing(project: Project, service: VulnerabilityService) -> None:
    service.add("alpha", "1.0", ADVISORY)
    yesterday = TODAY - datetime.timedelta(days=1)
    project.ignore(until=yesterday.isoformat())
    outcome = project.audit(service)
    assert outcome.code == 1
    assert f"was ignored until {yesterday}" in outcome.out


@pytest.mark.parametrize("changes", [{"package": '"beta"'}, {"advisory": '"CVE-2026-2"'}])
def test_an_entry_excuses_nothing_else(
    project: Project, service: VulnerabilityService, changes: dict[str, object]
) -> None:
    service.add("alpha", "1.0", ADVISORY, aliases=["CVE-2026-1"])
    project.ignore(**changes)
    outcome = project.audit(service)
    assert outcome.code == 1
    assert "no longer needed in the list" in outcome.out


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": None},
        {"reason": '"no"'},
        {"until": None},
        {"until": '"2026-01-01"'},
        {"until": (TODAY + datetime.timedelta(days=LIFE_DAYS_MAX + 1)).isoformat()},
        {"until": f"{TODAY}T00:00:00Z"},
        {"advisory": '"*"'},
        {"package": '""'},
        {"severity": '"low"'},
    ],
)
def test_a_list_with_an_entry_that_says_too_little_or_lasts_too_long_is_refused(
    project: Project, service: VulnerabilityService, changes: dict[str, object]
) -> None:
    project.ignore(**changes)
    project.audit(service).check_could_not_run("entry 1")


def test_a_list_that_is_missing_or_no_list_is_refused(project: Project, service: VulnerabilityService) -> None:
    project.ignored.write_text("ignored = 1\n")
    project.audit(service).check_could_not_run("[[ignored]]")
    project.ignored.unlink()
    project.audit(service).check_could_not_run("cannot be read")
