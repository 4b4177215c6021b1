"""A gateway whose keys come from an issuer over HTTP: up, rotating, redirecting, endless, and down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest

from tests.support.frames import handshake_head
from tests.support.gateway import Start, started_gateway
from tests.support.peers import Peer, Raw, http
from tests.support.tokens import GUARDED, OTHER_RSA_KEY, RSA_KEY, claims, jwk_text
from tests.support.web_server import Answer, Request, running_web_server

STATIC = ("JWT_SECRETS", "JWT_PUBLIC_KEYS", "JWT_ALGORITHMS")
BASE = {name: value for name, value in GUARDED.items() if name not in STATIC}


class Issuer:
    """Publishes keys at `url`."""

    def __init__(self) -> None:
        self.status = 200
        self.document = b""
        self.requests: list[str] = []
        self.url = ""

    def respond(self, request: Request) -> Answer:
        """The keys, or what a test put in their place."""
        self.requests.append(request.path)
        return Answer(self.status, self.document, {"Location": "/elsewhere"})

    def publish(self, *keys: tuple[str, Any]) -> None:
        """Replace the key set."""
        self.document = json.dumps({"keys": [json.loads(jwk_text(key)) | {"kid": kid} for kid, key in keys]}).encode()


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """An issuer for the length of a block."""
    issuer = Issuer()
    with running_web_server(issuer.respond) as url:
        issuer.url = f"{url}/keys"
        yield issuer


def bearer(key: Any, kid: str) -> dict[str, str]:
    return {"authorization": f"Bearer {jwt.encode(claims(), key, 'RS256', headers={'kid': kid})}"}


def test_tokens_are_verified_with_the_issuers_keys_and_unknown_keys_are_refused(start: Start) -> None:
    with running_issuer() as issuer:
        issuer.publish(("k1", RSA_KEY))
        with (
            start(**BASE, JWT_JWKS_URL=issuer.url) as gateway,
            Peer.connect(gateway.port, **bearer(RSA_KEY, "k1")) as peer,
        ):
            assert peer.request("ping")["type"] == "pong"
            for key, kid in ((OTHER_RSA_KEY, "k1"), (OTHER_RSA_KEY, "k2")):
                assert http(gateway.port, "GET", "/api/v1/connections", **bearer(key, kid)).code == "unauthorized"
            assert set(issuer.requests) == {"/keys"}


@pytest.mark.parametrize(
    ("status", "document"),
    [(500, b""), (302, b""), (200, b"<html>"), (200, b"x" * 300_000), (200, b'{"keys":[]}')],
    ids=["fails", "redirects", "no key set", "too large", "no keys"],
)
def test_an_issuer_without_keys_makes_the_node_unready_and_handshakes_come_back_later(
    resources: dict[str, str], status: int, document: bytes
) -> None:
    with running_issuer() as issuer:
        issuer.status, issuer.document = status, document
        with started_gateway(resources, **BASE, JWT_JWKS_URL=issuer.url) as gateway, Raw(gateway.port) as raw:
            raw.send(handshake_head(**bearer(RSA_KEY, "k1")))
            response = raw.response()
            assert (response.status, response.code) == (503, "authentication_unavailable")
            assert int(response.headers["retry-after"]) >= 1
            assert "/elsewhere" not in issuer.requests
            with Peer.connect(gateway.port) as unauthenticated:
                assert unauthenticated.request("ping")["type"] == "pong"
            if document != b'{"keys":[]}':
                reasons = gateway.ready()[1]["reasons"]
                assert "authentication" in [reason["dependency"] for reason in reasons]
