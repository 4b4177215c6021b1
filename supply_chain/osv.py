"""The answers of the OSV service: of limited size, typed, and used only if they are complete.

`POST /v1/querybatch` says which advisories a version has, `GET /v1/vulns/{id}` what an advisory says. If there is not
such an answer to every question, the result is `Unavailable`: no answer must ever look like "nothing known".
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, TypeVar

import msgspec

from supply_chain.ignored import ADVISORY
from supply_chain.lock import Pin, normalised

SERVICE: Final = "https://api.osv.dev"
ECOSYSTEM: Final = "PyPI"
CONTROL: Final = Pin("jinja2", "2.4.1")
"""A version with advisories, from the service's own documentation. A service that does not know them knows nothing."""
QUERIES_MAX: Final = 500
"""How many questions are in one request. The service takes 1,000."""
PAGES_MAX: Final = 20
ADVISORIES_MAX: Final = 500
ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
REQUEST_TIMEOUT_S: Final = 20.0
TOTAL_TIMEOUT_S: Final = 180.0
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
SCHEMA_MAJOR: Final = "1"
Answer = TypeVar("Answer", bound=msgspec.Struct)


class Unavailable(Exception):
    """The service did not answer every question as it documents. Then nothing is known."""


class _Reference(msgspec.Struct):
    id: str


class _QueryAnswer(msgspec.Struct):
    vulns: list[_Reference] = []
    next_page_token: str = ""


class _BatchAnswer(msgspec.Struct):
    results: list[_QueryAnswer]


class _Package(msgspec.Struct):
    name: str
    ecosystem: str


class _Range(msgspec.Struct):
    events: list[dict[str, str]] = []


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] = []


class _Record(msgspec.Struct):
    id: str
    modified: str
    schema_version: str = "1.0.0"
    summary: str = ""
    details: str = ""
    aliases: list[str] = []
    withdrawn: str | None = None
    affected: list[_Affected] = []


@dataclass(frozen=True, slots=True)
class Advisory:
    """What is known of one vulnerability. `fixed` gives, by package name, the versions without it."""

    advisory: str
    aliases: frozenset[str]
    summary: str
    fixed: dict[str, tuple[str, ...]]
    is_withdrawn: bool

    @property
    def names(self) -> frozenset[str]:
        """Its id and all its aliases."""
        return self.aliases | {self.advisory}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, because an answer from elsewhere is not the service's."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        raise Unavailable(f"the service answers with a redirect ({code})")


