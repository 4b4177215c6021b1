"""`websocket-handler config`: a table of every setting, without its secrets."""

import msgspec
import pytest

from tests.support.tokens import SECRET
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli.show_config import show_config
from websocket_handler.config import Settings

NEEDED = {f"SQS_QUEUE_URL_{agent}": f"https://sqs.example/1/{agent}" for agent in ("PM", "DEV", "QA", "OPS")}
NEEDED |= {"DYNAMODB_TABLE_NAME": "table"}
TITLES = ["VARIABLE", "VALUE", "DEFAULT", "UNIT", "LIMITS", "MEANING"]


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The required settings, and no other."""
    for field in msgspec.structs.fields(Settings):
        monkeypatch.delenv(field.name.upper(), raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def rows(text: str) -> dict[str, dict[str, str]]:
    """The cells of each row, by the variable and the title of the column: the columns stand below each other."""
    lines = text.splitlines()
    starts = [lines[0].index(title) for title in TITLES]
    ends = [*starts[1:], None]
    found = ([line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines[1:])
    return {cells[0]: dict(zip(TITLES, cells, strict=True)) for cells in found}


def test_every_setting_is_listed_with_its_value_default_unit_and_limits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAX_MESSAGE_BYTES", "1024")
    assert show_config() == 0
    written = capsys.readouterr()
    listed = rows(written.out)
    assert set(listed) >= {field.name.upper() for field in msgspec.structs.fields(Settings)}
    row = listed["MAX_MESSAGE_BYTES"]
    assert (row["VALUE"], row["DEFAULT"], row["UNIT"]) == ("1024", "65536", "bytes")
    assert row["LIMITS"]
    assert row["MEANING"]
    assert written.err == ""


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("JWT_SECRETS", SECRET)
    monkeypatch.setenv("AUTH_MODE", "jwt")
    assert show_config() == 0
    written = capsys.readouterr()
    assert SECRET not in written.out + written.err
    assert rows(written.out)["JWT_SECRETS"]["VALUE"]


def test_settings_that_cannot_be_used_are_listed_all_the_same_with_every_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBSOCKET_PORT", "seventy")
    monkeypatch.delenv("DYNAMODB_TABLE_NAME")
    assert show_config() == EXIT_USAGE
    written = capsys.readouterr()
    assert rows(written.out)["WEBSOCKET_PORT"]["VALUE"] == "seventy"
    for name in ("WEBSOCKET_PORT", "DYNAMODB_TABLE_NAME"):
        assert name in written.err


def test_no_line_ends_with_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    show_config()
    assert [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()] == []
