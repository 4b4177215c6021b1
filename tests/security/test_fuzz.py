"""A short, repeatable run of the fuzzer, its committed corpus, and generated handshakes and tokens."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.security import fuzz
from tests.support.forgeries import answer_to
from tests.support.frames import handshake_head
from tests.support.gateway import Gateway
from tests.support.heads import HEAD_BYTES
from tests.support.peers import Peer
from tests.support.tokens import SECRET, claims, signed, token
from websocket_handler.net.handshake import read_handshake
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.protocol.identity import Identity, InvalidClaims, identity_from_claims
from websocket_handler.protocol.request_head import HeadReader

ROUNDS = 60
OUTCOMES = {
    "http": {"101", "400", "403", "426"},
    "frames": {"close 1000", "close 1002", "close 1007", "hung up"},
    "text": {"duplicate_key", "invalid_field", "invalid_json", "pong", "publish_confirmed", "too_deep"},
}
"""What the cases of the corpus come to: it has cases of every kind, and the gateway tells them apart."""
CLAIMS = ["sub", "iss", "aud", "iat", "exp", "projects", "rights"]
STRICT = settings(max_examples=150, suppress_health_check=[*HealthCheck])

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.usefixtures("open_witness")
def test_random_input_gets_documented_answers_only(open_gateway: Gateway) -> None:
    outcomes = fuzz.run(open_gateway, 20_261_122, lambda rounds: rounds >= ROUNDS)
    assert outcomes.total() == ROUNDS * 12
    assert len([outcome for outcome in outcomes if outcome.startswith("text")]) > 5, "the inputs are all alike"


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_committed_corpus_gets_documented_answers_only(open_gateway: Gateway, kind: str) -> None:
    cases = fuzz.corpus(kind)
    outcomes: Counter[str] = Counter()
    with Peer.connect(open_gateway.port) as peer:
        for case in cases:
            if kind == "http":
                outcomes[fuzz.try_http(open_gateway.port, case)] += 1
            elif kind == "frames":
                outcomes[fuzz.try_frames(open_gateway.port, case)] += 1
            else:
                outcomes[fuzz.try_text(peer, case)] += 1
    assert set(outcomes) == OUTCOMES[kind]


@STRICT
@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 20))
def test_any_head_is_read_or_refused_with_a_whole_answer(noise: bytes, place: int, cut: int) -> None:
    head = handshake_head("/ws?project_id=a", authorization="Bearer x")
    head = head[:place] + noise + head[place + cut :]
    try:
        request = HeadReader(HEAD_BYTES).receive(head)
        if request is None:
            return
        handshake = read_handshake(request, ("/ws",))
    except CommandError as refusal:
        answer = last_response(refusal)
        assert answer.startswith(b"HTTP/1.1 4")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] in set(ErrorCode)
    else:
        assert handshake.path == "/ws"
        assert "Bearer" not in repr(handshake)
        assert all(
            credential.text not in repr(handshake) or len(credential.text) < 4 for credential in handshake.credentials
        )


@STRICT
@given(st.dictionaries(st.sampled_from(["sub", "exp", "nbf", "iat", "projects", "rights", "aud", "iss", "x"]), JSON))
def test_any_claims_make_an_identity_or_none_and_no_other_fault(claims_given: dict[str, Any]) -> None:
    try:
        identity = identity_from_claims(claims_given)
    except InvalidClaims:
        return
    assert identity.expires_at is not None
    assert identity.user_id


@STRICT
@given(st.dictionaries(st.sampled_from(CLAIMS), JSON, min_size=1, max_size=3))
def test_a_signed_token_with_any_claims_never_raises(changes: dict[str, Any]) -> None:
    try:
        payload = json.dumps(claims() | changes).encode()
    except (ValueError, UnicodeEncodeError):
        return
    answer = answer_to(signed({"alg": "HS256"}, payload))
    assert isinstance(answer, Identity) or answer.code is ErrorCode.UNAUTHORIZED


@STRICT
@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jku", "jwk", "crit", "b64", "x"]), JSON, max_size=4))
def test_a_signed_token_with_any_header_never_raises(changes: dict[str, Any]) -> None:
    answer = answer_to(signed(json.dumps({"alg": "HS256"} | changes).encode(), claims()))
    assert isinstance(answer, Identity) or answer.code is ErrorCode.UNAUTHORIZED


@STRICT
@given(st.integers(0, 10_000), st.sampled_from("ABCxyz019-_.=+/ \n"))
def test_a_token_with_one_character_changed_is_not_taken(place: int, character: str) -> None:
    valid = token()
    place %= len(valid)
    changed = valid[:place] + character + valid[place + 1 :]
    answer = answer_to(changed)
    if isinstance(answer, Identity):  # the last character of a segment has bits that no decoder looks at
        assert jwt.decode(changed, SECRET, ["HS256"], options={"verify_aud": False}) == jwt.decode(
            valid, SECRET, ["HS256"], options={"verify_aud": False}
        )
    else:
        assert isinstance(answer, CommandError)
        assert answer.code is ErrorCode.UNAUTHORIZED
