"""`python -m supply_chain`: looks up known vulnerabilities of the locked packages.

Exit codes: 0 no vulnerability is known, 1 one is known, 2 the audit could not run, so it says nothing.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from supply_chain.audit import COULD_NOT_RUN, PROBLEMS, audit
from supply_chain.osv import SERVICE, Osv

ROOT: Final = Path(__file__).resolve().parents[1]


def locks_of(root: Path) -> list[Path]:
    """Every hashed lock of the repository; the image's lock is the first."""
    return [root / "websocket_handler" / "requirements.txt", *sorted((root / "requirements").glob("*.txt"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the audit. Returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="supply_chain", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "locks", nargs="*", type=Path, help="hashed requirements files; all of the project's by default"
    )
    parser.add_argument("--ignored", type=Path, default=Path(__file__).with_name("ignored.toml"))
    parser.add_argument("--service", default=SERVICE, help="address of an OSV service (default: %(default)s)")
    given = parser.parse_args(arguments)
    locks = given.locks or [Path(os.path.relpath(path)) for path in locks_of(ROOT)]
    try:
        report = audit(locks, given.ignored, Osv(given.service), datetime.datetime.now(datetime.UTC).date())
    except PROBLEMS as problem:
        sys.stderr.write(f"could not run: {problem}\nNothing is known about the locked packages.\n")
        return COULD_NOT_RUN
    except Exception:  # noqa: BLE001 - Python's own exit code for a fault means "something known" here
        sys.stderr.write(f"could not run: a fault of the audit itself\n{traceback.format_exc()}")
        return COULD_NOT_RUN
    sys.stdout.write(f"{report}\n")
    return report.code


if __name__ == "__main__":
    sys.exit(main())
