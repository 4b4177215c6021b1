"""`websocket-handler token`: a token for trying things out, signed with the first of `JWT_SECRETS`."""

import os
import sys
import time
from collections.abc import Mapping, Sequence

from websocket_handler.adapters.jwt.authenticator import mint
from websocket_handler.adapters.jwt.keys import SECRET_BYTES
from websocket_handler.adapters.jwt.setup import DEFAULT_SECRET_ALGORITHMS, JwtProblem, JwtSettings, make_authenticator
from websocket_handler.cli import EXIT_CONFIGURATION
from websocket_handler.protocol.identity import (
    FORWARD_ANY,
    RIGHTS,
    USER_ID,
    InvalidClaims,
    identity_from_claims,
)


def token(user: str, projects: Sequence[str], rights: Sequence[str], expires_in_s: int) -> int:
    """Print a token; exit code 2 with one line on stderr when there can be none."""
    try:
        made = make(os.environ, user, projects, rights, expires_in_s, time.time())
    except ValueError as problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_CONFIGURATION
    sys.stdout.write(f"{made}\n")
    return 0


def make(
    environment: Mapping[str, str],
    user: str,
    projects: Sequence[str],
    rights: Sequence[str],
    expires_in_s: int,
    now: float,
) -> str:
    """A token for a gateway with these settings. `now` is wall-clock seconds. Raises ValueError."""
    names = ("jwt_secrets", "jwt_algorithms", "jwt_issuer", "jwt_audience")
    settings = JwtSettings.of({name: environment.get(name.upper(), "").strip() for name in names})
    if not settings.secrets:
        raise ValueError("JWT_SECRETS: is required, with the secret that the gateway has")
    try:
        make_authenticator(settings, lambda _work: None, lambda: 0.0)
    except JwtProblem as problem:
        raise ValueError(f"{problem.variable}: {problem.reason}") from None
    unknown = sorted(set(rights) - RIGHTS - {FORWARD_ANY})
    if unknown:
        raise ValueError(f"--right: unknown: {', '.join(unknown)}")
    if USER_ID.fullmatch(user) is None:
        raise ValueError("--user: 1 to 128 printable ASCII characters without space")
    if expires_in_s <= 0:
        raise ValueError("--expires-in: at least 1 second")
    algorithms = settings.algorithms or DEFAULT_SECRET_ALGORITHMS
    algorithm = next(name for name in algorithms if name in SECRET_BYTES)
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
    return mint(settings.secrets.split(",")[0].strip(), algorithm, claims)
