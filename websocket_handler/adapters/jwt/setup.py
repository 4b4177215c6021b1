"""Makes the authenticator from settings: which issuers are trusted, with which keys and algorithms."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from websocket_handler.adapters.jwt.authenticator import Issuer, JwtAuthenticator, JwtOptions
from websocket_handler.adapters.jwt.jwks import Jwks, is_allowed_url
from websocket_handler.adapters.jwt.keys import ALGORITHMS, SECRET_BYTES, public_keys, secret_keys
from websocket_handler.ports.clock import StartTask
from websocket_handler.variables.shown import quoted

DEFAULT_SECRET_ALGORITHMS: Final = ("HS256",)
DEFAULT_PUBLIC_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")

_WRITTEN: Final = {name.casefold(): name for name in ALGORITHMS}


class JwtProblem(Exception):
    """A setting cannot be used: its variable, and the reason. It never repeats a secret."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(variable, reason)
        self.variable = variable
        self.reason = reason


@dataclass(frozen=True, slots=True)
class JwtSettings:
    """The settings that begin with `JWT_`, as the operator wrote them."""

    secrets: str
    public_keys: str
    jwks_urls: tuple[str, ...]
    algorithms: tuple[str, ...]
    issuers: tuple[str, ...]
    audience: str | None
    leeway_s: float

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Takes these settings out of the values of all settings. Missing ones are empty."""

        def text(name: str) -> str:
            return str(values.get(name, ""))

        return cls(
            secrets=text("jwt_secrets"),
            public_keys=text("jwt_public_keys"),
            jwks_urls=_entries(text("jwt_jwks_url")),
            algorithms=tuple(_WRITTEN.get(name.casefold(), name) for name in _entries(text("jwt_algorithms"))),
            issuers=_entries(text("jwt_issuer")),
            audience=text("jwt_audience") or None,
            leeway_s=float(text("jwt_leeway_s") or 5),
        )


def _entries(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


def find_problems(settings: JwtSettings) -> Iterator[JwtProblem]:
    """Everything that is wrong with these settings, variable by variable."""
    if unknown := [name for name in settings.algorithms if name not in ALGORITHMS]:
        yield JwtProblem(
            "JWT_ALGORITHMS", f"must name only {', '.join(ALGORITHMS)}; {quoted(', '.join(unknown))} is not"
        )
    elif settings.secrets and not set(_algorithms(settings)) & set(SECRET_BYTES):
        yield JwtProblem("JWT_ALGORITHMS", "names no algorithm that JWT_SECRETS can verify")
    if not all(is_allowed_url(url) for url in settings.jwks_urls):
        yield JwtProblem("JWT_JWKS_URL", "must be an https URL; http only to this machine")
    if not (settings.secrets or settings.public_keys or settings.jwks_urls):
        yield JwtProblem("AUTH_MODE", "jwt needs JWT_SECRETS, JWT_PUBLIC_KEYS or JWT_JWKS_URL")
    try:
        secret_keys(settings.secrets, _algorithms(settings))
    except ValueError as fault:
        yield JwtProblem("JWT_SECRETS", str(fault))
    try:
        public_keys(settings.public_keys)
    except ValueError as fault:
        yield JwtProblem("JWT_PUBLIC_KEYS", str(fault))
    has_own_keys = bool(settings.secrets or settings.public_keys)
    if _has_several(settings) and (has_own_keys or len(settings.issuers) != len(settings.jwks_urls)):
        reason = "several issuers need one JWT_JWKS_URL each, and neither JWT_SECRETS nor JWT_PUBLIC_KEYS"
        yield JwtProblem("JWT_ISSUER", reason)


def _has_several(settings: JwtSettings) -> bool:
    return len(settings.issuers) > 1 or len(settings.jwks_urls) > 1


def make_authenticator(settings: JwtSettings, start_task: StartTask, now: Callable[[], float]) -> JwtAuthenticator:
    """The authenticator that these settings describe. Raises JwtProblem, the first one of `find_problems`."""
    for problem in find_problems(settings):
        raise problem
    algorithms = _algorithms(settings)
    options = JwtOptions(frozenset(algorithms), settings.audience, settings.leeway_s)
    if not _has_several(settings):
        keys = secret_keys(settings.secrets, algorithms) + public_keys(settings.public_keys)
        name = settings.issuers[0] if settings.issuers else None
        jwks = Jwks(settings.jwks_urls[0], start_task, now) if settings.jwks_urls else None
        return JwtAuthenticator([Issuer(name, keys, jwks)], options)
    pairs = zip(settings.issuers, settings.jwks_urls, strict=True)
    return JwtAuthenticator([Issuer(name, (), Jwks(url, start_task, now)) for name, url in pairs], options)


def started(values: Mapping[str, object], start_task: StartTask, now: Callable[[], float]) -> JwtAuthenticator:
    """The authenticator for the values of all settings. It has begun to fetch its key sets. Raises JwtProblem."""
    authenticator = make_authenticator(JwtSettings.of(values), start_task, now)
    authenticator.warm()
    return authenticator


def _algorithms(settings: JwtSettings) -> tuple[str, ...]:
    if settings.algorithms:
        return settings.algorithms
    has_public = bool(settings.public_keys or settings.jwks_urls)
    return (DEFAULT_SECRET_ALGORITHMS if settings.secrets else ()) + (DEFAULT_PUBLIC_ALGORITHMS if has_public else ())
