"""The bill of materials passes the standard's own schema, and what differs from the lock is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supply_chain.check_sbom import main, problems
from tests.supply_chain.bills import LOCK, made, text


def test_the_bill_is_valid_and_is_the_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sbom.cdx.json"
    path.write_text(text(), encoding="utf-8")
    assert main([str(path), str(LOCK)]) == 0
    assert "valid CycloneDX 1.6, " in capsys.readouterr().out


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "not CycloneDX": lambda bill: bill.update(specVersion="1.9"),
    "Additional properties": lambda bill: bill.update(colour="green"),
    "not in the bill": lambda bill: bill["components"].pop(),
    "twice": lambda bill: bill["components"].append(bill["components"][0] | {"bom-ref": "other"}),
    "not in the lock": lambda bill: bill["components"][0].update(name="left-pad"),
    "not version": lambda bill: bill["components"][0].update(version="0.0.1"),
    "not the one digest": lambda bill: bill["components"][0]["hashes"][0].update(content="0" * 64),
    "nothing depends on it": lambda bill: bill["dependencies"][0]["dependsOn"].pop(),
    "is not a 'serialNumber'|does not match": lambda bill: bill.update(serialNumber="urn:uuid:1"),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_a_bill_that_is_not_the_lock_is_found(expected: str) -> None:
    bill = made()
    CHANGES[expected](bill)
    found = "\n".join(problems(json.dumps(bill), LOCK))
    assert any(words in found for words in expected.split("|")), found


@pytest.mark.parametrize("arguments", [[], ["absent.json", "absent.txt"]])
def test_what_cannot_be_read_is_not_valid(arguments: list[str]) -> None:
    assert main(arguments) == 1
