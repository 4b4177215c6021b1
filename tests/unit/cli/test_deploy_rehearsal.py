"""`deploy --dry-run` on a machine that knows no AWS: what it checks, what it prints, and that it changes nothing."""

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from websocket_handler.cli import EXIT_FAILED
from websocket_handler.cli.deploy_console import Console
from websocket_handler.cli.deploy_plan import Plan
from websocket_handler.cli.deploy_rehearsal import ON_AWS, Where, rehearse

NOW = datetime(2026, 11, 22, 20, 0, 7, tzinfo=UTC)
TOOL = """#!{python}
import json, os, sys
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps(sys.argv[1:]) + "\\n")
sys.stderr.write(os.environ.get("SAYS", ""))
sys.exit(int(os.environ.get("CODE", "0")))
"""


class Machine:
    """A machine whose only programs are those that a test installs, and whose AWS has no region."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = folder / "record"

    def install(self, name: str, text: str = TOOL) -> None:
        """Put a program there that writes down what it was asked."""
        path = self._folder / name
        path.write_text(text.format(python=sys.executable), encoding="utf-8")
        path.chmod(0o755)

    def asked(self) -> list[list[str]]:
        """What the programs were asked."""
        lines = self._record.read_text(encoding="utf-8").splitlines() if self._record.exists() else []
        return [json.loads(line) for line in lines]

    def rehearse(self, *, has_build: bool = True, tool: str | None = None) -> tuple[int, list[str]]:
        """The exit code of a dry run, and what it prints."""
        stream = io.StringIO()
        plan = Plan("prod", "abc-1", "abc", NOW, has_build)
        code = rehearse(plan, Where(None, None, None, tool), Console(stream))
        return code, stream.getvalue().splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    return Machine(tmp_path)


def verdicts(lines: list[str], name: str) -> list[str]:
    """The kinds of the findings about something."""
    return [line.split()[0] for line in lines if line[:2] == "  " and line[2:].split(None, 1)[1].startswith(name)]


def test_without_a_region_nothing_on_aws_can_be_checked_and_every_question_says_so(machine: Machine) -> None:
    machine.install("docker")
    code, lines = machine.rehearse()
    assert code == EXIT_FAILED
    assert verdicts(lines, "no AWS region") == ["FAIL"]
    for name in ON_AWS:
        assert verdicts(lines, f"{name}: could not be checked") == ["??"], name
    assert "Dry run: something is missing: see FAIL above. Nothing was changed." in lines


def test_the_tool_is_asked_if_it_works_and_nothing_else(machine: Machine) -> None:
    machine.install("docker")
    machine.install("sam")
    _, lines = machine.rehearse()
    assert verdicts(lines, "container tool: docker") == ["ok"]
    assert verdicts(lines, "sam: installed") == ["ok"]
    assert machine.asked() == [["info"]]


def test_a_tool_whose_service_does_not_run_is_told_with_its_last_words(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("docker")
    monkeypatch.setenv("CODE", "3")
    for said, reason in (("first\nCannot connect\n\n", "Cannot connect"), ("", "it says no more")):
        monkeypatch.setenv("SAYS", said)
        _, lines = machine.rehearse()
        assert verdicts(lines, f"container tool: `docker info` fails with code 3: {reason}. Start its") == ["FAIL"]


def test_a_tool_that_does_not_start_or_is_not_there_is_told(machine: Machine) -> None:
    _, lines = machine.rehearse()
    assert verdicts(lines, "container tool: no container tool found") == ["FAIL"]
    machine.install("podman", "no program")
    _, lines = machine.rehearse(tool="podman")
    assert verdicts(lines, "container tool: podman does not start") == ["FAIL"]


def test_the_steps_that_would_follow_are_printed_in_their_order(machine: Machine) -> None:
    machine.install("podman")
    _, lines = machine.rehearse()
    begin = lines.index("Without --dry-run, these steps follow:")
    steps = [line.removeprefix("==> ") for line in lines[begin:] if line.startswith("==> ")]
    assert steps == ["Log in to ECR", "Build", "Push", "Run it", "Watch", "Move the alias", "Keep it"]
    text = "\n".join(lines[begin:])
    assert "podman build --platform linux/amd64 " in text
    assert "/agenticai-websocket-prod:abc-1" in text


def test_an_image_that_is_there_needs_no_tool_and_no_build(machine: Machine) -> None:
    _, lines = machine.rehearse(has_build=False)
    assert verdicts(lines, "container tool") == []
    steps = [line.removeprefix("==> ") for line in lines if line.startswith("==> ")]
    assert steps == ["Check what the deployment needs", "Run it", "Watch", "Move the alias", "Keep it"]
    assert machine.asked() == []
