"""Lines that leave the process: in order, to the last one, and without a wait for whoever reads them."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from websocket_handler.telemetry import lines
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.lines import LineWriter


class Pipe:
    """A pipe that holds one page. Nobody reads it until the test does."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)

    def fill(self) -> None:
        """Leave no room."""
        os.write(self.writing, b"." * 4095 + b"\n")

    def read_until(self, end: bytes) -> list[bytes]:
        """What is read up to a line with this end."""
        data = b""
        while not data.endswith(end + b"\n"):
            data += os.read(self.reading, 65_536)
        return data.splitlines()

    def close(self) -> None:
        """A reader that is gone lets go of a writer that waits for it."""
        for descriptor in (self.reading, self.writing):
            with suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_every_line_arrives_in_order_to_the_last_one(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = LineWriter(file.fileno(), Counters())
        for number in range(20_000):
            writer.put(str(number))
        writer.stop()
        writer.stop()
    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(20_000)]


def test_lines_of_several_threads_and_bursts_are_whole(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writing, Counters())
    for burst in range(5):
        writer.put("x" * 3000)
        writer.put(f"end of {burst}")
        assert pipe.read_until(b"end of %d" % burst) == [b"x" * 3000, b"end of %d" % burst]
    writer.stop()


def test_a_pipe_that_nobody_reads_costs_lines_that_are_counted_and_never_a_wait(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "QUEUE_BYTES_MAX", 1009)
    pipe.fill()
    counters = Counters()
    writer = LineWriter(pipe.writing, counters)
    for number in range(300):
        writer.put(f"{number:09}")
    assert counters.log_records_dropped == 200, "a hundred lines of ten bytes may wait"
    found = pipe.read_until(b"%09d" % 99)
    assert found[1:] == [b"%09d" % number for number in range(100)]
    writer.put("after")  # fits even while the hundred still count: they do until the thread is back from its write
    assert pipe.read_until(b"after") == [b"after"]
    for number in range(100):
        writer.put(f"{number:09}")
    assert pipe.read_until(b"%09d" % 99) == [b"%09d" % number for number in range(100)], "their room was given back"
    assert counters.log_records_dropped == 200
    writer.stop()


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end_of_the_process(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "STOP_TIMEOUT_S", 0.01)
    pipe.fill()
    writer = LineWriter(pipe.writing, Counters())
    writer.put("x")
    writer.stop()
    assert pipe.read_until(b"x")[-1] == b"x", "it is written once there is room"


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    pipe.fill()
    os.set_blocking(pipe.writing, False)
    counters = Counters()
    writer = LineWriter(pipe.writing, counters)
    writer.put("y" * 9000)
    assert pipe.read_until(b"y" * 9000)[1] == b"y" * 9000
    writer.stop()
    assert counters.log_records_dropped == 0


class Disk:
    """Takes the place of `os.write`: a disk with so many bytes of room."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.data = b""

    def write(self, _descriptor: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "no space left on device")
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.data += taken
        return len(taken)


@pytest.mark.parametrize(
    ("room", "lost", "left"),
    [
        (0, 3, b""),
        (3, 3, b"one\n"),
        (4, 2, b"one\n"),
        (6, 2, b"one\ntw\n"),
        (8, 1, b"one\ntwo\n"),
        (11, 1, b"one\ntwo\nthr\n"),
        (14, 0, b"one\ntwo\nthree\n"),
    ],
)
def test_a_full_disk_loses_what_it_does_not_take_and_the_next_line_begins_at_its_own(
    room: int, lost: int, left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, counters = Disk(room), Counters()
    monkeypatch.setattr(os, "write", disk.write)
    writer = LineWriter(1, counters)
    writer._write([b"one\n", b"two\n", b"three\n"])  # at once, so that no other line gets into the refusal
    assert counters.log_records_dropped == lost
    disk.room = 1000
    writer.put("four")
    writer.stop()
    assert disk.data == left + b"four\n"
    assert counters.log_records_dropped == lost


def test_a_reader_that_is_gone_costs_lines_and_nothing_else(pipe: Pipe) -> None:
    os.close(pipe.reading)
    counters = Counters()
    writer = LineWriter(pipe.writing, counters)
    writer.put("x")
    writer.stop()
    assert counters.log_records_dropped == 1
