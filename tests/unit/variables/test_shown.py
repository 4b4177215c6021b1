"""What of a value may be shown: no credentials, one line, and not too much."""

import pytest

from websocket_handler.variables.shown import VALUE_CHARACTERS_MAX, is_readable, quoted, redacted


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://sqs.example/1/pm", "https://sqs.example/1/pm"),
        ("https://user:hunter2@host/x", "https://***@host/x"),
        ("https://hunter2@host", "https://***@host"),
        ("user:hunter2@host:80", "***@host:80"),
        ("  http://u:hunter2@host", "  http://***@host"),
        ("http://u:hunt/er2@host:x", "http://***@host:x"),
        ("https://a:hunter2@b, https://c:hunter2@d/e@f", "https://***@b, https://***@d/e@f"),
        ("https://host/path@2", "https://host/path@2"),
        ("https://host/?to=a@b", "https://host/?to=a@b"),
        ("http://u:hunter2@[::1", "http://***@[::1"),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_a_url_is_shown_without_who_uses_it(value: str, shown: str) -> None:
    assert redacted(value) == shown
    assert "hunter2" not in quoted(value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a:80", True),
        ("http://a", True),
        ("", True),
        ("http://a:x", False),
        ("http://a:99999", False),
        ("http://[::1", False),
    ],
)
def test_a_url_that_cannot_be_taken_apart_is_told_from_one_that_can(url: str, expected: bool) -> None:
    assert is_readable(url) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a", "'a'"), ("é\n\x1b", r"'\xe9\n\x1b'"), ("'", '"\'"'), ("\u202e", r"'\u202e'"), ("", "''")],
)
def test_a_value_in_a_message_is_ascii_on_one_line(value: str, shown: str) -> None:
    assert quoted(value) == shown


def test_a_long_value_is_cut_at_its_maximum() -> None:
    assert quoted("x" * VALUE_CHARACTERS_MAX) == f"'{'x' * VALUE_CHARACTERS_MAX}'"
    assert quoted("x" * (VALUE_CHARACTERS_MAX + 1)) == f"'{'x' * VALUE_CHARACTERS_MAX}...'"


def test_credentials_are_taken_out_before_the_value_is_cut() -> None:
    assert "hunter2" not in quoted(f"https://{'u' * 90}:hunter2@host")