class Osv:
    """A client for one audit. `monotonic` gives seconds."""

    def __init__(self, service: str = SERVICE, monotonic: Callable[[], float] = time.monotonic) -> None:
        parts = urllib.parse.urlsplit(service)
        is_loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == "https" or is_loopback):
            raise Unavailable("the service's address must be https, or http on loopback")
        self._service = service.rstrip("/")
        own = [urllib.request.ProxyHandler({})] if is_loopback else []
        self._opener = urllib.request.build_opener(_NoRedirects(), *own)
        self._monotonic = monotonic
        self._ends_at = monotonic() + TOTAL_TIMEOUT_S

    def advisories(self, pins: Sequence[Pin]) -> dict[Pin, list[Advisory]]:
        """The known advisories of every pin. Raises Unavailable."""
        found = self._ids([CONTROL, *pins])
        if not found[CONTROL]:
            raise Unavailable(
                f"the service knows nothing of {CONTROL.name} {CONTROL.version}, which has known vulnerabilities"
            )
        ids = {advisory for pin in pins for advisory in found[pin]}
        if len(ids) > ADVISORIES_MAX:
            raise Unavailable(f"{len(ids)} advisories are more than the {ADVISORIES_MAX} that are looked at")
        records = {advisory: self._advisory(advisory) for advisory in sorted(ids)}
        return {pin: [records[advisory] for advisory in found[pin]] for pin in pins}

    def _ids(self, pins: Sequence[Pin]) -> dict[Pin, list[str]]:
        found: dict[Pin, list[str]] = {pin: [] for pin in pins}
        waiting = [(pin, "") for pin in found]
        requests_left = PAGES_MAX * (1 + len(waiting) // QUERIES_MAX)
        while waiting:
            asked, waiting = waiting[:QUERIES_MAX], waiting[QUERIES_MAX:]
            requests_left -= 1
            if requests_left < 0:
                raise Unavailable(f"more than {PAGES_MAX} pages")
            answer = self._ask("/v1/querybatch", _BatchAnswer, {"queries": [_query(pin, page) for pin, page in asked]})
            if len(answer.results) != len(asked):
                raise Unavailable(f"{len(answer.results)} answers to {len(asked)} questions")
            for (pin, _page), result in zip(asked, answer.results, strict=True):
                found[pin] += [_checked(reference.id) for reference in result.vulns]
                if result.next_page_token:
                    waiting.append((pin, result.next_page_token))
        return {pin: sorted(set(ids)) for pin, ids in found.items()}

    def _advisory(self, advisory: str) -> Advisory:
        record = self._ask(f"/v1/vulns/{advisory}", _Record)
        if record.id != advisory:
            raise Unavailable(f"another advisory than {advisory} came")
        if record.schema_version.partition(".")[0] != SCHEMA_MAJOR:
            raise Unavailable(f"{advisory} is in an unknown form ({record.schema_version[:20]})")
        fixed: dict[str, tuple[str, ...]] = {}
        for affected in record.affected:
            if affected.package is not None and affected.package.ecosystem == ECOSYSTEM:
                events = [event for span in affected.ranges for event in span.events]
                versions = tuple(event["fixed"] for event in events if "fixed" in event)
                name = normalised(affected.package.name)
                fixed[name] = fixed.get(name, ()) + versions
        summary = record.summary or record.details or "no summary"
        is_withdrawn = record.withdrawn is not None
        return Advisory(advisory, frozenset(record.aliases), summary, fixed, is_withdrawn)

    def _ask(self, path: str, form: type[Answer], question: object = None) -> Answer:
        """Send one request, and return its answer of this form. Raises Unavailable."""
        left_s = self._ends_at - self._monotonic()
        if left_s <= 0:
            raise Unavailable(f"no end after {TOTAL_TIMEOUT_S:g} s")
        body = None if question is None else msgspec.json.encode(question)
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._service + path, data=body, headers={"Content-Type": "application/json", "Accept": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=min(REQUEST_TIMEOUT_S, left_s)) as response:
                data = self._read(response)
        except urllib.error.HTTPError as fault:
            fault.close()
            raise Unavailable(f"the service answers with status {fault.code}") from fault
        except (OSError, http.client.HTTPException, ssl.SSLError) as fault:
            raise Unavailable(f"the service cannot be reached: {fault}") from fault
        try:
            return msgspec.json.decode(data, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise Unavailable(f"the service's answer to {path} is in an unknown form: {fault}") from fault

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        if response.status != 200:
            raise Unavailable(f"the service answers with status {response.status}")
        data = bytearray()
        while part := response.read1(65_536):
            data += part
            if len(data) > ANSWER_BYTES_MAX:
                raise Unavailable(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
            if self._monotonic() > self._ends_at:
                raise Unavailable(f"no end after {TOTAL_TIMEOUT_S:g} s")
        if response.length:
            raise Unavailable("the answer ended too soon")
        return bytes(data)


def _query(pin: Pin, page: str) -> dict[str, Any]:
    query: dict[str, Any] = {"package": {"name": pin.name, "ecosystem": ECOSYSTEM}, "version": pin.version}
    return query | ({"page_token": page} if page else {})


def _checked(advisory: str) -> str:
    if ADVISORY.fullmatch(advisory) is None:
        raise Unavailable("an advisory's id has an unknown form")
    return advisory
