"""Keys that an issuer publishes: whose they are, when they are fetched, and what a set must not contain."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any

import jwt
import pytest

from tests.support.forgeries import Answer, answer_to
from tests.support.tokens import AUDIENCE, ISSUER, OTHER_RSA_KEY, RSA_KEY, claims, jwk_text, part
from websocket_handler.adapters.jwt.authenticator import Issuer, JwtAuthenticator, JwtOptions
from websocket_handler.adapters.jwt.jwks import Jwks, fetch_document, is_allowed_url
from websocket_handler.adapters.jwt.keys import jwks_keys
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.json_text import NESTING_MAX


class Fetches:
    """An issuer's key set without a network, and the work that a node would do in the background."""

    def __init__(self, document: bytes) -> None:
        self.document: bytes | OSError = document
        self.count = 0
        self.now = 1000.0
        self.work: list[Coroutine[None, None, None]] = []
        self.jwks = Jwks("https://issuer.example/keys", self.work.append, lambda: self.now, self.fetch)

    def fetch(self, _url: str) -> bytes:
        self.count += 1
        if isinstance(self.document, OSError):
            raise self.document
        return self.document

    async def settle(self) -> None:
        while self.work:
            await self.work.pop(0)


def jwk_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def jwk_of(key: Any, **more: Any) -> dict[str, Any]:
    return {**json.loads(jwk_text(key)), **more}


def jwks_authenticator(*issuers: tuple[str, Jwks]) -> JwtAuthenticator:
    options = JwtOptions(frozenset({"RS256"}), AUDIENCE)
    return JwtAuthenticator([Issuer(name, (), jwks) for name, jwks in issuers], options)


async def with_known_keys() -> tuple[Fetches, JwtAuthenticator]:
    """An issuer with one key, and an authenticator that has fetched it."""
    issuer = Fetches(jwk_set(jwk_of(RSA_KEY, kid="k1")))
    authenticator = jwks_authenticator((ISSUER, issuer.jwks))
    authenticator.warm()
    await issuer.settle()
    return issuer, authenticator


def rs256(key: Any, kid: str | None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, "RS256", headers={"kid": kid} if kid else None)


@pytest.mark.asyncio
async def test_two_issuers_with_the_same_kid_are_verified_with_their_own_key_only() -> None:
    first, second = Fetches(jwk_set(jwk_of(RSA_KEY, kid="k1"))), Fetches(jwk_set(jwk_of(OTHER_RSA_KEY, kid="k1")))
    authenticator = jwks_authenticator((ISSUER, first.jwks), ("https://other.example/", second.jwks))
    authenticator.warm()
    await first.settle()
    await second.settle()
    assert isinstance(answer_to(rs256(RSA_KEY, "k1"), authenticator), Identity)
    assert isinstance(answer_to(rs256(OTHER_RSA_KEY, "k1", iss="https://other.example/"), authenticator), Identity)
    for text in (rs256(OTHER_RSA_KEY, "k1"), rs256(RSA_KEY, "k1", iss="https://other.example/")):
        answer = answer_to(text, authenticator)
        assert isinstance(answer, CommandError)
        assert answer.code is ErrorCode.UNAUTHORIZED


@pytest.mark.asyncio
async def test_unknown_kids_cause_one_fetch_per_pause_however_many_come() -> None:
    issuer, authenticator = await with_known_keys()
    issuer.now += 31
    answers: list[Answer] = []
    for number in range(100):
        authenticator.authenticate(rs256(RSA_KEY, f"unknown-{number}"), answers.append)
        await issuer.settle()
    assert issuer.count == 2
    assert len(answers) == 100
    assert all(isinstance(answer, CommandError) for answer in answers)


@pytest.mark.asyncio
async def test_a_key_that_was_rotated_in_is_fetched_when_a_token_names_it() -> None:
    issuer, authenticator = await with_known_keys()
    issuer.now += 31
    issuer.document = jwk_set(jwk_of(OTHER_RSA_KEY, kid="k2"))
    answers: list[Answer] = []
    authenticator.authenticate(rs256(OTHER_RSA_KEY, "k2"), answers.append)
    assert not answers
    await issuer.settle()
    assert isinstance(answers[0], Identity)


