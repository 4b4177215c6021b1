"""Forged and broken tokens, and what an authenticator says to them."""

from __future__ import annotations

import json
from collections.abc import Callable

import jwt

from tests.support.tokens import (
    AUDIENCE,
    EC_KEY,
    ISSUER,
    OTHER_RSA_KEY,
    RSA_KEY,
    SECRET,
    claims,
    der,
    jwk_text,
    part,
    pem,
    signed,
    token,
)
from websocket_handler.adapters.jwt.authenticator import Issuer, JwtAuthenticator, JwtOptions
from websocket_handler.adapters.jwt.keys import public_keys, secret_keys
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.json_text import NESTING_MAX

Answer = Identity | CommandError


HS = {"alg": "HS256", "typ": "JWT"}
PUBLIC_PEM = pem(RSA_KEY) + pem(EC_KEY)
ALGORITHMS = ("HS256", "RS256", "ES256")


def make(secrets: str = SECRET, public: str = PUBLIC_PEM) -> JwtAuthenticator:
    keys = secret_keys(secrets, ALGORITHMS) + public_keys(public)
    return JwtAuthenticator([Issuer(ISSUER, keys)], JwtOptions(frozenset(ALGORITHMS), AUDIENCE))


def answer_to(text: str, authenticator: JwtAuthenticator | None = None) -> Answer:
    """The one answer to a token, given at once."""
    answers: list[Answer] = []
    (authenticator or make()).authenticate(text, answers.append)
    assert len(answers) == 1, "an answer that waits means that something was fetched"
    return answers[0]


def raw_claims(**replaced: str) -> bytes:
    """Valid claims as JSON text with some values written as they are: numbers that JSON writers refuse."""
    text = json.dumps(claims(**{name: f"@{name}@" for name in replaced}))
    for name, value in replaced.items():
        text = text.replace(f'"@{name}@"', value)
    return text.encode()


def raw_header(**more: str) -> bytes:
    """A header as JSON text with more members, their values written as they are."""
    members = "".join(f',"{name}":{value}' for name, value in more.items())
    return f'{{"alg":"HS256"{members}}}'.encode()


def lists(levels: int) -> str:
    """So many lists within one another."""
    return "[" * levels + "]" * levels


def _doubled(name: str, first: str) -> bytes:
    return b'{"%s":%s,' % (name.encode(), first.encode()) + json.dumps(claims()).encode()[1:]


