"""`websocket-handler token`: a token that a gateway with the same settings takes, or the reason why there is none."""

import time
from collections.abc import Mapping, Sequence

import jwt
import pytest

from tests.support.tokens import AUDIENCE, ISSUER, SECRET
from websocket_handler.adapters.jwt.setup import JwtSettings, make_authenticator
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli.token import make, token
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import FORWARD, FORWARD_ANY, PATTERNS_MAX, RIGHTS, Identity

WITH_SECRET = {"JWT_SECRETS": SECRET}


def made(
    environment: Mapping[str, str] = WITH_SECRET,
    user: str = "ada",
    projects: Sequence[str] = ("p",),
    rights: Sequence[str] = ("subscribe",),
    expires_in_s: int = 60,
) -> str:
    return make(environment, user, projects, rights, expires_in_s, time.time())


def taken(text: str, environment: Mapping[str, str] = WITH_SECRET) -> Identity | CommandError:
    """What a gateway with these settings says to the token."""
    settings = JwtSettings.of({name.lower(): value for name, value in environment.items()})
    answers: list[Identity | CommandError] = []
    make_authenticator(settings, lambda work: work.close(), lambda: 0.0).authenticate(text, answers.append)
    return answers[0]


def test_a_token_is_taken_by_a_gateway_with_the_same_secret() -> None:
    rights = ["publish", FORWARD_ANY]
    identity = taken(made(user="ada@example.com", projects=["p", "team-*"], rights=rights))
    assert isinstance(identity, Identity), identity
    assert (identity.user_id, identity.projects) == ("ada@example.com", ("p", "team-*"))
    assert identity.rights == {"publish", *FORWARD.values()}
    assert identity.expires_at is not None
    assert identity.issued_at is not None
    assert identity.expires_at - identity.issued_at == 60


@pytest.mark.parametrize(
    "more",
    [
        {"JWT_ISSUER": ISSUER},
        {"JWT_AUDIENCE": AUDIENCE},
        {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_ALGORITHMS": "HS512"},
        {"JWT_SECRETS": f" {SECRET} , {'another' * 10}"},
    ],
    ids=["issuer", "audience", "all", "secrets"],
)
def test_issuer_audience_and_algorithm_are_those_of_the_gateway(more: dict[str, str]) -> None:
    environment = WITH_SECRET | more
    assert isinstance(taken(made(environment), environment), Identity)
    header = jwt.get_unverified_header(made(environment))
    assert header["alg"] == environment.get("JWT_ALGORITHMS", "HS256")


def test_a_gateway_with_another_secret_does_not_take_it() -> None:
    assert isinstance(taken(made(), {"JWT_SECRETS": "b" * 64}), CommandError)


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, "JWT_SECRETS: is required"),
        ({"JWT_SECRETS": " "}, "JWT_SECRETS: is required"),
        ({"JWT_SECRETS": "short"}, "JWT_SECRETS: a secret has at least 32 bytes"),
        (WITH_SECRET | {"JWT_ALGORITHMS": "RS256"}, "JWT_ALGORITHMS: names no algorithm"),
        (WITH_SECRET | {"JWT_ALGORITHMS": "HS1"}, "JWT_ALGORITHMS: must name only"),
        (WITH_SECRET | {"JWT_ISSUER": f"{ISSUER},https://other.example/"}, "JWT_ISSUER: several issuers"),
    ],
    ids=range(6),
)
def test_settings_that_make_no_token_are_named_without_their_secret(environment: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}") as raised:
        made(environment)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("user", ["", "a b", "é", "a" * 129])
def test_a_user_is_what_a_gateway_takes_for_one(user: str) -> None:
    with pytest.raises(ValueError, match=r"^--user: "):
        made(user=user)
    made(user="a" * 128)


@pytest.mark.parametrize("rights", [["dance"], ["subscribe", "Publish"], ["forward:boss"], [""]])
def test_a_right_is_one_that_there_is(rights: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^--right: unknown: "):
        made(rights=rights)
    made(rights=sorted(RIGHTS | {FORWARD_ANY}))


def test_a_token_lives_for_a_second_or_longer() -> None:
    made(expires_in_s=1)
    for seconds in (0, -1):
        with pytest.raises(ValueError, match=r"^--expires-in: "):
            made(expires_in_s=seconds)


def test_projects_are_ids_or_patterns_and_bounded() -> None:
    made(projects=[f"p{index}" for index in range(PATTERNS_MAX)])
    for projects in ([f"p{index}" for index in range(PATTERNS_MAX + 1)], ["a/b"], ["a*b"]):
        with pytest.raises(ValueError, match="projects"):
            made(projects=projects)


def test_the_command_prints_the_token_or_one_line_of_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JWT_SECRETS", SECRET)
    for name in ("JWT_ALGORITHMS", "JWT_ISSUER", "JWT_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)
    assert token("ada", ["p"], ["subscribe"], 60) == 0
    assert isinstance(taken(capsys.readouterr().out.strip()), Identity)
    assert token("ada", ["p"], ["dance"], 60) == EXIT_USAGE
    written = capsys.readouterr()
    assert (written.out, written.err.count("\n")) == ("", 1)
