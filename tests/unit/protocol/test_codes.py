"""Error codes and close codes: the table is complete, and says the same as HTTP and RFC 6455."""

import re

import pytest

from websocket_handler.protocol.codes import ERRORS, CloseCode, CommandError, ErrorCode

PERMANENT = {409, 426}
"""Statuses of requests that would be refused again."""


def test_every_code_has_its_line_in_the_table_in_the_same_order() -> None:
    assert list(ERRORS) == list(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_code_is_a_word_and_its_status_agrees_with_whether_to_retry(code: ErrorCode) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code.value)
    spec = ERRORS[code]
    if spec.retryable:
        assert spec.status in (429, 500, 502, 503), "it may go better later"
    else:
        assert 400 <= spec.status < 500, "the client has to change something first"
    assert spec.status not in PERMANENT or not spec.retryable


@pytest.mark.parametrize("code", ErrorCode)
def test_a_fault_answers_as_the_table_says(code: ErrorCode) -> None:
    fault = CommandError(code, "text", command_id="7", action="ping", setting="MAX_PROJECTS")
    assert (fault.status, fault.retryable) == (ERRORS[code].status, ERRORS[code].retryable)
    assert (fault.code, fault.message, fault.id, fault.action) == (code, "text", "7", "ping")
    assert (CommandError(code, "text").id, CommandError(code, "text").action) == (None, None)


def test_the_name_of_the_setting_is_for_the_log_and_in_no_text_of_the_fault() -> None:
    fault = CommandError(ErrorCode.OVERLOADED, "too much", setting="SECRET_SETTING")
    assert fault.setting == "SECRET_SETTING"
    assert "SECRET_SETTING" not in f"{fault} {fault!r} {fault.args} {fault.message}"


@pytest.mark.parametrize("code", CloseCode)
def test_a_close_code_is_one_that_may_be_sent(code: CloseCode) -> None:
    """RFC 6455 section 7.4: 1004 to 1006 and 1015 are never sent, 1016 to 2999 are reserved, 4000 on are private."""
    assert code in {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013} or 4000 <= code <= 4999


def test_only_what_an_operator_or_another_user_caused_forbids_to_come_back() -> None:
    assert {code for code in CloseCode if 4500 <= code <= 4999} == {CloseCode.DISCONNECTED, CloseCode.IDENTITY_CHANGED}
