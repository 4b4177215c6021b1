"""Which offers of permessage-deflate are taken, and which headers cannot be read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import InvalidHeaderFormat, NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension

from websocket_handler.protocol.extensions import OFFERS_CHARACTERS_MAX, agreed_extensions

AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
AGREED_15 = f"{AGREED}; server_max_window_bits=15"

TAKEN = {
    "permessage-deflate": AGREED,
    "permessage-deflate; client_max_window_bits": AGREED,  # Chromium, and Node's ws
    "permessage-deflate;client_max_window_bits=15": AGREED,
    "permessage-deflate ; client_max_window_bits = 8": AGREED,
    'permessage-deflate; client_max_window_bits="10"': AGREED,
    r'permessage-deflate; client_max_window_bits="1\0"': AGREED,
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover": AGREED,
    "permessage-deflate; server_max_window_bits=15": AGREED_15,
    'permessage-deflate; server_max_window_bits="15"; client_max_window_bits': AGREED_15,
    "permessage-deflate; server_max_window_bits=10, permessage-deflate": AGREED,
    "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=15, permessage-deflate": AGREED_15,
    'permessage-bzip2; level="9", x-webkit-deflate-frame, permessage-deflate': AGREED,
    " , ,permessage-deflate,, ": AGREED,
}


@pytest.mark.parametrize(("header", "answer"), TAKEN.items())
def test_the_first_offer_that_can_be_met_is_taken(header: str, answer: str) -> None:
    assert agreed_extensions([header]) == answer


@pytest.mark.parametrize(
    "parameters",
    [
        "server_max_window_bits",
        *(f"server_max_window_bits={bits}" for bits in (7, 8, 9, 14, 16, "015", "+15", "x")),
        *(f"client_max_window_bits={bits}" for bits in (0, 7, 16, "08", "-8", "8.0", "x")),
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=9; client_max_window_bits=10",
        "server_no_context_takeover; server_no_context_takeover",
        "mem_level=9",
        "Server_No_Context_Takeover",
    ],
)
def test_an_offer_with_a_parameter_that_is_unknown_wrong_or_twice_is_declined(parameters: str) -> None:
    assert agreed_extensions([f"permessage-deflate; {parameters}"]) == ""


@pytest.mark.parametrize("header", ["permessage-bzip2", "x-webkit-deflate-frame", "Permessage-Deflate", "deflate"])
def test_other_extensions_are_declined(header: str) -> None:
    assert agreed_extensions([header]) == ""


def test_several_headers_are_one_list() -> None:
    assert agreed_extensions(["permessage-deflate; server_max_window_bits=9", "permessage-deflate"]) == AGREED


WRONG = [
    "",
    " ",
    ",",
    ";",
    "permessage-deflate;",
    "permessage-deflate; ;client_max_window_bits",
    "permessage-deflate; =15",
    "permessage-deflate; client_max_window_bits=",
    "permessage-deflate; client_max_window_bits=, other",
    'permessage-deflate; client_max_window_bits="8',
    'permessage-deflate; client_max_window_bits="8" 9',
    'permessage-deflate; client_max_window_bits=""',
    'permessage-deflate; client_max_window_bits="8 9"',
    "permessage-deflate client_max_window_bits",
    "permessage-deflate, ;",
    "permessage/deflate",
    "permessage-deflate; caf\xe9",
    "permessage-deflate, \x7f",
]


@pytest.mark.parametrize("header", WRONG)
def test_a_header_that_breaks_its_grammar_is_refused_as_a_whole(header: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong, the answer is the same
        agreed_extensions([header])


def test_a_header_is_not_read_beyond_its_limit() -> None:
    offer = "permessage-deflate, "
    fits = (offer * (OFFERS_CHARACTERS_MAX // len(offer))).ljust(OFFERS_CHARACTERS_MAX)
    assert agreed_extensions([fits]) == AGREED
    with pytest.raises(ValueError, match="too long"):
        agreed_extensions([f"{fits} "])


PIECES = st.sampled_from(
    [
        *("permessage-deflate", "client_max_window_bits", "server_max_window_bits", "x", "15", "8", "(", "\xe9"),
        *(";", "; ", "=", ",", ", ", '"', '"15"', '"a b"', "\\", " ", "\t"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@example('a; b="\\1\\5"')
@example("a,,b ,")
def test_the_library_reads_and_refuses_the_same_headers(header: str) -> None:
    """But for quotes: the library takes `""`, and drops them before it looks whether a token is left."""
    try:
        parse_extension(header)
    except InvalidHeaderFormat:
        is_right = False
    else:
        is_right = True
    try:
        agreed_extensions([header])
    except ValueError:
        assert not is_right or '"' in header
    else:
        assert is_right


@pytest.mark.parametrize("header", TAKEN)
def test_what_is_answered_is_what_a_client_of_the_library_accepts(header: str) -> None:
    answer = parse_extension(agreed_extensions([header]))
    window_bits = 15 if "server_max_window_bits" in agreed_extensions([header]) else None
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=window_bits, client_max_window_bits=True)
    agreed = factory.process_response_params(answer[0][1], [])
    assert (agreed.remote_no_context_takeover, agreed.local_no_context_takeover) == (True, True)
    with pytest.raises(NegotiationError):
        factory.process_response_params(answer[0][1], [agreed])