@pytest.mark.asyncio
async def test_an_issuer_that_is_down_from_the_start_is_said_to_be_and_heals() -> None:
    issuer = Fetches(b"")
    issuer.document = OSError("refused")
    authenticator = jwks_authenticator((ISSUER, issuer.jwks))
    answers: list[Answer] = []
    authenticator.authenticate(rs256(RSA_KEY, "k1"), answers.append)
    await issuer.settle()
    assert isinstance(answers[0], CommandError)
    assert answers[0].code is ErrorCode.AUTHENTICATION_UNAVAILABLE
    assert authenticator.failure() is not None
    issuer.document = jwk_set(jwk_of(RSA_KEY, kid="k1"))
    issuer.now += 6
    authenticator.authenticate(rs256(RSA_KEY, "k1"), answers.append)
    await issuer.settle()
    assert isinstance(answers[1], Identity)
    assert authenticator.failure() is None


@pytest.mark.asyncio
async def test_an_issuer_that_goes_down_later_leaves_its_known_keys_in_use() -> None:
    issuer, authenticator = await with_known_keys()
    issuer.document = OSError("refused")
    issuer.now += 1000
    assert isinstance(answer_to(rs256(RSA_KEY, "k1"), authenticator), Identity)
    await issuer.settle()
    assert isinstance(answer_to(rs256(RSA_KEY, "k1"), authenticator), Identity)


@pytest.mark.asyncio
async def test_tokens_that_wait_for_keys_are_bounded() -> None:
    issuer = Fetches(jwk_set(jwk_of(RSA_KEY, kid="k1")))
    authenticator = jwks_authenticator((ISSUER, issuer.jwks))
    answers: list[Answer] = []
    for _ in range(1001):
        authenticator.authenticate(rs256(RSA_KEY, "k1"), answers.append)
    assert len(answers) == 1
    assert isinstance(answers[0], CommandError)
    assert answers[0].code is ErrorCode.AUTHENTICATION_UNAVAILABLE
    await issuer.settle()
    assert issuer.count == 1
    assert len(answers) == 1001


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": part(b"x" * 32)},
        jwk_of(RSA_KEY, use="enc"),
        jwk_of(RSA_KEY, d="AQAB"),
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "unknown"},
        {"kty": "RSA"},
        "RSA",
        7,
    ],
    ids=["shared secret", "for encryption", "private", "tiny", "unknown kind", "without numbers", "text", "number"],
)
def test_entries_of_a_key_set_that_must_not_verify_are_left_out(entry: Any) -> None:
    assert [key.kid for key in jwks_keys(jwk_set(entry, jwk_of(RSA_KEY, kid="good")))] == ["good"]


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys":7}', b"[" * 100_000, jwk_set(*[{}] * 101), b"\xff"],
    ids=["empty", "list", "object", "number", "deep", "too many", "not UTF-8"],
)  # fmt: skip
def test_a_document_that_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="JWK set"):
        jwks_keys(document)


def test_a_key_set_may_have_as_many_levels_as_everything_else() -> None:
    document = jwk_set(jwk_of(RSA_KEY, kid="good", x="@"))
    fitting, too_deep = ("[" * levels + "]" * levels for levels in (NESTING_MAX - 3, NESTING_MAX - 2))
    assert len(jwks_keys(document.replace(b'"@"', fitting.encode()))) == 1
    with pytest.raises(ValueError, match="JWK set"):
        jwks_keys(document.replace(b'"@"', too_deep.encode()))


@pytest.mark.parametrize(
    "url",
    ["http://issuer.example/keys", "file:///etc/passwd", "ftp://127.0.0.1/x", "https://", "", "//x", "gopher://x"],
)
def test_a_key_set_comes_over_https_or_from_this_machine_only(url: str) -> None:
    assert not is_allowed_url(url)
    with pytest.raises(ValueError, match="https"):
        fetch_document(url)
