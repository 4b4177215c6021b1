"""The console's files, and the policy under which a browser runs them."""

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from starlette.requests import Request

from tests.support.http_api import HOST, Api
from websocket_handler.api import console_page
from websocket_handler.api.console_page import HEADERS, MEDIA_TYPES, ConsoleRoutes, content_security_policy

FOLDER = Path(console_page.__file__).parent / "console"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in MEDIA_TYPES)


def sockets(host: str) -> str:
    """Where the page may open connections, beside where it came from."""
    policy = content_security_policy(host)
    (directive,) = [part for part in policy.split("; ") if part.startswith("connect-src")]
    return directive.removeprefix("connect-src 'self'").strip()


@pytest.mark.parametrize(
    "host", ["gateway.example", "gateway.example:8443", "10.0.0.7:80", "[::1]:8080", "[2001:db8::1]", "a" * 253]
)
def test_the_page_may_open_a_socket_to_where_it_came_from(host: str) -> None:
    assert sockets(host) == f"ws://{host} wss://{host}"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a;script-src *",
        "a'",
        "a\r\nX: y",
        "a:123456",
        "a:",
        "a" * 254,
        "é",
        "[::1",
        "*",
        "a/b",
        "u@a",
        "[::1%1]",
    ],
)
def test_a_host_that_is_none_gets_into_no_policy(host: str) -> None:
    assert sockets(host) == ""
    assert content_security_policy(host) == content_security_policy("")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_on_loopback_both_names_of_the_machine_are_allowed(name: str) -> None:
    expected = "ws://127.0.0.1:8080 wss://127.0.0.1:8080 ws://localhost:8080 wss://localhost:8080"
    assert sockets(f"{name}:8080") == expected
    assert sockets(name) == f"ws://{name} wss://{name}", "without a port there is one name"


def test_nothing_but_the_pages_own_files_runs() -> None:
    policy = content_security_policy(HOST).split("; ")
    assert policy[0] == "default-src 'none'"
    for directive in ("script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'none'"):
        assert directive in policy
    assert "require-trusted-types-for 'script'" in policy
    assert not [part for part in policy if "unsafe" in part or "*" in part]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", FILES)
async def test_each_file_is_served_as_what_it_is_under_the_policy(name: str) -> None:
    answer = await Api(has_console=True).ask("GET", f"/console/{name}")
    path = FOLDER / name
    assert (answer.status, answer.body) == (200, path.read_bytes())
    assert answer.headers["content-type"].split(";")[0] == MEDIA_TYPES[path.suffix]
    assert answer.headers["content-security-policy"] == content_security_policy(HOST)
    for header, value in HEADERS.items():
        assert answer.headers[header.lower()] == value


@pytest.mark.asyncio
async def test_the_page_is_the_root() -> None:
    api = Api(has_console=True)
    page = await api.ask("GET", "/")
    assert page.body == (FOLDER / "index.html").read_bytes()
    assert (await api.ask("HEAD", "/")).body == b""


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["absent.js", "", "../gateway.py", "..%2fgateway.py", "index.html/x", ".", "%00"])
async def test_no_path_reaches_the_file_system(name: str) -> None:
    answer = await Api(has_console=True).ask("GET", f"/console/{name}")
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.asyncio
async def test_a_console_that_is_off_has_no_files() -> None:
    for path in ("/", "/console/index.html"):
        assert (await Api().ask("GET", path)).status == 404


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/p/proj_123", "/p/proj_123@e7Kq2:57", "/console/connections"])
async def test_a_place_in_the_console_is_an_address_of_the_page(path: str) -> None:
    answer = await Api(has_console=True).ask("GET", path)
    assert (answer.status, answer.body) == (200, (FOLDER / "index.html").read_bytes())
    assert (await Api().ask("GET", path)).status == 404, "off"


@pytest.mark.asyncio
async def test_a_read_only_page_says_so_and_is_the_same_otherwise() -> None:
    whole = (FOLDER / "index.html").read_bytes()
    request = Request({"type": "http", "headers": [(b"host", HOST.encode())]})
    page = await ConsoleRoutes(is_read_only=True).page(request)
    assert page.body == whole.replace(b'<html lang="en">', b'<html lang="en" data-console="read">') != whole
    assert page.headers["content-security-policy"] == content_security_policy(HOST)
    assert page.media_type == "text/html"


def test_the_gateway_and_the_page_know_the_same_pages() -> None:
    router = (Path(__file__).parents[3] / "console" / "src" / "router.ts").read_text(encoding="utf-8")
    with_a_link, others = re.findall(r"PAGES = \[(.*?)\]", router)
    assert set(re.findall(r'"(\w+)"', with_a_link + others)) == console_page.PAGES


def gzipped(names: Iterable[str]) -> int:
    return sum(len(gzip.compress((FOLDER / name).read_bytes(), 9)) for name in names)


def test_the_page_is_small() -> None:
    """At most 40 KB (1,024 bytes each, gzipped) until something is to be seen, and 80 KB in all."""
    first = {"index.html", "console.css", "console.js", "connection.js", "websocket-handler-client.js"}
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r"/console/([\w.-]+)", page)) == {"console.js", "console.css"}
    assert first <= set(FILES)
    assert gzipped(first) <= 40 * 1024
    assert gzipped(FILES) <= 80 * 1024


def test_the_page_asks_nothing_of_other_hosts() -> None:
    """The policy forbids it, too; XML namespaces are names, and nobody asks for them."""
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in FILES]
    assert {url for text in texts for url in re.findall(r"\bhttps?://[\w.-]+", text)} <= {"http://www.w3.org"}


def test_no_component_writes_markup() -> None:
    """Text is never markup: the one property of Preact that would make it so is used nowhere."""
    sources = (Path(__file__).parents[3] / "console" / "src").rglob("*.ts*")
    assert [path.name for path in sources if re.search(r"innerHTML", path.read_text(encoding="utf-8"), re.I)] == []
