"""`websocket-handler token`: makes a token to try things out, signed with the first of `JWT_SECRETS`."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence

from websocket_handler import config
from websocket_handler.adapters.jwt.authenticator import mint
from websocket_handler.adapters.jwt.keys import SECRET_BYTES
from websocket_handler.adapters.jwt.setup import DEFAULT_SECRET_ALGORITHMS, JwtProblem, JwtSettings, make_authenticator
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.protocol.identity import FORWARD_ANY, RIGHTS, USER_ID, InvalidClaims, identity_from_claims
from websocket_handler.telemetry.time_text import time_text


def token(
    user: str, projects: Sequence[str], rights: Sequence[str], expires_in_s: int, *, is_json: bool = False
) -> int:
    """Print a token. Returns the exit code: 2, with one line on stderr, when no token can be made."""
    now = time.time()
    try:
        made = make(os.environ, user, projects, rights, expires_in_s, now)
    except ValueError as problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_USAGE
    ends = {"token": made, "expires_at": time_text(int(now) + expires_in_s)}
    sys.stdout.write(f"{json.dumps(ends) if is_json else made}\n")
    return 0


def make(
    environment: Mapping[str, str],
    user: str,
    projects: Sequence[str],
    rights: Sequence[str],
    expires_in_s: int,
    now: float,
) -> str:
    """A token for a gateway with these settings. `now` is wall-clock seconds. Raises ValueError with the setting or
    the option that is wrong."""
    settings = _jwt_settings(environment)
    _check_options(user, rights, expires_in_s)
    claims: dict[str, object] = {
        "sub": user,
        "iat": int(now),
        "exp": int(now) + expires_in_s,
        "projects": list(projects),
        "rights": list(rights),
    }
    claims |= {"iss": settings.issuers[0]} if settings.issuers else {}
    claims |= {"aud": settings.audience} if settings.audience else {}
    try:
        identity_from_claims(claims)
    except InvalidClaims as fault:
        raise ValueError(str(fault)) from None
    algorithms = settings.algorithms or DEFAULT_SECRET_ALGORITHMS
    algorithm = next(name for name in algorithms if name in SECRET_BYTES)
    return mint(settings.secrets.split(",")[0].strip(), algorithm, claims)


def _jwt_settings(environment: Mapping[str, str]) -> JwtSettings:
    names = ("jwt_secrets", "jwt_algorithms", "jwt_issuer", "jwt_audience")
    given = config.cleaned(environment)
    settings = JwtSettings.of({name: given.get(name.upper(), "") for name in names})
    if not settings.secrets:
        raise ValueError("JWT_SECRETS: is required, and must be that of the gateway")
    try:
        make_authenticator(settings, lambda _work: None, lambda: 0.0)
    except JwtProblem as problem:
        raise ValueError(f"{problem.variable}: {problem.reason}") from None
    return settings


def _check_options(user: str, rights: Sequence[str], expires_in_s: int) -> None:
    unknown = sorted(set(rights) - RIGHTS - {FORWARD_ANY})
    if unknown:
        raise ValueError(f"--right: unknown: {', '.join(unknown)}")
    if USER_ID.fullmatch(user) is None:
        raise ValueError("--user: must have 1 to 128 printable ASCII characters without a space")
    if expires_in_s <= 0:
        raise ValueError("--expires-in: must be at least 1 second")
