"""Settings as a struct declares them: read, described, and told with an example."""

from typing import Annotated, Literal

import msgspec
import pytest

from websocket_handler.variables.declared import Described, Setting, setting, settings_of
from websocket_handler.variables.shown import HIDDEN


class Settings(msgspec.Struct):
    """Those of this test."""

    name: Annotated[str, setting("who it is", example="ada")]
    web_port: Annotated[int, setting("where it listens", "", ge=1, le=10)] = 8
    patience_s: Annotated[float, setting("how long it waits", "s", ge=0)] = 2.5
    mode: Annotated[Literal["", "fast", "slow"], setting("how it runs")] = ""
    password: Annotated[str, setting("a secret", is_secret=True, example="$(openssl rand)")] = ""


BY_NAME = {one.name: one for one in settings_of(Settings)}
NAME, PORT, PATIENCE, MODE, PASSWORD = BY_NAME.values()


def test_every_field_is_a_setting_in_order() -> None:
    assert list(BY_NAME) == ["name", "web_port", "patience_s", "mode", "password"]
    assert [one.variable for one in BY_NAME.values()][1] == "WEB_PORT"
    assert [one.is_required for one in BY_NAME.values()] == [True, False, False, False, False]


def test_a_text_becomes_a_value_of_its_type() -> None:
    assert (PORT.convert("10"), PATIENCE.convert("0.5"), MODE.convert("Slow")) == (10, 0.5, "slow")
    with pytest.raises(ValueError, match="must be"):
        PORT.convert("11")
    assert (PATIENCE.guess("1 min"), MODE.guess("fats"), PORT.guess("eleven")) == ("60", "fast", None)


@pytest.mark.parametrize(
    ("one", "text", "row"),
    [
        (NAME, "", Described("NAME", "", "required", "", "", "who it is")),
        (PORT, "", Described("WEB_PORT", "8", "8", "", "1 to 10", "where it listens")),
        (PORT, "99", Described("WEB_PORT", "99", "8", "", "1 to 10", "where it listens")),
        (PATIENCE, "3", Described("PATIENCE_S", "3", "2.5", "s", "at least 0", "how long it waits")),
        (MODE, "FAST", Described("MODE", "fast", "", "", "fast | slow", "how it runs")),
        (MODE, "other", Described("MODE", "other", "", "", "fast | slow", "how it runs")),
        (PASSWORD, "hunter2", Described("PASSWORD", HIDDEN, "", "", "", "a secret")),
        (NAME, "-----BEGIN KEY", Described("NAME", HIDDEN, "required", "", "", "who it is")),
        (NAME, "http://u:p@h/", Described("NAME", f"http://{HIDDEN}@h/", "required", "", "", "who it is")),
    ],
)
def test_a_setting_is_described_with_the_value_of_its_text_even_a_wrong_one(
    one: Setting, text: str, row: Described
) -> None:
    assert one.described(text) == row


def test_a_problem_has_the_best_example_that_there_is() -> None:
    assert NAME.problem("", "is required").example == "ada"
    assert PORT.problem("x", "must be a number").example == "8"
    assert PORT.problem("x", "must be a number", "9").example == "9"
    assert PORT.problem("x", "must be a number", "").example == "", "no example is wanted"


def test_a_problem_shows_no_secret_and_quotes_everything_else() -> None:
    assert PASSWORD.problem("hunter2", "is short").value == HIDDEN
    assert PASSWORD.problem("", "is missing").value == ""
    assert NAME.problem("a\nb", "must be one line").value == r"'a\nb'"


def test_the_variable_of_a_kubernetes_service_is_told_by_its_value() -> None:
    assert "enableServiceLinks" in PORT.problem("tcp://10.0.0.1:80", "must be a number").reason
    assert "enableServiceLinks" not in NAME.problem("tcp://10.0.0.1:80", "must be a name").reason
