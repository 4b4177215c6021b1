"""The settings of a system on one machine: yours, its own, and which of the two counts."""

from __future__ import annotations

import pytest

from websocket_handler.cli.dev.local import Local
from websocket_handler.cli.dev.settings import choose
from websocket_handler.config import ConfigurationError


def test_the_demo_takes_settings_from_the_environment() -> None:
    choice = choose({"WEBSOCKET_PORT": '"19000"', "WEBSOCKET_HOST": "127.0.0.1,::1", "DRAIN_SECONDS": " 3 "})
    assert (choice.hosts, choice.port, choice.drain_s) == (("127.0.0.1", "::1"), 19000, 3)
    assert choice.variables["DRAIN_SECONDS"] == "3"
    assert choice.remarks == []


def test_the_demo_has_defaults_of_its_own() -> None:
    """An empty setting is none."""
    choice = choose({"WEBSOCKET_HOST": "", "LOG_FORMAT": " "})
    assert (choice.hosts, choice.port, choice.drain_s) == (("127.0.0.1",), 8080, 1)
    assert choice.variables["LOG_FORMAT"] == "console"


def test_an_option_goes_before_the_environment() -> None:
    choice = choose({"WEBSOCKET_HOST": "::1", "WEBSOCKET_PORT": "19000"}, host="127.0.0.1", port=0)
    assert (choice.hosts, choice.port) == (("127.0.0.1",), 0)


def test_the_demo_says_what_it_sets_itself() -> None:
    choice = choose({"SQS_QUEUE_URL_PM": "https://sqs.example/1/q", "AWS_REGION": "eu-west-1", "LOG_LEVLE": "x"})
    assert choice.remarks == [
        "AWS_REGION, SQS_QUEUE_URL_PM: the demo sets this itself, for its emulator; yours has no effect",
        "LOG_LEVLE: is no setting and has no effect; did you mean LOG_LEVEL?",
    ]


def test_the_demo_tells_all_that_is_wrong_before_it_starts_anything() -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose({"WEBSOCKET_PORT": "eighty", "LOG_LEVEL": "loud"})
    assert [problem.variable for problem in caught.value.problems] == ["WEBSOCKET_PORT", "LOG_LEVEL"]


def test_dev_sets_the_memory_stores_itself_and_says_so() -> None:
    chosen = choose({"LOG_STORE": "dynamodb", "LOG_LEVEL": "warning"}, stand_ins=Local.STAND_INS, reason="why")
    assert chosen.remarks == ["LOG_STORE: why; yours has no effect"]
