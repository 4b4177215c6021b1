"""Which web pages may talk to the gateway."""

import pytest

from websocket_handler.access.origins import ANY_ORIGIN, SAME_HOST, Origins, read_origins
from websocket_handler.protocol.codes import CommandError, ErrorCode


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


def test_named_origins_and_no_others_may_come_beside_the_own_host() -> None:
    origins = Origins(read_origins("https://a.example"))
    assert origins.allow("https://a.example", "gateway")
    assert origins.allow("https://gateway", "gateway")
    assert origins.allow(None, "gateway"), "no browser"
    for other in ("https://b.example", "http://a.example", "https://a.example.evil", "http://localhost", "null", ""):
        assert not origins.allow(other, "gateway")


def test_any_origin_may_come_where_a_star_says_so() -> None:
    assert ANY_ORIGIN.allow("https://evil.example", "gateway")
    assert Origins(read_origins("*")).allow("https://evil.example", None)


@pytest.mark.parametrize("named", ["", "https://a.example"])
def test_pages_of_loopback_may_come_on_every_port_where_they_may(named: str) -> None:
    origins = Origins(read_origins(named), has_loopback=True)
    for page in (
        "http://localhost",
        "http://localhost:5173",
        "https://localhost:8443",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "http://127.0.0.2:3000",
        "https://127.255.255.254",
        "http://app.localhost:3000",
        "http://localhost.:3000",
    ):
        assert origins.allow(page, "gateway:8080"), page
        assert not Origins(read_origins(named)).allow(page, "gateway:8080"), page
    for page in (
        "http://localhost.evil.io",
        "http://evil.io:127",
        "http://localhost@evil.io",
        "http://evil.io@localhost",
        "http://127.0.0.1.evil.io",
        "http://127.evil.io",
        "http://128.0.0.1",
        "http://[::2]:3000",
        "http://[::ffff:8.8.8.8]",
        "http://localhost.evil.io.",
        "http://notlocalhost",
        "http://10.0.0.1",
        "http://0.0.0.0:3000",
        "ftp://localhost",
        "file://localhost",
        "http://localhost/",
        "http://localhost:99999",
        "http://[::1",
        "localhost",
        "null",
        "",
        "http://localhost, http://evil.io",
    ):
        assert not origins.allow(page, "gateway:8080"), page


def test_who_is_refused_is_told_the_setting() -> None:
    with pytest.raises(CommandError, match="ALLOWED_ORIGINS") as caught:
        SAME_HOST.check("https://evil", "gateway")
    assert (caught.value.code, caught.value.setting) == (ErrorCode.FORBIDDEN, "ALLOWED_ORIGINS")
    SAME_HOST.check(None, "gateway")


def test_where_nobody_is_named_only_pages_of_this_host_may_come() -> None:
    origins = SAME_HOST
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
