"""How much memory the process takes, and how much its container may: from the files that the kernel gives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from websocket_handler.adapters.system import process_memory
from websocket_handler.adapters.system.process_memory import (
    UNLIMITED_BYTES,
    container_limit_bytes,
    memory_limit_bytes,
    resident_bytes,
)

MEGABYTE = 1 << 20


def test_a_process_takes_memory_and_what_it_takes_more_is_seen() -> None:
    before = resident_bytes()
    assert before > MEGABYTE
    taken = bytearray(64 * MEGABYTE)
    taken[::4096] = b"x" * len(taken[::4096])
    assert resident_bytes() > before + 32 * MEGABYTE


@pytest.mark.parametrize("text", [None, "", "7", "7 x 9"])
def test_a_system_that_does_not_tell_gives_nought(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "statm"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(process_memory, "_STATM", path)
    assert resident_bytes() == 0


@pytest.fixture
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None, str | None], None]:
    """Writes what the control groups of both versions say; None leaves a file out."""

    def write(second: str | None, first: str | None) -> None:
        paths = (tmp_path / "memory.max", tmp_path / "memory.limit_in_bytes")
        for path, text in zip(paths, (second, first), strict=True):
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(text)
        monkeypatch.setattr(process_memory, "_LIMITS", paths)

    return write


@pytest.mark.parametrize(
    ("second", "first", "expected"),
    [
        ("536870912\n", None, 536_870_912),
        ("max\n", None, 0),
        (None, "536870912\n", 536_870_912),
        (None, "9223372036854771712\n", 0),
        (None, f"{UNLIMITED_BYTES - 1}", UNLIMITED_BYTES - 1),
        (None, f"{UNLIMITED_BYTES}", 0),
        ("max", "536870912", 536_870_912),
        ("1000", "2000", 1000),
        (None, None, 0),
        ("", "x", 0),
    ],
)
def test_the_containers_limit_in_either_version(
    second: str | None, first: str | None, expected: int, limits: Callable[[str | None, str | None], None]
) -> None:
    limits(second, first)
    assert container_limit_bytes() == expected


def test_minus_one_means_nine_tenths_of_the_container(limits: Callable[[str | None, str | None], None]) -> None:
    limits("1001", None)
    assert memory_limit_bytes(-1) == 900
    assert memory_limit_bytes(0) == 0
    assert memory_limit_bytes(7) == 7
    limits("max", None)
    assert memory_limit_bytes(-1) == 0, "a container without a limit sets none"
