"""The image's bill of materials: CycloneDX JSON from the hashed lock, pip's report and what lies installed.

The three have to say the same. Runs while the image is built, with nothing but Python, and stays out of it.
"""

import argparse
import json
import re
import sys
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
REQUIRED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LICENCE_CHARACTERS_MAX = 120
"""Longer ones are whole texts, not names."""


class Disagreement(Exception):
    """The lock, the report and the folder do not describe the same packages."""


def normalised(name: str) -> str:
    """The one spelling of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, tuple[str, set[str]]]:
    """Version and allowed SHA-256 digests of every package in a lock."""
    found: dict[str, tuple[str, set[str]]] = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        pin, hashes = PIN.match(entry), set(HASH.findall(entry))
        if entry.startswith("#"):
            continue
        if pin is None or not hashes or normalised(pin[1]) in found:
            raise Disagreement(f"not one version with its hashes: {entry[:80]!r}")
        found[normalised(pin[1])] = (pin[2], hashes)
    return found


def fetched(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Version and digest of every file that pip took, from its installation report."""
    return {
        normalised(item["metadata"]["name"]): (
            item["metadata"]["version"],
            item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in report["install"]
    }


def installed(folder: Path) -> dict[str, Distribution]:
    """What lies in a folder of packages."""
    return {normalised(found.metadata["Name"]): found for found in distributions(path=[str(folder)])}


def check(
    lock: dict[str, tuple[str, set[str]]],
    taken: dict[str, tuple[str, str]],
    present: dict[str, Distribution],
    *,
    exact: bool,
) -> None:
    """Raises Disagreement unless all three agree; with `exact`, unless nothing else lies in the folder."""
    differing = lock.keys() ^ taken.keys() | (lock.keys() ^ present.keys() if exact else lock.keys() - present.keys())
    if differing:
        raise Disagreement(f"not the same packages: {', '.join(sorted(differing))}")
    for name, (version, hashes) in lock.items():
        if not version == taken[name][0] == present[name].version:
            raise Disagreement(f"{name}: locked {version}, fetched {taken[name][0]}, installed {present[name].version}")
        if taken[name][1] not in hashes:
            raise Disagreement(f"{name}: the fetched file's digest is not in the lock")


def licences(found: Distribution) -> list[dict[str, Any]]:
    """What a package says of its licence: an SPDX expression, else its classifiers, else a short name."""
    said = found.metadata
    if "License-Expression" in said:
        return [{"expression": said["License-Expression"], "acknowledgement": "declared"}]
    parts = [text.split(" :: ") for text in said.get_all("Classifier") or []]
    names = [text[-1] for text in parts if text[0] == "License" and len(text) > 2]
    text = said["License"].strip() if "License" in said else ""
    if not names and text and "\n" not in text and len(text) <= LICENCE_CHARACTERS_MAX:
        names = [text]
    return [{"license": {"name": name, "acknowledgement": "declared"}} for name in names]


def needs(found: Distribution, names: set[str]) -> Iterator[str]:
    """Which of `names` a package needs, those of its extras left out."""
    for requirement in found.requires or []:
        text, _, marker = requirement.partition(";")
        name = REQUIRED_NAME.match(text)
        if name and "extra" not in marker and normalised(name[0]) in names:
            yield normalised(name[0])


def reference(name: str, version: str) -> str:
    """A package URL (purl-spec, type pypi)."""
    return f"pkg:pypi/{name}@{urllib.parse.quote(version, safe='')}"


def bill(
    lock: dict[str, tuple[str, set[str]]],
    taken: dict[str, tuple[str, str]],
    present: dict[str, Distribution],
    version: str,
    created: str,
) -> dict[str, Any]:
    """The document. The same packages, version and time give the same text."""
    references = {name: reference(name, lock[name][0]) for name in sorted(lock)}
    components, edges, needed = [], [], set()
    for name, its_reference in references.items():
        its_licences = licences(present[name])
        components.append(
            {
                "type": "library",
                "bom-ref": its_reference,
                "name": name,
                "version": lock[name][0],
                "scope": "required",
                "hashes": [{"alg": "SHA-256", "content": taken[name][1]}],
                **({"licenses": its_licences} if its_licences else {}),
                "purl": its_reference,
            }
        )
        its_needs = sorted(set(needs(present[name], set(lock))) - {name})
        needed.update(its_needs)
        edges.append({"ref": its_reference, "dependsOn": [references[other] for other in its_needs]})
    direct = [its_reference for name, its_reference in references.items() if name not in needed]
    root = {"type": "application", "bom-ref": "websocket-handler", "name": "websocket-handler", "version": version}
    root_licence = {"licenses": [{"license": {"id": "MIT", "acknowledgement": "declared"}}]}
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": created, "lifecycles": [{"phase": "build"}], "component": {**root, **root_licence}},
        "components": components,
        "dependencies": [{"ref": "websocket-handler", "dependsOn": direct}, *edges],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{serial}"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bill; exit code 1 with a line on stderr when the inputs disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, required=True, help="the hashed requirements file")
    parser.add_argument("--report", type=Path, required=True, help="what `pip install --report` wrote")
    parser.add_argument("--packages", type=Path, required=True, help="the folder that the packages lie in")
    parser.add_argument("--exact", action="store_true", help="the folder has nothing else")
    parser.add_argument("--version", required=True)
    parser.add_argument("--created", required=True, help="ISO 8601, UTC")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        lock, taken = locked(given.lock.read_text("utf-8")), fetched(json.loads(given.report.read_text("utf-8")))
        present = installed(given.packages)
        check(lock, taken, present, exact=given.exact)
    except (Disagreement, KeyError) as fault:
        sys.stderr.write(f"no bill of materials: {fault}\n")
        return 1
    document = bill(lock, taken, present, given.version, given.created)
    given.output.write_text(json.dumps(document, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
