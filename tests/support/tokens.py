"""Tokens for tests: valid ones, and broken ones of every kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

SECRET: Final = "a-shared-secret-that-only-this-test-knows-0123456789-0123456789-ab"  # noqa: S105
ISSUER: Final = "https://issuer.example/"
AUDIENCE: Final = "websocket-gateway"
PROJECTS: Final = ("proj-open", "team-*")
LIFE_S: Final = 86_400
"""How many seconds a valid token lives: longer than the tests take on the slowest machine. Still make each token inside
its test: a token that is made while tests are collected is older than its test expects."""
ALL_RIGHTS: Final = ("subscribe", "publish", "presence", "forward:*", "admin")

RSA_KEY: Final = rsa.generate_private_key(65537, 2048)
EC_KEY: Final = ec.generate_private_key(ec.SECP256R1())
OTHER_RSA_KEY: Final = rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """The public key as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def der(key: rsa.RSAPrivateKey) -> bytes:
    """The public key as DER."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def claims(**changes: Any) -> dict[str, Any]:
    """Valid claims. A change to None removes a claim."""
    now = int(time.time())
    standard = {
        "sub": "ada",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFE_S,
        "projects": list(PROJECTS),
        "rights": list(ALL_RIGHTS),
    }
    return {name: value for name, value in (standard | changes).items() if value is not None}


def token(*, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token that the gateway accepts, unless a change makes it invalid."""
    return jwt.encode(claims(**changes), SECRET, "HS256", headers=headers)


def bearer(**changes: Any) -> dict[str, str]:
    """A header with a new token, for `http` and `Peer.connect`."""
    return {"authorization": f"Bearer {token(**changes)}"}


def part(value: bytes | dict[str, Any]) -> str:
    """One segment of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: bytes | dict[str, Any], payload: bytes | dict[str, Any], secret: bytes = SECRET.encode()) -> str:
    """Any header and payload, signed with HMAC-SHA256 whatever the header says."""
    head = f"{part(header)}.{part(payload)}"
    return f"{head}.{part(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def jwk_text(key: rsa.RSAPrivateKey) -> str:
    """The public key as a JWK."""
    return json.dumps(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))


GUARDED = {
    "AUTH_MODE": "jwt",
    "JWT_SECRETS": SECRET,
    "JWT_PUBLIC_KEYS": pem(RSA_KEY) + pem(EC_KEY),
    "JWT_ALGORITHMS": "HS256,RS256,ES256",
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "ALLOWED_ORIGINS": "https://app.example.com,http://localhost:3000",
    "LOG_STORE": "memory",
}
