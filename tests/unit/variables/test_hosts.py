"""The addresses and names of WEBSOCKET_HOST."""

import pytest

from websocket_handler.variables.hosts import LABEL_CHARACTERS_MAX, read_hosts

TOO_LONG = "a" * (LABEL_CHARACTERS_MAX + 1)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        (" 0.0.0.0 ,, ::1 ,", ("0.0.0.0", "::1")),
        ("[::1],[2001:db8::1]", ("::1", "2001:db8::1")),
        ("::", ("::",)),
        ("fe80::1%eth0", ("fe80::1%eth0",)),
        ("::ffff:127.0.0.1", ("::ffff:127.0.0.1",)),
        ("localhost,gateway.example", ("localhost", "gateway.example")),
        ("a" * LABEL_CHARACTERS_MAX + ".example", ("a" * LABEL_CHARACTERS_MAX + ".example",)),
    ],
)
def test_addresses_and_names_are_read_in_their_order(text: str, hosts: tuple[str, ...]) -> None:
    assert read_hosts(text) == hosts


@pytest.mark.parametrize(
    "host",
    ["http://a", "a:8080", "127.0.0.1:80", "[::1]:80", "a b", "a/b", "é", "*", "[a]", "a\nb", "::1%", ":80", TOO_LONG],
)
def test_what_is_no_address_is_told_and_shown(host: str) -> None:
    with pytest.raises(ValueError, match="is no address: write it without a scheme and without a port") as raised:
        read_hosts(f"127.0.0.1,{host}")
    assert str(raised.value).isascii()
    assert "\n" not in str(raised.value)


def test_several_wrong_addresses_are_told_together() -> None:
    with pytest.raises(ValueError, match=r"^each of 'a b', 'c/d' is no address"):
        read_hosts("a b,ok,c/d")


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_no_address_at_all_listens_nowhere(text: str) -> None:
    with pytest.raises(ValueError, match="names no address"):
        read_hosts(text)
