"""`AUTH_MODE=jwt`: signed tokens (RFC 7519), verified with keys that the operator named.

A token is read strictly before its signature is checked: its size is limited, each name may stand in it once, its
algorithm must be a permitted one, and no header may point to a key. The gateway opens, fetches and executes nothing
that a token names.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import jwt

from websocket_handler.adapters.jwt.jwks import Jwks
from websocket_handler.adapters.jwt.keys import Key
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol import json_text
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity, InvalidClaims, identity_from_claims

TOKEN_BYTES_MAX: Final = 8192
CANDIDATES_MAX: Final = 16
"""How many keys are tried for one token."""
_FORM: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_POINTERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc"})
"""Headers that name a key, or change the meaning of the token."""
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_KID: Final = re.compile(r"[ -~]{1,256}", re.ASCII)


class _Invalid(Exception):
    """The token is refused. The text goes to the client, and repeats no part of the token."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer whose tokens are accepted. `name` is what `iss` must be; None accepts any. Each issuer has its own
    keys."""

    name: str | None
    static_keys: Sequence[Key]
    jwks: Jwks | None = None

    @property
    def keys(self) -> list[Key]:
        """All its keys, as far as they are known now."""
        return [*self.static_keys, *(self.jwks.keys if self.jwks else ())]


@dataclass(frozen=True, slots=True)
class JwtOptions:
    """What a token must be like. No other algorithm is accepted. Without an `audience`, a token must not name one."""

    algorithms: frozenset[str]
    audience: str | None = None
    leeway_s: float = 5.0


@dataclass(frozen=True, slots=True)
class _Token:
    """A token that was read, but whose signature is not verified yet."""

    text: str
    algorithm: str
    kid: str | None
    claims: dict[str, object]


class JwtAuthenticator:
    """Verifies tokens of one or several issuers: see the port."""

    def __init__(self, issuers: Sequence[Issuer], options: JwtOptions) -> None:
        self._issuers = issuers
        self._options = options

    def warm(self) -> None:
        """Fetch the key sets before the first token needs them."""
        for issuer in self._issuers:
            if issuer.jwks is not None:
                issuer.jwks.fetch()

    def failure(self) -> str | None:
        for issuer in self._issuers:
            if issuer.jwks is not None and issuer.jwks.fault and not issuer.keys:
                return issuer.jwks.fault
        return None

    def authenticate(self, token: str, done: Authenticated) -> None:
        try:
            read = self._read(token)
            issuer = self._issuer(read)
        except _Invalid as fault:
            done(_unauthorized(fault))
            return
        jwks = issuer.jwks
        if jwks is not None and jwks.may_fetch:
            if not _candidates(issuer, read):
                if not jwks.fetch(lambda: done(self._verified(issuer, read))):
                    done(_unavailable())
                return
            if jwks.is_old:
                jwks.fetch()
        done(self._verified(issuer, read))

    def _read(self, text: str) -> _Token:
        if len(text) > TOKEN_BYTES_MAX:
            raise _Invalid(f"a token has at most {TOKEN_BYTES_MAX} bytes")
        match = _FORM.fullmatch(text)
        if match is None:
            raise _Invalid("the token is no signed JWT")
        header, claims = _segment(match[1]), _segment(match[2])
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if not isinstance(algorithm, str) or algorithm not in self._options.algorithms:
            raise _Invalid("the token's algorithm is not taken here")
        if not _POINTERS.isdisjoint(header):
            raise _Invalid("the token's header has a parameter that is not taken here")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise _Invalid("the token is of another type")
        if kid is not None and (not isinstance(kid, str) or _KID.fullmatch(kid) is None):
            raise _Invalid("the token's key id has no form that a key id has")
        return _Token(text, algorithm, kid, claims)

    def _issuer(self, token: _Token) -> Issuer:
        said = token.claims.get("iss")
        for issuer in self._issuers:
            if issuer.name is None or issuer.name == said:
                return issuer
        raise _Invalid("the token's issuer is not trusted here")

    def _verified(self, issuer: Issuer, token: _Token) -> Identity | CommandError:
        candidates = _candidates(issuer, token)
        if not candidates and issuer.jwks is not None and not issuer.keys:
            return _unavailable()
        try:
            for key in candidates:
                if self._is_signed(token, key):
                    return identity_from_claims(token.claims)
        except (_Invalid, InvalidClaims) as fault:
            return _unauthorized(fault)
        return _unauthorized(_Invalid("the token's signature is not valid"))

    def _is_signed(self, token: _Token, key: Key) -> bool:
        """True if this key signed the token. Raises _Invalid if it did, but the claims are not valid now."""
        try:
            jwt.decode(
                token.text,
                key.material,
                algorithms=[token.algorithm],
                audience=self._options.audience,
                leeway=self._options.leeway_s,
                options={"require": ["exp"], "verify_iss": False},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
            return False
        except jwt.ExpiredSignatureError:
            raise _Invalid("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise _Invalid("the token is not valid yet") from None
        except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError):
            raise _Invalid("the token is not meant for this service, or lacks a claim") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise _Invalid("the token is no signed JWT") from None
        return True


def _candidates(issuer: Issuer, token: _Token) -> list[Key]:
    """The issuer's keys that may have signed this token: of the same kind, and with the same id if both have one."""
    keys = [
        key
        for key in issuer.keys
        if token.algorithm in key.algorithms and (key.kid is None or token.kid is None or key.kid == token.kid)
    ]
    return keys[:CANDIDATES_MAX]


def _segment(text: str) -> dict[str, object]:
    """One part of a token. Each name may stand in it once."""
    try:
        return json_text.parse_object(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (CommandError, ValueError):
        raise _Invalid("the token is no signed JWT") from None


def _unauthorized(fault: Exception) -> CommandError:
    return CommandError(ErrorCode.UNAUTHORIZED, str(fault))


def _unavailable() -> CommandError:
    return CommandError(ErrorCode.AUTHENTICATION_UNAVAILABLE, "the keys that verify tokens cannot be fetched now")


def mint(secret: str, algorithm: str, claims: dict[str, object]) -> str:
    """Make a token signed with a shared secret, for trials."""
    return jwt.encode(claims, secret.encode(), algorithm=algorithm)
