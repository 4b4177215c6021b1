"""URLs: what is wrong with them, what may have been meant, and what of them may be shown."""

import pytest

from websocket_handler.variables.shown import VALUE_CHARACTERS_MAX, quoted, redacted
from websocket_handler.variables.urls import check_queue_url, check_url, guess_url


@pytest.mark.parametrize("text", ["http://h", "https://h:1/x?y", "http://[::1]:4566", "https://u:p@h/"])
def test_a_url_has_a_scheme_and_a_host(text: str) -> None:
    check_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "h",
        "h:80",
        "//h",
        "ftp://h",
        "http://",
        "http:///x",
        "http://[::1",
        "http://h:port",
        "http://h:99999",
        "http://a b",
    ],
)
def test_what_is_no_url_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="must be a URL with http or https and a host"):
        check_url(text)


@pytest.mark.parametrize("text", ["https://sqs.eu-west-1.amazonaws.com", "https://sqs.eu-west-1.amazonaws.com/"])
def test_a_server_is_no_queue(text: str) -> None:
    with pytest.raises(ValueError, match="the queue's name"):
        check_queue_url(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("sqs.eu-west-1.amazonaws.com/1/q", "https://sqs.eu-west-1.amazonaws.com/1/q"),
        ("localhost:4566", "http://localhost:4566"),
        ("127.0.0.1:4566/q", "http://127.0.0.1:4566/q"),
        ("emulator:5000/1/q", "http://emulator:5000/1/q"),
        ("arn:aws:sqs:eu-west-1:123456789012:q.fifo", "https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo"),
        ("arn:aws-cn:sqs:cn-north-1:123456789012:q", "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q"),
        ("my-queue", ""),
        ("", ""),
        ("a b.c", ""),
    ],
)
def test_the_url_that_may_be_meant(text: str, url: str) -> None:
    assert guess_url(text) == url


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://u:p@h/x", "https://***@h/x"),
        ("https://u:p@a/x,https://v:q@b/y", "https://***@a/x,https://***@b/y"),
        ("https://u:p,q@a/x", "https://***@a/x"),
        ("https://u:p/q@h/x", "https://***@h/x"),
        ("u:p@h:4566", "***@h:4566"),
        ("http://u:p@[::1", "http://***@[::1"),
        ("https://h/a@b", "https://h/a@b"),
    ],
)
def test_credentials_are_never_shown(value: str, shown: str) -> None:
    assert redacted(value) == shown


def test_a_shown_value_is_short_and_on_one_line() -> None:
    assert quoted("a\nb\x1b\udcff") == "'a\\nb\\x1b\\udcff'"
    assert quoted("x" * VALUE_CHARACTERS_MAX) == f"'{'x' * VALUE_CHARACTERS_MAX}'"
    assert quoted("x" * (VALUE_CHARACTERS_MAX + 1)) == f"'{'x' * VALUE_CHARACTERS_MAX}...'"
