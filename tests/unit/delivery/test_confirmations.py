"""Confirmations: one write per client and turn, each client its own, and none behind a goodbye."""

from tests.support.clock import SteeredClock
from tests.support.doubles import HandScheduler, client_of, connect, messages_in
from websocket_handler.delivery.confirmations import Confirmations


def test_a_client_gets_all_confirmations_of_a_turn_in_one_write_in_their_order() -> None:
    scheduler = HandScheduler(SteeredClock())
    confirmations = Confirmations(scheduler, 1000)
    one, other = connect(name="one"), connect(name="other")
    for number in range(3):
        confirmations.push(one, b'{"one":%d}' % number)
        confirmations.push(other, b'{"other":%d}' % number)
    assert client_of(one).writes == []
    scheduler.turn()
    assert len(client_of(one).writes) == len(client_of(other).writes) == 1
    assert client_of(one).messages == [{"one": 0}, {"one": 1}, {"one": 2}]
    assert client_of(other).messages == [{"other": 0}, {"other": 1}, {"other": 2}]


def test_each_turn_sends_once() -> None:
    scheduler = HandScheduler(SteeredClock())
    confirmations = Confirmations(scheduler, 1000)
    connection = connect()
    for number in range(2):
        confirmations.push(connection, b'{"n":%d}' % number)
        assert len(scheduler.ready) == 1
        scheduler.turn()
    assert client_of(connection).messages == [{"n": 0}, {"n": 1}]
    assert scheduler.ready == []


def test_a_client_that_is_about_to_go_gets_its_own_at_once_and_not_again() -> None:
    scheduler = HandScheduler(SteeredClock())
    confirmations = Confirmations(scheduler, 1000)
    leaving, staying = connect(name="leaving"), connect(name="staying")
    confirmations.push(leaving, b'{"n":1}')
    confirmations.push(staying, b'{"n":2}')
    confirmations.send_now(leaving)
    confirmations.send_now(leaving)
    assert client_of(leaving).messages == [{"n": 1}]
    assert client_of(staying).messages == []
    scheduler.turn()
    assert client_of(leaving).messages == [{"n": 1}]
    assert client_of(staying).messages == [{"n": 2}]


def test_a_client_that_is_gone_gets_nothing() -> None:
    scheduler = HandScheduler(SteeredClock())
    confirmations = Confirmations(scheduler, 1000)
    connection = connect()
    confirmations.push(connection, b"{}")
    connection.is_open = False
    scheduler.turn()
    assert client_of(connection).writes == []


def test_one_write_carries_no_more_than_it_may() -> None:
    scheduler = HandScheduler(SteeredClock())
    confirmations = Confirmations(scheduler, 2 * (10 + len(b'{"n":1}')))
    connection = connect()
    for number in range(5):
        confirmations.push(connection, b'{"n":%d}' % number)
    scheduler.turn()
    assert [len(messages_in(write)) for write in client_of(connection).writes] == [2, 2, 1]
    assert client_of(connection).messages == [{"n": number} for number in range(5)]
    client_of(connection).forget()
    confirmations.push(connection, b'{"text":"%s"}' % (b"x" * 100))
    scheduler.turn()
    assert len(client_of(connection).messages) == 1
