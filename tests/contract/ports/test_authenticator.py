"""What every authenticator promises, whatever its keys are and wherever they come from."""

import asyncio
from collections.abc import Coroutine
from typing import Final

import jwt
import pytest

from tests.support.patience import PATIENCE_S
from tests.support.tokens import AUDIENCE, ISSUER, RSA_KEY, SECRET, claims, jwk_text, pem, token
from tests.support.web_server import Answer, Request, running_web_server
from websocket_handler.adapters.jwt.authenticator import Issuer, JwtAuthenticator, JwtOptions
from websocket_handler.adapters.jwt.jwks import Jwks
from websocket_handler.adapters.jwt.keys import public_keys, secret_keys
from websocket_handler.ports.authenticator import Authenticator
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity

pytestmark = pytest.mark.asyncio
KINDS: Final = ("secret", "public key", "fetched key")
OPTIONS: Final = JwtOptions(frozenset({"HS256", "RS256"}), AUDIENCE)
LARGE: Final = 1_000_000


class Scene:
    """An authenticator, and the work that it gives to its node."""

    def __init__(self, kind: str, url: str = "") -> None:
        self.kind = kind
        self.work: list[Coroutine[None, None, None]] = []
        self.now = 0.0
        jwks = Jwks(url, self.work.append, lambda: self.now) if url else None
        keys = {"secret": secret_keys(SECRET, ["HS256"]), "public key": public_keys(pem(RSA_KEY))}.get(kind, [])
        self.authenticator: Authenticator = JwtAuthenticator([Issuer(ISSUER, keys, jwks)], OPTIONS)

    def token(self) -> str:
        """One that is valid here."""
        return token() if self.kind == "secret" else jwt.encode(claims(), RSA_KEY, "RS256")

    async def settle(self) -> None:
        """Do all the work."""
        async with asyncio.timeout(PATIENCE_S):
            while self.work:
                await self.work.pop(0)

    async def answer(self, text: str) -> Identity | CommandError:
        """The one answer to a token."""
        answers: list[Identity | CommandError] = []
        self.authenticator.authenticate(text, answers.append)
        assert bool(answers) != bool(self.work), "it answers before it returns, or it fetches a key first"
        await self.settle()
        (answer,) = answers
        return answer


def issuer(_request: Request) -> Answer:
    return Answer(200, b'{"keys":[%b]}' % jwk_text(RSA_KEY).encode())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_valid_token_is_answered_once_with_its_identity(kind: str) -> None:
    with running_web_server(issuer) as url:
        scene = Scene(kind, url if kind == "fetched key" else "")
        for _ in range(3):
            answer = await scene.answer(scene.token())
            assert isinstance(answer, Identity), answer
            assert (answer.user_id, scene.work) == ("ada", [])
        assert scene.authenticator.failure() is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _text: "",
        lambda _text: "a.b.c",
        lambda text: text[:-5],
        lambda text: text + "x" * LARGE,
        lambda text: "\ud800" + text,
        lambda text: text.replace(".", "\x00", 1),
        lambda text: ".".join([*token(sub="mallory").split(".")[:2], text.split(".")[2]]),
    ],
    ids=["empty", "short", "cut", "large", "surrogate", "NUL", "two tokens in one"],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_any_other_text_is_unauthorized_and_no_part_of_it_is_repeated(kind: str, spoil: object) -> None:
    assert callable(spoil)
    with running_web_server(issuer) as url:
        scene = Scene(kind, url if kind == "fetched key" else "")
        await scene.answer(scene.token())
        text = spoil(scene.token())
        answer = await scene.answer(text)
        assert isinstance(answer, CommandError)
        assert answer.code is ErrorCode.UNAUTHORIZED
        assert not any(part in answer.message for part in text.split(".") if len(part) > 8)


async def test_without_its_key_a_token_is_told_to_come_again_and_the_reason_is_told_until_there_is_one() -> None:
    is_up = False
    with running_web_server(lambda request: issuer(request) if is_up else Answer(503)) as url:
        scene = Scene("fetched key", url)
        answer = await scene.answer(scene.token())
        assert isinstance(answer, CommandError)
        assert answer.code is ErrorCode.AUTHENTICATION_UNAVAILABLE
        assert scene.authenticator.failure()
        is_up, scene.now = True, 60.0
        assert isinstance(await scene.answer(scene.token()), Identity)
        assert scene.authenticator.failure() is None
