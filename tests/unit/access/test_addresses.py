"""The address that a connection counts for, and how many connections each address has."""

import pytest

from websocket_handler.access.addresses import AddressCount, client_address


@pytest.mark.parametrize(
    ("forwarded", "hops", "expected"),
    [
        ([], 1, "127.0.0.1"),
        (["1.2.3.4"], 0, "127.0.0.1"),
        (["1.2.3.4"], 1, "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4"], 1, "1.2.3.4"),
        (["6.6.6.6", "1.2.3.4"], 1, "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4, 5.6.7.8"], 2, "1.2.3.4"),
        (["1.2.3.4"], 2, "127.0.0.1"),
        (["garbage"], 1, "127.0.0.1"),
        (["1.2.3.4, "], 1, "127.0.0.1"),
        (["1.2.3.4:80"], 1, "1.2.3.4"),
        (["[2001:db8::1]:80"], 1, "2001:db8::/64"),
        (["2001:db8:0:0:ffff::1"], 1, "2001:db8::/64"),
        (["::ffff:1.2.3.4"], 1, "1.2.3.4"),
        (["1.2.3.4\x00"], 1, "127.0.0.1"),
        (["x," * 100_000 + "1.2.3.4"], 1, "1.2.3.4"),
        (["01.2.3.4"], 1, "127.0.0.1"),
    ],
)
def test_only_the_trusted_hop_counts(forwarded: list[str], hops: int, expected: str) -> None:
    assert client_address("127.0.0.1", forwarded, hops) == expected


@pytest.mark.parametrize("forwarded", [[], ["garbage"]])
@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("hops", [0, 1])
def test_without_a_trusted_name_the_peer_counts_in_the_same_spelling(
    peer: str, expected: str, forwarded: list[str], hops: int
) -> None:
    """A socket that listens on `::` names IPv4 clients as IPv6 addresses, all in one /64 network."""
    assert client_address(peer, forwarded, hops) == expected


def test_addresses_without_connections_leave_nothing_behind() -> None:
    count = AddressCount(1)
    for number in range(1000):
        count.enter(str(number))
        assert count.is_full(str(number))
        count.leave(str(number))
    assert not count._counts
