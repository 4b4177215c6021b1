"""What VALKEY_URL may look like, and what is said of one that cannot be used."""

import pytest

from websocket_handler.adapters.valkey.url import HOSTS_MAX, Address, UnusableUrl, ValkeyUrl, read_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://cache", ValkeyUrl((Address("cache", 6379),))),
        ("valkey://cache:7000/", ValkeyUrl((Address("cache", 7000),))),
        ("REDISS://cache:7000/0", ValkeyUrl((Address("cache", 7000),), is_encrypted=True)),
        ("valkeys://cache", ValkeyUrl((Address("cache", 6379),), is_encrypted=True)),
        ("redis://[::1]:7000", ValkeyUrl((Address("::1", 7000),))),
        ("redis://:secret@cache", ValkeyUrl((Address("cache", 6379),), password="secret")),  # noqa: S106
        ("redis://me:a%40b%3A%23@cache", ValkeyUrl((Address("cache", 6379),), user="me", password="a@b:#")),  # noqa: S106
        ("redis://[FE80::1%25eth0]", ValkeyUrl((Address("fe80::1%25eth0", 6379),))),
        ("redis://cache:", ValkeyUrl((Address("cache", 6379),))),
        (
            "redis://a,[::1],[::2]:7?sentinel=main",
            ValkeyUrl((Address("a", 26_379), Address("::1", 26_379), Address("::2", 7)), sentinel="main"),
        ),
        ("redis://a,b:7?sentinel=main", ValkeyUrl((Address("a", 26_379), Address("b", 7)), sentinel="main")),
    ],
)
def test_a_url_is_read(text: str, url: ValkeyUrl) -> None:
    assert read_url(text) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begins with"),
        ("cache:6379", "begins with"),
        ("http://cache", "begins with"),
        ("redis://", "no host"),
        ("redis://a:0", "no number from 1 to 65535"),
        ("redis://a:65536", "no number from 1 to 65535"),
        (f"redis://a:{'9' * 5000}", "no number from 1 to 65535"),
        ("redis://a:x", "no number from 1 to 65535"),
        ("redis://a:٣", "no number from 1 to 65535"),
        ("redis://[::1", "no name and no address"),
        ("redis://[::1]x", "no name and no address"),
        ("redis://[v1.a]", "no name and no address"),
        ("redis://::1", "no number from 1 to 65535"),
        ("redis://a/1", "names a database"),
        ("redis://a#b", "write %23"),
        ("redis://a,b", "needs ?sentinel=NAME"),
        ("redis://a?sentinel=", "must name one primary"),
        ("redis://a?sentinel=x&sentinel=y", "must name one primary"),
        ("redis://a?db=1", "unknown parameter, 'db'"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(text: str, reason: str) -> None:
    with pytest.raises(UnusableUrl, match=reason.replace("?", "[?]")):
        read_url(text)


def test_as_many_hosts_as_allowed_and_one_more() -> None:
    most = ",".join(f"h{number}" for number in range(HOSTS_MAX))
    assert len(read_url(f"redis://{most}?sentinel=main").addresses) == HOSTS_MAX
    with pytest.raises(UnusableUrl, match=f"more than {HOSTS_MAX} hosts"):
        read_url(f"redis://{most},another?sentinel=main")


def test_shown_without_its_password() -> None:
    assert str(read_url("rediss://me:secret@[::1],b?sentinel=main")) == "rediss://[::1]:26379,b:26379?sentinel=main"
    assert str(read_url("redis://me:secret@cache")) == "redis://cache:6379"
