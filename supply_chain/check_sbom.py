"""`python -m supply_chain.check_sbom SBOM LOCK`: checks that a bill of materials is valid, and lists what the lock
lists.

Needs the packages of requirements/sbom.txt. Exit codes: 0 both are true, 1 one is not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from supply_chain.lock import LockProblem, read_lock

ROOT_REFERENCE: Final = "websocket-handler"


def problems(text: str, lock: Path) -> Iterator[str]:
    """What is wrong with a bill of materials. Raises LockProblem, and ValueError for text that is no JSON."""
    document: dict[str, Any] = json.loads(text)
    for fault in JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True) or ():
        yield f"not CycloneDX 1.6: {fault}"
        return
    if (document["bomFormat"], document["specVersion"]) != ("CycloneDX", "1.6"):
        yield "not CycloneDX 1.6, as it says itself"
        return
    pins = {pin.name: pin for pin in read_lock(lock)}
    components = {component["name"]: component for component in document["components"]}
    if len(components) != len(document["components"]):
        yield "a package stands in it twice"
    for name in sorted(pins.keys() ^ components.keys()):
        yield f"{name}: {'not in the bill' if name in pins else 'not in the lock'}"
    for name in sorted(pins.keys() & components.keys()):
        pin, component = pins[name], components[name]
        if component["version"] != pin.version or component.get("purl") != f"pkg:pypi/{name}@{pin.version}":
            yield f"{name}: not version {pin.version}"
        digests = [digest["content"] for digest in component.get("hashes", ()) if digest["alg"] == "SHA-256"]
        if len(digests) != 1 or digests[0] not in pin.hashes:
            yield f"{name}: not the one digest of a file that the lock allows"
    lost = {component["bom-ref"] for component in components.values()} - set(_reached(document))
    for reference in sorted(lost):
        yield f"{reference}: nothing depends on it"


def _reached(document: dict[str, Any]) -> Iterator[str]:
    """Everything on which the application depends, directly or not."""
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in document.get("dependencies", ())}
    waiting, seen = [ROOT_REFERENCE], {ROOT_REFERENCE}
    while waiting:
        for reference in edges.get(waiting.pop(), ()):
            if reference not in seen:
                seen.add(reference)
                waiting.append(reference)
                yield reference


def main(arguments: Sequence[str]) -> int:
    """Check one file. Returns the exit code."""
    try:
        found = list(problems(Path(arguments[0]).read_text(encoding="utf-8"), Path(arguments[1])))
    except (OSError, ValueError, LockProblem) as fault:
        found = [str(fault)]
    except IndexError:
        found = [__doc__ or ""]
    if found:
        sys.stderr.write("\n".join([*found, ""]))
        return 1
    sys.stdout.write(f"{arguments[0]}: valid CycloneDX 1.6, {len(read_lock(Path(arguments[1])))} packages as locked\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