ATTACKS: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "not three parts": lambda: "a.b",
    "encrypted, five parts": lambda: f"{token()}.x.y",
    "not base64": lambda: "***.***.***",
    "truncated": lambda: token()[:-5],
    "without signature": lambda: token().rpartition(".")[0] + ".",
    "signature of another secret": lambda: jwt.encode(claims(), "x" * 64, "HS256"),
    "payload exchanged": lambda: ".".join((token().split(".")[0], part(claims(sub="eve")), token().split(".")[2])),
    "white space around": lambda: f" {token()}",
    "line break inside": lambda: token().replace(".", ".\r\n", 1),
    "one MiB": lambda: token(padding="x" * 1_048_576),
    "just over 8 KiB": lambda: token(padding="x" * 8192),
    "alg none": lambda: f"{part({'alg': 'none'})}.{part(claims())}.",
    "alg none, signed part kept": lambda: f"{part({'alg': 'none'})}.{part(claims())}.{token().split('.')[2]}",
    "alg nOnE": lambda: signed({"alg": "nOnE"}, claims()),
    "alg NONE": lambda: signed({"alg": "NONE"}, claims()),
    "alg missing": lambda: signed({"typ": "JWT"}, claims()),
    "alg null": lambda: signed({"alg": None}, claims()),
    "alg a list": lambda: signed({"alg": ["HS256"]}, claims()),
    "alg not pinned: HS512": lambda: jwt.encode(claims(), SECRET, "HS512"),
    "key confusion with the public key as PEM": lambda: signed(HS, claims(), pem(RSA_KEY).encode()),
    "key confusion with the public key as DER": lambda: signed(HS, claims(), der(RSA_KEY)),
    "key confusion with the public key as stripped PEM": lambda: signed(HS, claims(), pem(RSA_KEY).strip().encode()),
    "RS256 with a foreign key": lambda: jwt.encode(claims(), OTHER_RSA_KEY, "RS256"),
    "ES256 named, HMAC inside": lambda: signed({"alg": "ES256"}, claims()),
    "ES256 with a signature of zeros": lambda: f"{part({'alg': 'ES256'})}.{part(claims())}.{part(bytes(64))}",
    "kid traversal to an empty file": lambda: signed(HS | {"kid": "../../../../dev/null"}, claims(), b""),
    "kid with SQL": lambda: signed(HS | {"kid": "x' UNION SELECT 'key'--"}, claims(), b"key"),
    "kid a URL": lambda: signed(HS | {"kid": "http://127.0.0.1:1/key"}, claims(), b""),
    "kid of 10 KiB": lambda: token(headers={"kid": "k" * 10_240}),
    "kid a number": lambda: signed(HS | {"kid": 7}, claims()),
    "kid with control characters": lambda: signed(HS | {"kid": "a\r\nb"}, claims()),
    "jku": lambda: signed(HS | {"jku": "http://127.0.0.1:1/jwks"}, claims()),
    "x5u": lambda: signed(HS | {"x5u": "http://127.0.0.1:1/cert"}, claims()),
    "x5c": lambda: signed(HS | {"x5c": ["MIIB"]}, claims()),
    "embedded jwk": lambda: jwt.encode(
        claims(), OTHER_RSA_KEY, "RS256", headers={"jwk": json.loads(jwk_text(OTHER_RSA_KEY))}
    ),
    "unknown crit": lambda: signed(HS | {"crit": ["exp"]}, claims()),
    "b64 false": lambda: signed(HS | {"b64": False}, claims()),
    "compressed": lambda: signed(HS | {"zip": "DEF"}, claims()),
    "typ of something else": lambda: token(headers={"typ": "dpop+jwt"}),
    "typ a number": lambda: signed({"alg": "HS256", "typ": 1}, claims()),
    "header with a name twice": lambda: signed(b'{"alg":"HS256","alg":"none"}', claims()),
    "header a list": lambda: signed(b'["HS256"]', claims()),
    "header nested beyond measure": lambda: signed(b'{"alg":"HS256","a":' + b"[" * 3000 + b"]" * 3000 + b"}", claims()),
    "payload no JSON": lambda: signed(HS, b"hello"),
    "payload a list": lambda: signed(HS, b"[]"),
    "payload not UTF-8": lambda: signed(HS, b'{"sub":"\xff"}'),
    "payload nested beyond measure": lambda: signed(HS, b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"),
    "header one level too deep": lambda: signed(raw_header(a=lists(NESTING_MAX)), claims()),
    "payload one level too deep": lambda: signed(HS, raw_claims(a=lists(NESTING_MAX))),
    "sub twice": lambda: signed(HS, _doubled("sub", '"eve"')),
    "exp twice": lambda: signed(HS, _doubled("exp", "99999999999")),
    "projects twice": lambda: signed(HS, _doubled("projects", '["*"]')),
    "exp missing": lambda: token(exp=None),
    "exp past": lambda: token(exp=1_000_000_000),
    "exp a string": lambda: token(exp="99999999999"),
    "exp true": lambda: token(exp=True),
    "exp null": lambda: signed(HS, raw_claims(exp="null")),
    "exp a list": lambda: signed(HS, raw_claims(exp="[99999999999]")),
    "exp 1e999": lambda: signed(HS, raw_claims(exp="1e999")),
    "exp NaN": lambda: signed(HS, raw_claims(exp="NaN")),
    "exp Infinity": lambda: signed(HS, raw_claims(exp="Infinity")),
    "exp with 5000 digits": lambda: signed(HS, raw_claims(exp="9" * 5000)),
    "exp negative": lambda: token(exp=-1),
    "exp zero": lambda: token(exp=0),
    "exp beyond the year 9999": lambda: token(exp=10**15),
    "nbf in the future": lambda: token(nbf=99_999_999_999),
    "nbf a string": lambda: token(nbf="soon"),
    "iat in the future": lambda: token(iat=99_999_999_999),
    "iat a string": lambda: token(iat="now"),
    "aud missing": lambda: token(aud=None),
    "aud of another service": lambda: token(aud="somebody-else"),
    "aud a number": lambda: token(aud=7),
    "iss missing": lambda: token(iss=None),
    "iss of somebody else": lambda: token(iss="https://evil.example/"),
    "iss look-alike": lambda: token(iss=ISSUER.rstrip("/")),
    "iss a list": lambda: signed(HS, claims(iss=[ISSUER])),
    "sub missing": lambda: token(sub=None),
    "sub empty": lambda: token(sub=""),
    "sub a number": lambda: signed(HS, claims(sub=7)),
    "sub with a line break": lambda: token(sub="ada\nadmin"),
    "sub of 1 KiB": lambda: token(sub="a" * 1024),
    "projects a string": lambda: token(projects="*"),
    "projects with a number": lambda: token(projects=["a", 7]),
    "projects with a star inside": lambda: token(projects=["a*b"]),
    "projects with two stars": lambda: token(projects=["**"]),
    "projects with a path": lambda: token(projects=["../x"]),
    "projects beyond the maximum": lambda: token(projects=["p"] * 257),
    "rights a string": lambda: token(rights="admin"),
    "rights an object": lambda: token(rights={"admin": True}),
}
