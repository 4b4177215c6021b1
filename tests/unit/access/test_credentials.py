"""The one reader of credentials: what it finds, and which of it a handshake and an HTTP request may use."""

import pytest

from websocket_handler.access.credentials import (
    Credential,
    Kind,
    bearer_token,
    credentials_in,
    handshake_credential,
)
from websocket_handler.protocol.codes import CommandError, ErrorCode

TOKEN = Credential(Kind.TOKEN, "t")
UNKNOWN = Credential(Kind.UNKNOWN, "dTpw")
TICKET = Credential(Kind.TICKET, "k")
QUERY_TOKEN = Credential(Kind.QUERY_TOKEN, "q")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer t", TOKEN),
        ("bearer t", TOKEN),
        ("BEARER   t \t", TOKEN),
        ("Bearer", Credential(Kind.TOKEN, "")),
        ("Bearer \u00a0t", Credential(Kind.TOKEN, "\u00a0t")),
        ("Bearer t, Bearer t", Credential(Kind.TOKEN, "t, Bearer t")),
        ("Basic dTpw", UNKNOWN),
        ("Bearert", Credential(Kind.UNKNOWN, "")),
        ("", Credential(Kind.UNKNOWN, "")),
    ],
)
def test_a_value_of_authorization_is_one_credential(value: str, expected: Credential) -> None:
    assert list(credentials_in([value], [])) == [expected]


def test_every_credential_is_found_wherever_it_stands() -> None:
    fields = [("project_id", "p"), ("ticket", "k"), ("access_token", "q"), ("Ticket", "no")]
    found = list(credentials_in(["Bearer t", "Basic dTpw"], fields, ["chat", "bearer", "t", "bearer"]))
    assert found == [TOKEN, UNKNOWN, TOKEN, TICKET, QUERY_TOKEN]
    assert list(credentials_in([], [("project_id", "p")], ["bearer"])) == []


def test_no_credential_shows_its_text() -> None:
    assert "secret" not in repr(Credential(Kind.TOKEN, "secret"))


@pytest.mark.parametrize("credential", [TOKEN, TICKET])
def test_a_handshake_may_have_one_token_or_one_ticket(credential: Credential) -> None:
    assert handshake_credential([credential], is_token_in_query_allowed=False) is credential


def test_a_handshake_may_have_a_token_in_its_url_only_if_the_operator_allows_it() -> None:
    assert handshake_credential([QUERY_TOKEN], is_token_in_query_allowed=True) is QUERY_TOKEN
    with pytest.raises(CommandError, match="does not belong into a URL"):
        handshake_credential([QUERY_TOKEN], is_token_in_query_allowed=False)


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ([TOKEN, TOKEN], "a credential stands in one place only"),
        ([UNKNOWN, TICKET], "a credential stands in one place only"),
        ([UNKNOWN], "the credential is of a kind that is not taken here"),
    ],
)
def test_other_credentials_refuse_the_handshake(credentials: list[Credential], reason: str) -> None:
    with pytest.raises(CommandError) as refusal:
        handshake_credential(credentials, is_token_in_query_allowed=True)
    assert (refusal.value.code, refusal.value.message) == (ErrorCode.UNAUTHORIZED, reason)


def test_an_http_request_has_one_bearer_token() -> None:
    assert bearer_token([TOKEN]) == "t"


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ([], "one Authorization header with a bearer token is needed"),
        ([TICKET], "one Authorization header with a bearer token is needed"),
        ([TOKEN, TOKEN], "one Authorization header with a bearer token is needed"),
        ([TOKEN, UNKNOWN, TICKET], "one Authorization header with a bearer token is needed"),
        ([TOKEN, TICKET], "a credential stands in one place only"),
        ([UNKNOWN, QUERY_TOKEN], "a credential stands in one place only"),
        ([UNKNOWN], "a bearer token is needed"),
    ],
)
def test_other_credentials_refuse_the_http_request(credentials: list[Credential], reason: str) -> None:
    with pytest.raises(CommandError) as refusal:
        bearer_token(credentials)
    assert (refusal.value.code, refusal.value.message) == (ErrorCode.UNAUTHORIZED, reason)
