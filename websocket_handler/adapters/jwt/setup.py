"""From settings to the authenticator: which issuers are trusted, with which keys, for which algorithms."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final, Self

from websocket_handler.adapters.jwt.authenticator import Issuer, JwtAuthenticator, JwtOptions
from websocket_handler.adapters.jwt.jwks import Jwks, is_allowed_url
from websocket_handler.adapters.jwt.keys import ALGORITHMS, SECRET_BYTES, Key, public_keys, secret_keys

DEFAULT_SECRET_ALGORITHMS: Final = ("HS256",)
DEFAULT_PUBLIC_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")

StartTask = Callable[[Coroutine[None, None, None]], None]


class JwtProblem(Exception):
    """A setting cannot be used: its variable, and why. It never repeats a secret."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(variable, reason)
        self.variable = variable
        self.reason = reason


@dataclass(frozen=True, slots=True)
class JwtSettings:
    """The settings that begin with `JWT_`, as they were written."""

    secrets: str
    public_keys: str
    jwks_urls: tuple[str, ...]
    algorithms: tuple[str, ...]
    issuers: tuple[str, ...]
    audience: str | None
    leeway_s: float

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """From the values of all settings; those that are missing are empty."""

        def text(name: str) -> str:
            return str(values.get(name, ""))

        return cls(
            secrets=text("jwt_secrets"),
            public_keys=text("jwt_public_keys"),
            jwks_urls=_entries(text("jwt_jwks_url")),
            algorithms=_entries(text("jwt_algorithms")),
            issuers=_entries(text("jwt_issuer")),
            audience=text("jwt_audience") or None,
            leeway_s=float(text("jwt_leeway_s") or 5),
        )


def _entries(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


def make_authenticator(settings: JwtSettings, start_task: StartTask, now: Callable[[], float]) -> JwtAuthenticator:
    """The authenticator that these settings describe. Raises JwtProblem."""
    algorithms = _algorithms(settings)
    for url in settings.jwks_urls:
        if not is_allowed_url(url):
            raise JwtProblem("JWT_JWKS_URL", "must be an https URL; http only to this machine")
    keys = _static_keys(settings, algorithms)
    options = JwtOptions(frozenset(algorithms), settings.audience, settings.leeway_s)
    if len(settings.issuers) <= 1 and len(settings.jwks_urls) <= 1:
        name = settings.issuers[0] if settings.issuers else None
        jwks = Jwks(settings.jwks_urls[0], start_task, now) if settings.jwks_urls else None
        return JwtAuthenticator([Issuer(name, keys, jwks)], options)
    if keys or len(settings.issuers) != len(settings.jwks_urls):
        reason = "several issuers need one JWT_JWKS_URL each, and neither JWT_SECRETS nor JWT_PUBLIC_KEYS"
        raise JwtProblem("JWT_ISSUER", reason)
    pairs = zip(settings.issuers, settings.jwks_urls, strict=True)
    return JwtAuthenticator([Issuer(name, (), Jwks(url, start_task, now)) for name, url in pairs], options)


def started(values: Mapping[str, object], start_task: StartTask, now: Callable[[], float]) -> JwtAuthenticator:
    """The authenticator for the values of all settings, its key sets on their way. Raises JwtProblem."""
    authenticator = make_authenticator(JwtSettings.of(values), start_task, now)
    authenticator.warm()
    return authenticator


def _algorithms(settings: JwtSettings) -> tuple[str, ...]:
    unknown = [algorithm for algorithm in settings.algorithms if algorithm not in ALGORITHMS]
    if unknown:
        raise JwtProblem("JWT_ALGORITHMS", f"knows {', '.join(ALGORITHMS)}")
    if settings.algorithms:
        return settings.algorithms
    has_public = bool(settings.public_keys or settings.jwks_urls)
    return (DEFAULT_SECRET_ALGORITHMS if settings.secrets else ()) + (DEFAULT_PUBLIC_ALGORITHMS if has_public else ())


def _static_keys(settings: JwtSettings, algorithms: tuple[str, ...]) -> list[Key]:
    if not (settings.secrets or settings.public_keys or settings.jwks_urls):
        raise JwtProblem("AUTH_MODE", "jwt needs JWT_SECRETS, JWT_PUBLIC_KEYS or JWT_JWKS_URL")
    if settings.secrets and not set(algorithms) & set(SECRET_BYTES):
        raise JwtProblem("JWT_ALGORITHMS", "names no algorithm that JWT_SECRETS can verify")
    try:
        keys = secret_keys(settings.secrets, algorithms)
    except ValueError as fault:
        raise JwtProblem("JWT_SECRETS", str(fault)) from None
    try:
        return keys + public_keys(settings.public_keys)
    except ValueError as fault:
        raise JwtProblem("JWT_PUBLIC_KEYS", str(fault)) from None
