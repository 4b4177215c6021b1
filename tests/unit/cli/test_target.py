"""Which gateway a client command speaks to, and that no token goes to another one."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from websocket_handler.cli.target import URL, Target, find_target


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody with two profiles."""
    folder = tmp_path / ".config" / "websocket-handler"
    folder.mkdir(parents=True)
    text = '[default]\nurl = "ws://default"\ntoken = "d"\n[prod]\nurl = "wss://prod/ws"\ntoken = "p"\n[odd]\nurl = 1\n'
    (folder / "profile.toml").write_text(text, encoding="utf-8")
    return {"HOME": str(tmp_path)}


NAMED = {"WEBSOCKET_HANDLER_URL": "ws://named", "WEBSOCKET_HANDLER_TOKEN": "n"}


def test_without_anything_it_is_the_gateway_of_dev(tmp_path: Path) -> None:
    assert find_target(None, None, None, {"HOME": str(tmp_path)}) == Target(URL, None)


@pytest.mark.parametrize(
    ("given", "more", "found"),
    [
        ((None, None, None), {}, Target("ws://default", "d")),
        ((None, None, None), NAMED, Target("ws://named", "n")),
        (("ws://given", None, None), NAMED, Target("ws://given", "n")),
        (("ws://given", None, None), {}, Target("ws://given", None)),
        ((None, "t", None), {}, Target("ws://default", "t")),
        ((None, None, "prod"), NAMED, Target("wss://prod/ws", "p")),
    ],
    ids=range(6),
)
def test_an_option_goes_before_the_environment_and_that_before_the_default_profile(
    home: dict[str, str], given: tuple[str | None, str | None, str | None], more: dict[str, str], found: Target
) -> None:
    assert find_target(*given, {**home, **more}) == found


@pytest.mark.parametrize(
    ("url", "profile"), [("ftp://h", None), ("ws://", None), (None, "none"), (None, "odd"), ("ws://h:0", None)]
)
def test_what_leads_to_no_gateway_is_told(home: dict[str, str], url: str | None, profile: str | None) -> None:
    with pytest.raises(click.UsageError):
        find_target(url, None, profile, home)


@pytest.mark.parametrize(
    ("url", "socket_url", "base_url"),
    [
        ("ws://h:1", "ws://h:1/ws", "http://h:1"),
        ("wss://h/ws", "wss://h/ws", "https://h"),
        ("https://h/", "wss://h/ws", "https://h"),
        ("http://h/under/ws", "ws://h/under/ws", "http://h/under"),
    ],
)
def test_a_url_of_either_kind_leads_to_both(url: str, socket_url: str, base_url: str) -> None:
    target = Target(url, None)
    assert (target.socket_url, target.base_url) == (socket_url, base_url)
