"""Keys that verify tokens: from settings, and from a JWK set (RFC 7517). A key works only for its own kind of
algorithm, so a public key is never used as a shared secret."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

from websocket_handler.protocol import json_text
from websocket_handler.protocol.codes import CommandError
from websocket_handler.variables.shown import quoted

Material = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey

SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518 section 3.2: a secret has at least as many bytes as the hash."""
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Final = {
    "secp256r1": frozenset({"ES256"}),
    "secp384r1": frozenset({"ES384"}),
    "secp521r1": frozenset({"ES512"}),
}
ALGORITHMS: Final = (*SECRET_BYTES, *sorted(_RSA), "ES256", "ES384", "ES512", "EdDSA")
RSA_BITS: Final = range(2048, 8193)
JWKS_KEYS_MAX: Final = 100
PEM_BYTES_MAX: Final = 65_536
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the algorithms for which it may be used, and its id if its source gave it one."""

    material: Material
    algorithms: frozenset[str]
    kid: str | None = None


def secret_keys(text: str, algorithms: Sequence[str]) -> list[Key]:
    """Keys from comma-separated secrets. Raises ValueError, which does not repeat the secret."""
    pinned = frozenset(algorithms) & frozenset(SECRET_BYTES)
    bytes_min = max((SECRET_BYTES[algorithm] for algorithm in pinned), default=0)
    secrets = [entry.strip().encode() for entry in text.split(",") if entry.strip()]
    if any(_is_public(secret) for secret in secrets):
        raise ValueError("a public key or a certificate is no secret, and belongs into JWT_PUBLIC_KEYS")
    if any(len(secret) < bytes_min for secret in secrets):
        raise ValueError(f"a secret has at least {bytes_min} bytes for {', '.join(sorted(pinned))}")
    return [Key(secret, pinned) for secret in secrets]


def _is_public(secret: bytes) -> bool:
    """True if PyJWT refuses these bytes as a secret, because everybody who knows the public key could sign with it."""
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except PyJWTError:
        return True
    return False


def public_keys(text: str) -> list[Key]:
    """Keys from PEM text, or from comma-separated paths of PEM files. Raises ValueError."""
    if "-----BEGIN" not in text:
        text = "\n".join(_read(entry.strip()) for entry in text.split(",") if entry.strip())
    keys: list[Key] = []
    for pem in _PEM.findall(text.replace("\\n", "\n")):
        try:
            material = load_pem_public_key(pem.encode())
        except ValueError:
            raise ValueError("a PEM block is no public key") from None
        keys.append(Key(_checked(material), _algorithms_of(material)))
    if text.strip() and not keys:
        raise ValueError("there is no PEM block in it")
    return keys


def _read(path: str) -> str:
    try:
        with Path(path).open(encoding="ascii") as file:
            return file.read(PEM_BYTES_MAX)
    except (OSError, ValueError):
        raise ValueError(f"the file {quoted(path)} cannot be read") from None


def jwks_keys(document: bytes) -> list[Key]:
    """The public signing keys in a JWK set. Entries that cannot be used are left out. Raises ValueError."""
    try:
        json_text.check_depth(document)
        entries = json.loads(document)["keys"]
    except (CommandError, ValueError, TypeError, KeyError):
        raise ValueError("not a JWK set") from None
    if not isinstance(entries, list) or len(entries) > JWKS_KEYS_MAX:
        raise ValueError(f"a JWK set is a list of at most {JWKS_KEYS_MAX} keys")
    return [key for key in map(_jwk, entries) if key is not None]


def _jwk(entry: object) -> Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("kty") == "oct" or "d" in entry:
        return None
    kid, algorithm = entry.get("kid"), entry.get("alg")
    try:
        material = PyJWK({name: value for name, value in entry.items() if name != "alg"}).key
        algorithms = _algorithms_of(_checked(material))
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    if algorithm is not None:
        algorithms &= frozenset({str(algorithm)})
    return Key(material, algorithms, kid if isinstance(kid, str) else None)


def _checked(material: object) -> Material:
    if isinstance(material, RSAPublicKey):
        if material.key_size not in RSA_BITS:
            raise ValueError(f"an RSA key has {RSA_BITS.start} to {RSA_BITS.stop - 1} bits")
        return material
    if isinstance(material, EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey):
        return material
    raise ValueError("a public key is RSA, EC or Ed25519")


def _algorithms_of(material: object) -> frozenset[str]:
    if isinstance(material, RSAPublicKey):
        return _RSA
    if isinstance(material, EllipticCurvePublicKey):
        return _CURVES.get(material.curve.name, frozenset())
    return frozenset({"EdDSA"})
