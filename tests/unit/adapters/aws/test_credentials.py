"""Credentials are at hand before a call needs them, and never older than they may be."""

import asyncio

import pytest

from websocket_handler.adapters.aws.credentials import AGE_S_MAX, ANEW_S, FRESH_S, RETRY_S, CredentialsAtHand
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sigv4 import Credentials


class Source:
    """A source of credentials whose clock and answers the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.answer: Credentials | AwsError = Credentials("key-1", "secret", "token")
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.at_hand = CredentialsAtHand(self.ask, self.begin_anew, lambda: self.now)
        self.began_anew = 0

    def begin_anew(self) -> None:
        self.began_anew += 1

    async def ask(self) -> Credentials:
        self.asked += 1
        await self.may_answer.wait()
        if isinstance(self.answer, AwsError):
            raise self.answer
        return self.answer


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_they_are_asked_for_once_and_used_while_they_are_fresh() -> None:
    source = Source()
    assert source.at_hand.at_hand() is None
    first, second = await asyncio.gather(source.at_hand.get(), source.at_hand.get())
    source.now += FRESH_S - 1
    assert source.at_hand.at_hand() is first is second
    assert source.asked == 1


@pytest.mark.asyncio
async def test_new_ones_are_asked_for_beside_the_calls() -> None:
    source = Source()
    first = await source.at_hand.get()
    source.answer = Credentials("key-2", "secret", "token")
    source.now += FRESH_S
    assert source.at_hand.at_hand() is first
    await settled()
    assert source.at_hand.at_hand() == Credentials("key-2", "secret", "token")
    assert source.asked == 2


@pytest.mark.asyncio
async def test_a_source_that_hangs_or_fails_stops_nobody_until_they_are_too_old() -> None:
    source = Source()
    first = await source.at_hand.get()
    source.may_answer.clear()
    for _ in range(3):
        source.now += FRESH_S
        assert source.at_hand.at_hand() is first
        await settled()
    assert source.asked == 2
    source.answer = AwsError(Fault.TRANSIENT, "CredentialRetrievalError", "no answer")
    source.may_answer.set()
    await settled()
    source.now += RETRY_S
    assert source.at_hand.at_hand() is first
    await settled()
    assert source.at_hand.at_hand() is first
    await settled()
    assert source.asked == 3, "asked again too soon"
    source.now += AGE_S_MAX
    assert source.at_hand.at_hand() is None
    with pytest.raises(AwsError, match="CredentialRetrievalError"):
        await source.at_hand.get()


@pytest.mark.asyncio
async def test_one_who_gives_up_waiting_does_not_disturb_the_others() -> None:
    source = Source()
    source.may_answer.clear()
    impatient, patient = (asyncio.create_task(source.at_hand.get()) for _ in range(2))
    await settled()
    impatient.cancel()
    await settled()
    source.may_answer.set()
    assert (await patient).access_key == "key-1"
    assert source.asked == 1


@pytest.mark.asyncio
async def test_the_same_ones_stay_the_same_object_and_forgotten_ones_are_asked_for() -> None:
    source = Source()
    first = await source.at_hand.get()
    source.answer = Credentials(*first)
    source.now += FRESH_S
    source.at_hand.at_hand()
    await settled()
    assert source.at_hand.at_hand() is first
    source.at_hand.refused("ExpiredToken")
    assert source.at_hand.at_hand() is None
    assert await source.at_hand.get() == first


@pytest.mark.asyncio
async def test_refused_ones_are_looked_for_anew_but_not_all_the_time() -> None:
    source = Source()
    for code, is_refused in {"ExpiredTokenException": True, "InvalidClientTokenId": True, "Throttling": False}.items():
        await source.at_hand.get()
        source.at_hand.refused(code)
        assert (source.at_hand.at_hand() is None) is is_refused
    assert source.began_anew == 1
    source.now += ANEW_S
    source.at_hand.refused("UnrecognizedClientException")
    assert source.began_anew == 2


@pytest.mark.asyncio
async def test_what_no_header_takes_is_the_operators_fault() -> None:
    source = Source()
    source.answer = Credentials("key\n", "secret")
    with pytest.raises(AwsError, match="InvalidCredentials") as raised:
        await source.at_hand.get()
    assert raised.value.fault is Fault.DENIED


@pytest.mark.asyncio
async def test_closing_ends_the_asking() -> None:
    source = Source()
    source.may_answer.clear()
    waiting = asyncio.create_task(source.at_hand.get())
    await settled()
    await source.at_hand.close()
    with pytest.raises(AwsError, match="stopping"):
        await waiting
    await source.at_hand.close()
