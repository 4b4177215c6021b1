"""Coverage-guided fuzzing of the pure parts with atheris: inputs that reach new code are kept, and changed further.

`make fuzz-coverage MINUTES=n` gives every harness its share of the time, in a process of its own with bounds on memory
and on the time for one input. It starts from the committed corpus; what it finds is kept under `.run/fuzz`, also for
the next run. A violation is printed with its input, which belongs into the corpus once its cause is cured.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.support.spec_files import text_of, vectors

REPOSITORY: Final = Path(__file__).resolve().parents[2]
CORPUS: Final = Path(__file__).parent / "corpus"
WORDS: Final = Path(__file__).parent / "words"
"""What inputs are made of, in libFuzzer's form for dictionaries."""
FOUND: Final = REPOSITORY / ".run" / "fuzz"
INSTRUMENTED: Final = ["websocket_handler", "jwt", "json"]
INPUT_BYTES_MAX: Final = 4096
INPUT_SECONDS_MAX: Final = 2
"""Far above what any input needs; robustness.md's 50 ms are the aim, and a busy machine is no finding."""
MEMORY_MIB_MAX: Final = 512
_STATUS: Final = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/\S+ .*?rss: (\d+)Mb", re.MULTILINE)
NAMES: Final = ("frames", "deflate", "http", "extensions", "text", "publications", "updates", "tokens", "keys")


def fuzz(name: str, arguments: list[str]) -> None:
    """Search with one harness, in this process, which ends with it."""
    atheris: Any = import_module("atheris")  # only its own environment has it

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.security.harnesses import HARNESSES  # noqa: PLC0415 - instrumented as it is imported

    harness = HARNESSES[name]

    def one(data: bytes) -> None:
        try:
            harness(data)
        except BaseException:
            FOUND.mkdir(parents=True, exist_ok=True)
            (FOUND / f"{name}-violation").write_bytes(data)  # atheris does not always come to write it
            raise

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def vectors_for(name: str) -> list[bytes]:
    """The specification's own examples, where a harness reads their kind."""
    match name:
        case "text":
            return [text_of(vector) for kind in ("valid", "invalid") for vector in vectors(f"commands-{kind}")]
        case "publications":
            return [str(vector["payload"]).encode() for vector in vectors("publications")]
        case "updates":
            return [str(vector["body"]).encode() for vector in vectors("updates")]
        case _:
            return []


def run(name: str, seconds: int, seed: int) -> bool:
    """Search with one harness in its own process, and print what was done. Returns True if it found nothing."""
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(vectors_for(name)):
        (found / f"vector-{number}").write_bytes(data)
    bounds = [
        f"-max_total_time={seconds}",
        f"-timeout={INPUT_SECONDS_MAX}",
        f"-rss_limit_mb={MEMORY_MIB_MAX}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-artifact_prefix={FOUND}/{name}-",
        f"-seed={seed}",
    ]
    words = WORDS / f"{name}.txt"
    if words.exists():
        bounds.append(f"-dict={words}")
    command = [sys.executable, "-m", "tests.security.coverage_fuzz", "--harness", name, *bounds]
    done = subprocess.run(
        [*command, str(found), str(CORPUS / name)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    statuses = _STATUS.findall(done.stdout)
    executions, coverage, features, inputs, memory_mib = statuses[-1] if statuses else ("0",) * 5
    print(  # noqa: T201
        f"{name:13}{executions:>10} executions {coverage:>6} edges {features:>6} features {inputs:>5} inputs "
        f"{memory_mib:>4} MiB  {'no violation' if done.returncode == 0 else 'VIOLATION'}",
        flush=True,
    )
    if done.returncode:
        print(done.stdout[-6000:])  # noqa: T201
    return done.returncode == 0


def main() -> int:
    """One harness for libFuzzer, or all of them in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--harness", choices=NAMES, help="only this one, in this process, with libFuzzer's arguments")
    parser.add_argument("--minutes", type=float, default=10, help="for all of them together")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    options, arguments = parser.parse_known_args()
    if options.harness:
        fuzz(options.harness, arguments)
        return 0
    seconds = max(1, round(options.minutes * 60 / len(NAMES)))
    outcomes = [run(name, seconds, options.seed) for name in NAMES]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
