"""Tokens that must not pass: each gets `unauthorized` at once, without a file read or a request sent."""

from __future__ import annotations

from collections.abc import Callable

import jwt
import pytest

from tests.support.forgeries import ATTACKS, HS, answer_to, lists, raw_claims, raw_header
from tests.support.tokens import (
    AUDIENCE,
    EC_KEY,
    RSA_KEY,
    SECRET,
    claims,
    signed,
    token,
)
from websocket_handler.adapters.jwt.keys import public_keys
from websocket_handler.adapters.jwt.setup import JwtProblem, JwtSettings, make_authenticator
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.json_text import NESTING_MAX


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_forged_or_broken_token_is_unauthorized_and_not_repeated(attack: Callable[[], str]) -> None:
    text = attack()
    answer = answer_to(text)
    assert isinstance(answer, CommandError)
    assert answer.code is ErrorCode.UNAUTHORIZED
    assert len(answer.message) < 120
    assert not any(piece in answer.message for piece in text.split(".") if len(piece) > 8)


@pytest.mark.parametrize(
    "make_token",
    [
        token,
        lambda: token(headers={"kid": "unknown-to-a-secret"}),
        lambda: token(headers={"typ": "at+jwt"}),
        lambda: token(aud=["other", AUDIENCE]),
        lambda: token(exp=9_999_999_999.5),
        lambda: jwt.encode(claims(), RSA_KEY, "RS256"),
        lambda: jwt.encode(claims(), EC_KEY, "ES256"),
    ],
    ids=["HS256", "with kid", "at+jwt", "several audiences", "fraction", "RS256", "ES256"],
)
def test_a_valid_token_is_taken(make_token: Callable[[], str]) -> None:
    answer = answer_to(make_token())
    assert isinstance(answer, Identity), answer
    assert answer.user_id == "ada"


def test_a_token_with_the_most_levels_is_taken() -> None:
    levels = lists(NESTING_MAX - 1)
    assert isinstance(answer_to(signed(raw_header(a=levels), claims())), Identity)
    assert isinstance(answer_to(signed(HS, raw_claims(a=levels))), Identity)


def test_rights_that_nobody_knows_grant_nothing() -> None:
    answer = answer_to(token(rights=["subscribe", "root", "forward:*", "*"]))
    assert isinstance(answer, Identity)
    assert answer.rights == {"subscribe", "forward:pm", "forward:dev", "forward:qa", "forward:ops"}


# Settings

WEAK = {
    "no key at all": (JwtSettings("", "", (), (), (), None, 5), "AUTH_MODE"),
    "short secret": (JwtSettings("short", "", (), (), (), None, 5), "JWT_SECRETS"),
    "short second secret": (JwtSettings(f"{SECRET},short", "", (), (), (), None, 5), "JWT_SECRETS"),
    "short for HS512": (JwtSettings("x" * 63, "", (), ("HS512",), (), None, 5), "JWT_SECRETS"),
    "alg none pinned": (JwtSettings(SECRET, "", (), ("none",), (), None, 5), "JWT_ALGORITHMS"),
    "secrets without an algorithm": (JwtSettings(SECRET, "", (), ("RS256",), (), None, 5), "JWT_ALGORITHMS"),
    "keys over http": (JwtSettings("", "", ("http://issuer.example/k",), (), (), None, 5), "JWT_JWKS_URL"),
    "no PEM": (JwtSettings("", "/nowhere.pem", (), (), (), None, 5), "JWT_PUBLIC_KEYS"),
    "issuers without a set each": (JwtSettings("", "", ("https://a/k",), (), ("a", "b"), None, 5), "JWT_ISSUER"),
    "several issuers and a secret": (
        JwtSettings(SECRET, "", ("https://a/k", "https://b/k"), (), ("a", "b"), None, 5), "JWT_ISSUER",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "variable"), WEAK.values(), ids=WEAK.keys())
def test_settings_that_would_not_protect_are_refused_without_showing_a_secret(
    settings: JwtSettings, variable: str
) -> None:
    with pytest.raises(JwtProblem) as problem:
        make_authenticator(settings, lambda _work: None, lambda: 0.0)
    assert problem.value.variable == variable
    assert SECRET not in problem.value.reason


def test_a_private_key_is_no_public_key() -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    private = RSA_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with pytest.raises(ValueError, match="no public key"):
        public_keys(private)
