"""The epoch of a log that is empty: the nodes agree on it before a client hears of it."""

from tests.support.doubles import DOWN, EMPTY, WALL, Bench, client_of, code_of, tail
from websocket_handler.hub.epochs import begin_epoch
from websocket_handler.hub.log import Start
from websocket_handler.logs.local_log import AGAIN_S, TRUST_S
from websocket_handler.ports.log_store import Tail
from websocket_handler.protocol.codes import ErrorCode
from websocket_handler.protocol.messages import Position


def empty(epoch: str = "e") -> Bench:
    """An empty project of a node that has peers, under an epoch on which they agree."""
    bench = Bench(has_peers=True)
    bench.hand.opened(EMPTY)
    bench.hand.begun(epoch)
    return bench


def test_nobody_hears_of_an_epoch_before_all_nodes_agree_on_it() -> None:
    bench = Bench(has_peers=True)
    _, places = bench.follow()
    bench.hand.opened(EMPTY)
    assert places == []
    bench.hand.begun("theirs")
    assert (places, bench.project.reader.epoch) == ([Start(0, recovered=True)], "theirs")


def test_the_first_node_chooses_and_its_first_segment_has_that_epoch() -> None:
    bench = Bench(has_peers=True)
    bench.hand.opened(EMPTY)
    chosen = bench.hand.begun()
    bench.publish()
    assert bench.commit().epoch == chosen


def test_an_empty_log_that_has_an_epoch_keeps_it() -> None:
    bench = Bench(has_peers=True)
    bench.hand.opened(Tail("e", 0, 0, ()))
    assert bench.hand.begun() == "e"
    assert bench.project.reader.epoch == "e"


def test_a_log_with_publications_and_a_node_without_peers_need_no_agreement() -> None:
    bench = Bench(has_peers=True)
    bench.hand.opened(tail(1, 3))
    alone = Bench()
    alone.hand.opened(EMPTY)
    assert bench.hand.begins == alone.hand.begins == []
    assert bench.project.reader.epoch == "e"


def test_who_waits_is_refused_if_the_store_cannot_say_and_the_next_one_asks_again() -> None:
    bench = Bench(has_peers=True)
    _, places = bench.follow()
    bench.hand.opened(EMPTY)
    bench.hand.begun(DOWN)
    assert code_of(places[0]) is ErrorCode.STORE_UNAVAILABLE
    _, places = bench.follow()
    bench.hand.opened(EMPTY)
    bench.hand.begun()
    assert places == [Start(0, recovered=True)]


def test_the_first_publication_of_another_node_is_no_reset() -> None:
    bench = empty()
    connection, _ = bench.follow()
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(tail(1, 2))
    assert [message.get("offset") for message in client_of(connection).messages] == [1, 2]
    assert bench.counters.subscription_resets == 0


def test_the_beginning_of_an_epoch_that_this_node_does_not_know_promises_nothing() -> None:
    """A node without peers judges by the age of the epoch, because its store loses nothing."""
    for has_peers in (True, False):
        bench = Bench(has_peers=has_peers)
        bench.hand.opened(tail(1, 3))
        _, places = bench.follow(Position(begin_epoch(WALL - 60, "another"), 0))
        bench.hand.answer_read(Tail("e", 3, 0, ()))
        assert places == [Start(0, recovered=not has_peers)]


# How the agreement lasts


def test_the_store_is_asked_again_in_time_and_nobody_is_told() -> None:
    bench = empty()
    connection, _ = bench.follow()
    assert not bench.project.journal.keep_epoch()
    bench.clock.advance(AGAIN_S)
    assert bench.project.journal.keep_epoch()
    assert not bench.project.journal.keep_epoch(), "it is being asked"
    bench.hand.answer_read(EMPTY)
    assert bench.hand.begun() == "e"
    assert not bench.project.journal.keep_epoch()
    assert client_of(connection).messages == []


def test_a_log_that_was_written_meanwhile_is_read_and_kept_no_more() -> None:
    bench = empty()
    bench.clock.advance(AGAIN_S)
    bench.project.journal.keep_epoch()
    bench.hand.answer_read(tail(1, 1))
    bench.clock.advance(AGAIN_S)
    assert not bench.project.journal.keep_epoch()
    assert bench.hand.begins == []


def test_a_store_that_agreed_with_others_meanwhile_is_a_reset() -> None:
    bench = empty()
    connection, _ = bench.follow()
    bench.clock.advance(AGAIN_S)
    bench.project.journal.keep_epoch()
    bench.hand.answer_read(EMPTY)
    bench.hand.begun("theirs")
    [reset] = client_of(connection).messages
    assert (reset["type"], reset["epoch"], reset["offset"]) == ("subscription_reset", "theirs", 0)


def test_the_agreement_of_another_log_is_read_anew() -> None:
    bench = empty()
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(Tail("theirs", 0, 0, ()))
    bench.hand.opened(Tail("theirs", 0, 0, ()))
    assert bench.hand.begun() == "theirs"
    assert bench.project.reader.epoch == "theirs"


def test_a_store_that_does_not_answer_is_asked_again_at_the_next_occasion() -> None:
    bench = empty()
    bench.clock.advance(AGAIN_S)
    bench.project.journal.keep_epoch()
    bench.hand.answer_read(EMPTY)
    bench.hand.begun(DOWN)
    assert bench.project.journal.keep_epoch()
    bench.hand.answer_read(EMPTY)
    assert bench.hand.begun() == "e"


def test_an_epoch_is_given_up_before_another_log_could_have_had_it() -> None:
    bench = empty()
    connection, _ = bench.follow()
    bench.clock.advance(TRUST_S)
    assert bench.project.journal.keep_epoch()
    [reset] = client_of(connection).messages
    assert (reset["type"], reset["recovered"]) == ("subscription_reset", False)
    bench.hand.answer_read(EMPTY)
    assert bench.hand.begun() == reset["epoch"] != "e"
