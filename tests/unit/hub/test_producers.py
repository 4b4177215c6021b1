"""How far each producer has come in a log."""

from websocket_handler.hub.producers import NONE_YET, Producers


def test_the_highest_sequence_of_a_producer_counts_whatever_its_order() -> None:
    producers = Producers(10)
    assert producers.last("a") == NONE_YET
    for key in ("a 3", "b 1", "a 5", "a 4", "a 5"):
        producers.note(key)
    assert (producers.last("a"), producers.last("b"), producers.last("c")) == (5, 1, NONE_YET)


def test_other_keys_are_nobodys() -> None:
    producers = Producers(10)
    for key in ("", "k1", "sqs:1", "a:1", "a b", "a 1 2", "a -1", "ä 1", " 1", "a  1", "a 1.0", "a " + "9" * 17):
        producers.note(key)
    assert len(producers) == 0


def test_the_producer_that_published_longest_ago_is_forgotten_beyond_the_maximum() -> None:
    producers = Producers(2)
    for key in ("a 1", "b 1", "a 2"):
        producers.note(key)
    assert len(producers) == 2
    producers.note("c 1")
    assert len(producers) == 2
    assert (producers.last("a"), producers.last("b"), producers.last("c")) == (2, NONE_YET, 1)
