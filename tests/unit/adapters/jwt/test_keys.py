"""Keys from settings and from a JWK set: what is taken, for which algorithms, and what is refused."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from tests.support.tokens import EC_KEY, RSA_KEY, jwk_text, pem
from websocket_handler.adapters.jwt.keys import (
    ALGORITHMS,
    JWKS_KEYS_MAX,
    PEM_BYTES_MAX,
    SECRET_BYTES,
    jwks_keys,
    public_keys,
    secret_keys,
)
from websocket_handler.protocol.json_text import NESTING_MAX

RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def public_pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return text.decode()


def jwk(**changes: Any) -> dict[str, Any]:
    """A usable key with changes; None takes a member out."""
    entry = json.loads(jwk_text(RSA_KEY)) | changes
    return {name: value for name, value in entry.items() if value is not None}


def found(*entries: Any) -> list[frozenset[str]]:
    """The algorithms of each key that a set with these entries gives."""
    return [key.algorithms for key in jwks_keys(json.dumps({"keys": entries}).encode())]


# Secrets


@pytest.mark.parametrize(("algorithm", "least"), SECRET_BYTES.items())
def test_a_secret_has_at_least_as_many_bytes_as_its_hash(algorithm: str, least: int) -> None:
    (key,) = secret_keys("é" * (least // 2), [algorithm])
    assert (key.material, key.algorithms, key.kid) == (("é" * (least // 2)).encode(), frozenset({algorithm}), None)
    with pytest.raises(ValueError, match=f"at least {least} bytes") as raised:
        secret_keys("s" * (least - 1), [algorithm])
    assert "sss" not in str(raised.value)


def test_each_of_several_secrets_is_long_enough_for_every_algorithm() -> None:
    with pytest.raises(ValueError, match="64 bytes for HS256, HS512"):
        secret_keys(f"{'a' * 64},{'b' * 63}", ["HS256", "HS512"])
    keys = secret_keys(f" {'a' * 64} ,, {'b' * 64},", ["HS256", "HS512", "RS256"])
    assert [key.material for key in keys] == [b"a" * 64, b"b" * 64]
    assert {key.algorithms for key in keys} == {frozenset({"HS256", "HS512"})}, "never for a public key's algorithm"


def test_without_secrets_there_are_no_keys() -> None:
    assert secret_keys("", ["HS256"]) == secret_keys(" , ", ["HS256"]) == []


# PEM


@pytest.mark.parametrize(
    ("make", "algorithms"),
    [
        (lambda: RSA_KEY, RSA_ALGORITHMS),
        (lambda: ec.generate_private_key(ec.SECP256R1()), {"ES256"}),
        (lambda: ec.generate_private_key(ec.SECP384R1()), {"ES384"}),
        (lambda: ec.generate_private_key(ec.SECP521R1()), {"ES512"}),
        (lambda: ec.generate_private_key(ec.SECP256K1()), set()),
        (ed25519.Ed25519PrivateKey.generate, {"EdDSA"}),
        (ed448.Ed448PrivateKey.generate, {"EdDSA"}),
    ],
    ids=["RSA", "P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448"],
)
def test_a_key_verifies_the_algorithms_of_its_own_kind_only(make: Any, algorithms: set[str]) -> None:
    (key,) = public_keys(public_pem(make()))
    assert key.algorithms == algorithms
    assert key.algorithms <= set(ALGORITHMS) - set(SECRET_BYTES)


def test_an_rsa_key_has_2048_bits_or_more() -> None:
    small = rsa.generate_private_key(65537, 2047)  # noqa: S505
    with pytest.raises(ValueError, match="2048 to 8192 bits"):
        public_keys(public_pem(small))
    assert len(public_keys(public_pem(rsa.generate_private_key(65537, 2048)))) == 1


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="RSA, EC or Ed25519"):
        public_keys(public_pem(dsa.generate_private_key(2048)))


def test_a_private_key_is_refused_and_not_repeated() -> None:
    private = RSA_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with pytest.raises(ValueError, match="no public key") as raised:
        public_keys(private)
    assert raised.value.__cause__ is None
    assert private[50:70] not in str(raised.value)


def test_several_blocks_are_several_keys_with_line_breaks_of_either_form() -> None:
    text = pem(RSA_KEY) + pem(EC_KEY)
    assert len(public_keys(text)) == 2
    assert len(public_keys(text.replace("\n", "\\n"))) == 2, "as one line of an environment variable"
    assert public_keys("") == public_keys(" ") == []


@pytest.mark.parametrize("text", ["-----BEGIN", "-----BEGIN PUBLIC KEY-----\nx", "x -----BEGIN PUBLIC KEY----- y"])
def test_text_without_a_whole_block_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no PEM block"):
        public_keys(text)


def test_keys_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "rsa.pem").write_text(pem(RSA_KEY))
    (tmp_path / "ec.pem").write_text(pem(EC_KEY))
    keys = public_keys(f"{tmp_path / 'rsa.pem'} , {tmp_path / 'ec.pem'}")
    assert [key.algorithms for key in keys] == [RSA_ALGORITHMS, {"ES256"}]


def test_a_file_is_read_up_to_its_maximum(tmp_path: Path) -> None:
    path, text = tmp_path / "keys.pem", pem(EC_KEY).strip()
    path.write_text(" " * (PEM_BYTES_MAX - len(text)) + text)
    assert len(public_keys(str(path))) == 1
    path.write_text(" " * (PEM_BYTES_MAX - len(text) + 1) + text)
    with pytest.raises(ValueError, match="no PEM block"):
        public_keys(str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("absent", "binary", "."):
        with pytest.raises(ValueError, match="cannot be read"):
            public_keys(str(tmp_path / name))


# JWK sets


def test_a_jwk_is_taken_for_its_kind_and_no_more_than_it_says() -> None:
    assert found(jwk()) == [RSA_ALGORITHMS]
    assert found(jwk(alg="RS256", use="sig")) == [{"RS256"}]
    assert found(jwk(alg="HS256")) == found(jwk(alg="none")) == found(jwk(alg=7)) == [frozenset()]


@pytest.mark.parametrize(
    "entry",
    [
        jwk(use="enc"),
        jwk(d="AQAB"),
        jwk(kty="oct", k="c2VjcmV0"),
        {"kty": "oct", "k": "c2VjcmV0"},
        jwk(kty=None),
        jwk(n=None),
        jwk(n=7),
        jwk(n="é"),
        jwk(kty="RSA2"),
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {},
        [],
        "key",
        None,
    ],
    ids=range(14),
)
def test_an_entry_of_no_use_is_left_out_and_the_others_stay(entry: Any) -> None:
    assert found(entry, jwk()) == [RSA_ALGORITHMS]


def test_a_small_rsa_key_of_a_set_is_left_out() -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505
    small = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    assert found(small, jwk()) == [RSA_ALGORITHMS]


def test_a_key_id_is_a_text_or_none() -> None:
    keys = jwks_keys(json.dumps({"keys": [jwk(kid="k1"), jwk(kid=7), jwk()]}).encode())
    assert [key.kid for key in keys] == ["k1", None, None]


def test_a_set_has_its_maximum_of_keys_and_not_one_more() -> None:
    entry = jwk()
    assert len(found(*[entry] * JWKS_KEYS_MAX)) == JWKS_KEYS_MAX
    with pytest.raises(ValueError, match=f"at most {JWKS_KEYS_MAX} keys"):
        found(*[entry] * (JWKS_KEYS_MAX + 1))
    assert found() == []


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[]", b'"keys"', b'{"keys":{}}', b'{"keys":"x"}', b"{", b"\xff", b"[" * (NESTING_MAX + 1)],
)
def test_what_is_no_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="JWK set"):
        jwks_keys(document)
