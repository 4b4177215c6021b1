"""Who is next, and who has to leave a full queue."""

from websocket_handler.adapters.overload.queue import Rank, TurnQueue


def taken(queue: TurnQueue[str]) -> list[str]:
    order: list[str] = []
    while (item := queue.take()) is not None:
        order.append(item)
    return order


def test_logs_go_before_records_and_equals_in_the_order_in_which_they_came() -> None:
    queue: TurnQueue[str] = TurnQueue(10)
    for item, rank in (("r1", Rank.RECORDS), ("l1", Rank.LOG), ("r2", Rank.RECORDS), ("l2", Rank.LOG)):
        assert queue.add(item, rank) is None
    assert taken(queue) == ["l1", "l2", "r1", "r2"]


def test_a_full_queue_takes_nobody_of_equal_importance() -> None:
    queue: TurnQueue[str] = TurnQueue(2)
    assert queue.add("a", Rank.LOG) is None
    assert queue.add("b", Rank.LOG) is None
    assert queue.add("c", Rank.LOG) == "c"
    assert queue.add("r", Rank.RECORDS) == "r"
    assert taken(queue) == ["a", "b"]


def test_a_full_queue_drops_the_newest_records_for_a_log() -> None:
    queue: TurnQueue[str] = TurnQueue(3)
    queue.add("r1", Rank.RECORDS)
    queue.add("r2", Rank.RECORDS)
    queue.add("a", Rank.LOG)
    assert queue.add("b", Rank.LOG) == "r2"
    assert queue.add("c", Rank.LOG) == "r1"
    assert queue.add("d", Rank.LOG) == "d"
    assert taken(queue) == ["a", "b", "c"]


def test_it_counts_those_who_go_first() -> None:
    queue: TurnQueue[str] = TurnQueue(10)
    queue.add("r", Rank.RECORDS)
    assert (queue.count(Rank.LOG), queue.count(Rank.RECORDS), len(queue)) == (0, 1, 1)
    queue.add("a", Rank.LOG)
    assert (queue.count(Rank.LOG), queue.count(Rank.RECORDS), len(queue)) == (1, 2, 2)


def test_who_no_longer_waits_is_not_taken() -> None:
    queue: TurnQueue[str] = TurnQueue(10)
    queue.add("a", Rank.LOG)
    queue.add("b", Rank.LOG)
    queue.remove("a")
    queue.remove("a")
    assert taken(queue) == ["b"]


def test_the_oldest_of_each_rank_can_be_taken_out_when_they_are_due() -> None:
    queue: TurnQueue[str] = TurnQueue(10)
    for item in ("1", "2", "5"):
        queue.add(item, Rank.LOG)
    for item in ("0", "3"):
        queue.add(item, Rank.RECORDS)
    assert queue.oldest() == ["1", "0"]
    assert queue.take_first(lambda item: item < "3") == ["1", "2", "0"]
    assert queue.oldest() == ["5", "3"]
    assert taken(queue) == ["5", "3"]
    assert queue.oldest() == []
