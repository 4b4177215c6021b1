"""The audit says what is known, and when nothing is known it never says that all is well."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

import pytest

from supply_chain.__main__ import ROOT, locks_of
from supply_chain.lock import LockProblem, Pin, read_lock
from supply_chain.osv import ANSWER_BYTES_MAX, PAGES_MAX, TOTAL_TIMEOUT_S, Osv, Unavailable
from tests.supply_chain.project import ADVISORY, HASH, Project
from tests.supply_chain.vulnerability_service import CONTROL_ADVISORY, VulnerabilityService, as_json
from tests.support.patience import PATIENCE_S

# What is known


def test_clean_locks_end_with_zero_and_every_package_was_asked_about(
    project: Project, service: VulnerabilityService
) -> None:
    outcome = project.audit(service)
    assert (outcome.code, outcome.out, outcome.err) == (0, "no known vulnerabilities in 2 packages of 1 locks\n", "")
    asked = [(query["package"], query["version"]) for query in service.asked]
    assert ({"name": "alpha", "ecosystem": "PyPI"}, "1.0") in asked
    assert ({"name": "beta", "ecosystem": "PyPI"}, "2.0") in asked, "also what is installed elsewhere only"


def test_a_vulnerable_package_ends_with_one_and_is_named_with_its_advisory(
    project: Project, service: VulnerabilityService
) -> None:
    affected = [
        {
            "package": {"name": "Beta", "ecosystem": "PyPI"},
            "ranges": [{"events": [{"introduced": "0"}, {"fixed": "2.1"}]}],
        }
    ]
    service.add("beta", "2.0", ADVISORY, aliases=["CVE-2026-1"], summary="Reads \x1b[31mtoo much", affected=affected)
    outcome = project.audit(service)
    assert outcome.code == 1
    assert f"beta 2.0: {ADVISORY} (CVE-2026-1)" in outcome.out
    assert "fixed in 2.1; locked by " in outcome.out
    assert "1 known vulnerabilities in 2 packages" in outcome.out
    assert "\x1b" not in outcome.out, "what comes from elsewhere does not steer the terminal"


def test_one_vulnerability_of_two_databases_is_one_finding(project: Project, service: VulnerabilityService) -> None:
    service.add("alpha", "1.0", ADVISORY, aliases=["CVE-2026-1"])
    service.add("alpha", "1.0", "PYSEC-2026-1", aliases=["CVE-2026-1"])
    assert "1 known vulnerabilities" in project.audit(service).out
    project.ignore(advisory='"PYSEC-2026-1"')
    assert project.audit(service).code == 0, "each of its names covers it"


def test_a_withdrawn_advisory_does_not_count(project: Project, service: VulnerabilityService) -> None:
    service.add("alpha", "1.0", ADVISORY, withdrawn="2026-01-02T00:00:00Z")
    assert project.audit(service).code == 0


def test_an_advisory_without_details_about_the_package_counts_all_the_same(
    project: Project, service: VulnerabilityService
) -> None:
    service.add("alpha", "1.0", ADVISORY)
    outcome = project.audit(service)
    assert outcome.code == 1
    assert "no version that is known" in outcome.out


def test_further_pages_are_read(project: Project, service: VulnerabilityService) -> None:
    service.add("alpha", "1.0", ADVISORY)

    def batch(queries: list[dict[str, Any]]) -> tuple[int, bytes]:
        results = service.results(queries)
        for query, result in zip(queries, results, strict=True):
            if query["package"]["name"] == "alpha" and "page_token" not in query:
                result.clear()
                result["next_page_token"] = "second"  # noqa: S105
        return as_json({"results": results})

    service.batch = batch
    assert ADVISORY in project.audit(service).out


# When nothing is known


def test_no_service_is_not_a_clean_result(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    project.audit(f"http://127.0.0.1:{free}").check_could_not_run("cannot be reached")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"null"),
        (200, b'{"results": null}'),
        (200, b'{"results": []}'),
        (200, b'{"results": [{}, {}]}'),
        (200, b'{"results": [{}, {}, {}]}'),
        (200, b'{"results": [{"vulns": [{}]}, {}, {}]}'),
        (200, b'{"results": [{"vulns": [{"id": "../../x"}]}, {}, {}]}'),
        (200, b'{"results": [{"vulns": "none"}, {}, {}]}'),
        (200, b"<html>Please log in</html>"),
        (200, b"\xff\xfe"),
        (200, b"[" * 100_000),
        (200, b'{"results": [{"vulns": [{"id": "A-1"'),
        (204, b""),
        (301, b""),
        (400, b'{"results": []}'),
        (404, b"{}"),
        (429, b"{}"),
        (500, b"{}"),
        (503, b"{}"),
    ],
)
def test_an_answer_that_is_none_is_not_a_clean_result(
    project: Project, service: VulnerabilityService, status: int, body: bytes
) -> None:
    """Also the well-formed ones that know nothing of the control: pip-audit takes some of these for "clean"."""
    service.batch = lambda _queries: (status, body)
    project.audit(service).check_could_not_run()


def test_an_answer_that_stops_halfway_is_not_a_clean_result(project: Project, service: VulnerabilityService) -> None:
    service.cut_short = True
    project.audit(service).check_could_not_run("ended too soon")


def test_an_answer_to_fewer_questions_is_not_a_clean_result(project: Project, service: VulnerabilityService) -> None:
    service.batch = lambda queries: as_json({"results": service.results(queries)[:-1]})
    project.audit(service).check_could_not_run("2 answers to 3 questions")


def test_an_answer_without_end_is_not_a_clean_result(project: Project, service: VulnerabilityService) -> None:
    service.batch = lambda queries: as_json({"results": [{"next_page_token": "again"} for _ in queries]})
    project.audit(service).check_could_not_run(f"more than {PAGES_MAX} pages")


def test_a_huge_answer_is_not_read_to_its_end(project: Project, service: VulnerabilityService) -> None:
    service.batch = lambda _queries: (200, b" " * (ANSWER_BYTES_MAX + 65_537))
    project.audit(service).check_could_not_run("larger than")


def test_a_redirect_is_not_followed(project: Project, service: VulnerabilityService) -> None:
    service.headers = {"Location": f"{service.url}/v1/vulns/x"}
    service.batch = lambda _queries: (302, b"")
    project.audit(service).check_could_not_run("redirect")


@pytest.mark.parametrize(
    "record",
    [
        as_json({"code": 5}, 404),
        as_json({}),
        as_json({"id": ADVISORY}),
        as_json({"id": "GHSA-other", "modified": "2026-01-01T00:00:00Z"}),
        as_json({"id": ADVISORY, "modified": "2026-01-01T00:00:00Z", "schema_version": "2.0.0"}),
        as_json({"id": ADVISORY, "modified": "2026-01-01T00:00:00Z", "affected": "all"}),
    ],
)
def test_an_advisory_that_cannot_be_read_is_not_left_out(
    project: Project, service: VulnerabilityService, record: tuple[int, bytes]
) -> None:
    service.add("alpha", "1.0", ADVISORY)
    service.record = lambda _advisory: record
    project.audit(service).check_could_not_run()


def test_a_service_that_takes_for_ever_ends_at_the_deadline(service: VulnerabilityService) -> None:
    """Each request within its own time, all of them together beyond theirs."""
    now = [0.0]

    def batch(queries: list[dict[str, Any]]) -> tuple[int, bytes]:
        now[0] = TOTAL_TIMEOUT_S + 1
        return service.answer(queries)

    service.batch = batch
    client = Osv(service.url, lambda: now[0])
    for _ in range(2):  # while an answer is read, and before the next question
        with pytest.raises(Unavailable, match="no end"):
            client.advisories([Pin("alpha", "1.0")])


@pytest.mark.parametrize("address", ["http://example.org", "file:///etc/passwd", "https://", "https://x/?a=b", "x"])
def test_a_service_is_asked_in_a_way_that_nobody_can_change(project: Project, address: str) -> None:
    project.audit(address).check_could_not_run("must be https")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alpha==1.0\n",
        f"alpha>=1.0 --hash=sha256:{HASH}\n",
        f"alpha==1.* --hash=sha256:{HASH}\n",
        "alpha==1.0 --hash=md5:aa\n",
        "-r other.txt\n",
        f"--no-binary alpha\nalpha==1.0 --hash=sha256:{HASH}\n",
        f"alpha @ https://example.org/a.whl --hash=sha256:{HASH}\n",
    ],
)
def test_a_lock_that_does_not_pin_everything_is_not_audited(
    project: Project, service: VulnerabilityService, text: str
) -> None:
    project.lock.write_text(text)
    project.audit(service).check_could_not_run("lock.txt")


def test_a_fault_of_the_audit_itself_is_not_a_finding(
    project: Project, service: VulnerabilityService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Osv, "advisories", lambda *_: {})
    assert project.audit(service).code == 2

    def fault(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Osv, "advisories", fault)
    outcome = project.audit(service)
    assert (outcome.code, outcome.err.splitlines()[0]) == (2, "could not run: a fault of the audit itself")


# This project


def test_every_lock_of_the_project_can_be_audited_and_none_is_forgotten(service: VulnerabilityService) -> None:
    """As the command runs it: exit code 0 from a service that knows of nothing bad in them."""
    done = subprocess.run(
        [sys.executable, "-m", "supply_chain", "--service", service.url],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    locks = locks_of(ROOT)
    assert f"of {len(locks)} locks" in done.stdout
    asked = {(query["package"]["name"], query["version"]) for query in service.asked}
    assert {(pin.name, pin.version) for path in locks for pin in read_lock(path)} <= asked
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.txt"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    hashed = {ROOT / name for name in tracked if "--hash=sha256:" in (ROOT / name).read_text(encoding="utf-8")}
    assert hashed == set(locks)


def test_a_vulnerable_lock_of_the_project_fails_the_command(service: VulnerabilityService) -> None:
    pin = read_lock(locks_of(ROOT)[0])[0]
    service.add(pin.name, pin.version, ADVISORY)
    done = subprocess.run(
        [sys.executable, "-m", "supply_chain", "--service", service.url],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{pin.name} {pin.version}: {ADVISORY}" in done.stdout


def test_a_lock_is_read_with_versions_markers_and_hashes(project: Project) -> None:
    assert read_lock(project.lock) == [
        Pin("alpha", "1.0", "", (HASH, "b" * 64)),
        Pin("beta", "2.0", "os_name == 'nt'", (HASH,)),
    ]


def test_a_lock_of_a_size_that_none_has_is_not_read(project: Project) -> None:
    project.lock.write_text("#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(LockProblem, match="larger"):
        read_lock(project.lock)


def test_the_control_is_not_one_of_our_own_findings(project: Project, service: VulnerabilityService) -> None:
    outcome = project.audit(service)
    assert CONTROL_ADVISORY not in outcome.out
    assert json.loads(service.answer(service.asked[:1])[1])["results"][0]["vulns"]
