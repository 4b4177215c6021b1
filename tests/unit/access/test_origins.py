"""Which web pages may talk to the gateway."""

import pytest

from websocket_handler.access.origins import ANY_ORIGIN, SAME_HOST, origins_of, read_origins


def test_origins_are_named_as_a_browser_writes_them() -> None:
    assert read_origins(" https://a.example , http://b:8080,* ") == {"https://a.example", "http://b:8080", "*"}
    assert read_origins("") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "a.example",
        "https://",
        "https://a/",
        "https://a/x",
        "https://A",
        "https://u@a",
        "https://*.a",
        "https://a:x",
        "null",
    ],
)
def test_what_is_no_origin_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        read_origins(f"https://fine.example,{text}")


def test_named_origins_and_no_others_may_come() -> None:
    origins = origins_of("https://a.example", otherwise=ANY_ORIGIN)
    assert origins.allow("https://a.example", "gateway")
    assert origins.allow(None, "gateway"), "no browser"
    for other in ("https://b.example", "http://a.example", "https://a.example.evil", "https://gateway", "null", ""):
        assert not origins.allow(other, "gateway")
    assert origins.are_named


def test_any_origin_may_come_where_everybody_may_or_a_star_says_so() -> None:
    assert origins_of("", otherwise=ANY_ORIGIN) is ANY_ORIGIN
    assert ANY_ORIGIN.allow("https://evil.example", "gateway")
    assert origins_of("*", otherwise=SAME_HOST).allow("https://evil.example", None)


def test_where_nobody_is_named_only_pages_of_this_host_may_come() -> None:
    origins = origins_of("", otherwise=SAME_HOST)
    assert not origins.are_named
    for origin, host in (
        ("https://gateway", "gateway"),
        ("https://gateway", "gateway:443"),
        ("http://gateway", "GATEWAY:80"),
        ("http://gateway:8080", "gateway:8080"),
    ):
        assert origins.allow(origin, host)
    elsewhere: list[tuple[str, str | None]] = [
        ("https://gateway:8443", "gateway"),
        ("https://evil", "gateway"),
        ("https://gateway", None),
        ("null", "null"),
        ("ftp://gateway", "gateway"),
        ("https://", ""),
    ]
    for origin, page_host in elsewhere:
        assert not origins.allow(origin, page_host)
