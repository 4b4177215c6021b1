"""From the settings that begin with `JWT_` to an authenticator: what they mean, and which cannot be used."""

from collections.abc import Coroutine

import jwt
import pytest

from tests.support.tokens import AUDIENCE, EC_KEY, ISSUER, RSA_KEY, SECRET, claims, pem
from websocket_handler.adapters.jwt.keys import ALGORITHMS
from websocket_handler.adapters.jwt.setup import JwtProblem, JwtSettings, make_authenticator, started
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.identity import Identity

URL = "https://issuer.example/keys"


class Scene:
    """An authenticator from settings, and the fetches that it begins."""

    def __init__(self, **values: object) -> None:
        self.fetches: list[Coroutine[None, None, None]] = []
        self.authenticator = started(values, self.fetches.append, lambda: 0.0)
        self.count = len(self.fetches)
        for fetch in self.fetches:
            fetch.close()

    def takes(self, key: object, algorithm: str, **changes: object) -> bool:
        """True if a token with this signature and these claims is taken."""
        answers: list[Identity | CommandError] = []
        text = jwt.encode(claims(**changes), key, algorithm)  # type: ignore[arg-type]
        self.authenticator.authenticate(text, answers.append)
        return isinstance(answers[0], Identity)


def problem(**values: object) -> tuple[str, str]:
    with pytest.raises(JwtProblem) as raised:
        make_authenticator(JwtSettings.of(values), lambda work: work.close(), lambda: 0.0)
    assert SECRET not in str(raised.value)
    return raised.value.variable, raised.value.reason


def test_lists_are_separated_by_commas_and_what_is_missing_is_empty() -> None:
    read = JwtSettings.of(
        {"jwt_issuer": " a , ,b", "jwt_algorithms": "RS256,", "jwt_audience": "", "jwt_leeway_s": 0.5}
    )
    assert (read.issuers, read.algorithms, read.audience, read.leeway_s) == (("a", "b"), ("RS256",), None, 0.5)
    assert JwtSettings.of({}) == JwtSettings("", "", (), (), (), None, 5.0)


def test_each_kind_of_key_brings_its_own_algorithms() -> None:
    secret = Scene(jwt_secrets=SECRET, jwt_audience=AUDIENCE)
    assert secret.takes(SECRET, "HS256")
    assert not secret.takes(SECRET, "HS512")
    assert not secret.takes(RSA_KEY, "RS256")
    public = Scene(jwt_public_keys=pem(RSA_KEY) + pem(EC_KEY), jwt_audience=AUDIENCE)
    assert public.takes(RSA_KEY, "RS256")
    assert public.takes(EC_KEY, "ES256")
    assert not public.takes(RSA_KEY, "RS512")
    assert not public.takes(SECRET, "HS256")


def test_named_algorithms_take_the_place_of_the_usual_ones() -> None:
    scene = Scene(jwt_secrets=SECRET, jwt_public_keys=pem(RSA_KEY), jwt_audience=AUDIENCE, jwt_algorithms="HS512,PS256")
    assert scene.takes(SECRET, "HS512")
    assert scene.takes(RSA_KEY, "PS256")
    assert not scene.takes(SECRET, "HS256")
    assert not scene.takes(RSA_KEY, "RS256")


def test_issuer_and_audience_are_what_the_settings_say() -> None:
    named = Scene(jwt_secrets=SECRET, jwt_issuer=ISSUER, jwt_audience=AUDIENCE)
    assert named.takes(SECRET, "HS256")
    assert not named.takes(SECRET, "HS256", iss="https://other.example/")
    assert not named.takes(SECRET, "HS256", aud="another service")
    free = Scene(jwt_secrets=SECRET)
    assert free.takes(SECRET, "HS256", iss="https://other.example/", aud=None)
    assert not free.takes(SECRET, "HS256"), "it names an audience, and none is expected"


def test_key_sets_are_fetched_at_the_start_one_for_each_issuer() -> None:
    assert Scene(jwt_secrets=SECRET).count == 0
    assert Scene(jwt_jwks_url=URL).count == 1
    assert Scene(jwt_jwks_url=f"{URL},{URL}/2", jwt_issuer="a,b").count == 2


def test_without_a_key_nobody_could_come_in() -> None:
    assert problem() == ("AUTH_MODE", "jwt needs JWT_SECRETS, JWT_PUBLIC_KEYS or JWT_JWKS_URL")


@pytest.mark.parametrize("name", ["none", "RS1", "ES256K", "HS256HS256"])
def test_an_unknown_algorithm_is_refused_with_those_that_are_known(name: str) -> None:
    variable, reason = problem(jwt_secrets=SECRET, jwt_algorithms=f"HS256,{name}")
    assert variable == "JWT_ALGORITHMS"
    assert ", ".join(ALGORITHMS) in reason
    assert name in reason


def test_blanks_around_an_algorithm_and_its_case_mean_nothing() -> None:
    assert Scene(jwt_secrets=SECRET, jwt_audience=AUDIENCE, jwt_algorithms=" hs512 ,").takes(SECRET, "HS512")


def test_a_secret_needs_an_algorithm_that_it_can_verify_and_its_length() -> None:
    assert problem(jwt_secrets=SECRET, jwt_algorithms="RS256")[0] == "JWT_ALGORITHMS"
    variable, reason = problem(jwt_secrets="s" * 31)
    assert variable == "JWT_SECRETS"
    assert "32 bytes" in reason


@pytest.mark.parametrize("text", ["/nonexistent/key.pem", "-----BEGIN PUBLIC KEY-----x-----END PUBLIC KEY-----"])
def test_public_keys_that_cannot_be_read_are_told_with_their_variable(text: str) -> None:
    assert problem(jwt_public_keys=text)[0] == "JWT_PUBLIC_KEYS"


@pytest.mark.parametrize("url", ["http://issuer.example/keys", "ftp://127.0.0.1/keys", "file:///etc/passwd", "keys"])
def test_a_key_set_comes_over_https_or_from_this_machine(url: str) -> None:
    assert problem(jwt_jwks_url=url)[0] == "JWT_JWKS_URL"
    assert Scene(jwt_jwks_url="http://127.0.0.1:8000/keys").count == 1


@pytest.mark.parametrize(
    "values",
    [
        {"jwt_issuer": "a,b", "jwt_jwks_url": URL},
        {"jwt_issuer": "a", "jwt_jwks_url": f"{URL},{URL}/2"},
        {"jwt_issuer": "a,b", "jwt_secrets": SECRET},
        {"jwt_issuer": "a,b", "jwt_jwks_url": f"{URL},{URL}/2", "jwt_secrets": SECRET},
    ],
    ids=range(4),
)
def test_several_issuers_have_one_key_set_each_and_no_shared_key(values: dict[str, object]) -> None:
    assert problem(**values)[0] == "JWT_ISSUER"
