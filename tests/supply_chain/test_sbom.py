"""The bill of materials is the lock, no more and no less, and says so only when everything agrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supply_chain.lock import read_lock
from tests.supply_chain.bills import CREATED, LOCK, ROOT, made, make, report_of, text

PINS = {pin.name: pin for pin in read_lock(LOCK)}


def test_the_components_are_the_locked_packages_and_nothing_else() -> None:
    components = made()["components"]
    assert [(part["name"], part["version"]) for part in components] == [
        (pin.name, pin.version) for pin in sorted(PINS.values())
    ]
    for part in components:
        assert part["purl"] == part["bom-ref"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert part["hashes"] == [{"alg": "SHA-256", "content": PINS[part["name"]].hashes[-1]}], (
            "the file that was fetched"
        )


def test_licences_come_from_the_packages_themselves() -> None:
    licences = {part["name"]: part.get("licenses") for part in made()["components"]}
    assert licences["uvicorn"] == [{"expression": "BSD-3-Clause", "acknowledgement": "declared"}]
    assert licences["six"] == [{"license": {"name": "MIT License", "acknowledgement": "declared"}}]
    assert [name for name, known in licences.items() if not known] == []


def test_everything_hangs_on_the_application() -> None:
    bill = made()
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert edges.keys() == {"websocket-handler"} | {part["bom-ref"] for part in bill["components"]}
    reached, waiting = set[str](), ["websocket-handler"]
    while waiting:
        new = set(edges[waiting.pop()]) - reached
        reached |= new
        waiting += new
    assert reached == {part["bom-ref"] for part in bill["components"]}
    assert any(
        name.startswith("pkg:pypi/botocore@") for name in edges[f"pkg:pypi/aiobotocore@{PINS['aiobotocore'].version}"]
    )


def test_it_names_the_application_and_no_address() -> None:
    bill = made()
    assert bill["metadata"]["component"]["name"] == "websocket-handler"
    assert bill["metadata"]["component"]["version"] == "1.2.3"
    assert bill["metadata"]["timestamp"] == CREATED
    assert "index.example" not in text()


def test_the_same_build_gives_the_same_bill(tmp_path: Path) -> None:
    assert make(tmp_path).returncode == 0
    assert (tmp_path / "sbom.cdx.json").read_text(encoding="utf-8") == text()


def without_one(report: dict[str, Any]) -> None:
    report["install"].pop()


def with_another(report: dict[str, Any]) -> None:
    more = {"metadata": {"name": "left-pad", "version": "1.0"}}
    report["install"].append({**report["install"][0], **more})


def with_another_version(report: dict[str, Any]) -> None:
    report["install"][0]["metadata"]["version"] = "0.0.1"


def with_another_file(report: dict[str, Any]) -> None:
    report["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"] = "0" * 64


def without_a_digest(report: dict[str, Any]) -> None:
    report["install"][0]["download_info"]["archive_info"]["hashes"] = {}


@pytest.mark.parametrize(
    "change", [without_one, with_another, with_another_version, with_another_file, without_a_digest]
)
def test_there_is_no_bill_when_something_else_was_fetched(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    report = report_of(LOCK)
    change(report)
    done = make(tmp_path, report)
    assert done.returncode == 1
    assert done.stderr.startswith("no bill of materials: ")
    assert not (tmp_path / "sbom.cdx.json").exists()


def test_there_is_no_bill_of_an_image_in_which_more_lies_than_is_locked(tmp_path: Path) -> None:
    """The environment of the tests has more than the lock; an image that had would not be built."""
    done = make(tmp_path, None, "--exact")
    assert done.returncode == 1
    assert "pytest" in done.stderr


def test_there_is_no_bill_when_less_lies_there_than_is_locked(tmp_path: Path) -> None:
    done = make(tmp_path, None, "--packages", str(tmp_path))
    assert done.returncode == 1
    assert "not the same packages" in done.stderr


def test_there_is_no_bill_of_a_lock_without_hashes(tmp_path: Path) -> None:
    loose = tmp_path / "loose.txt"
    loose.write_text("six==1.17.0\n")
    done = make(tmp_path, None, "--lock", str(loose))
    assert done.returncode == 1
    assert "not one version with its hashes" in done.stderr


def test_the_image_is_built_with_its_bill_and_without_what_makes_it() -> None:
    """The build itself is proved by `make image-test`; this holds where no image can be built."""
    text = (ROOT / "websocket_handler" / "Dockerfile").read_text()
    build, _, image = text.partition("\nFROM python:3.11-slim\n")
    assert "--exact" in build
    assert "--output app/sbom.cdx.json" in build
    assert 'websocket-handler.sbom="/app/sbom.cdx.json"' in image
    assert "sbom.py" not in image
