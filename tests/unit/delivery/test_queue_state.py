"""What the node knows of the updates queue, in virtual time."""

from tests.support.clock import loop_time
from tests.support.virtual_time import in_virtual_time
from websocket_handler.delivery.queue_state import OPERATORS_PAUSE_S, QueueState
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.update_source import SourceUnavailable, SourceUnusable

Told = list[tuple[str, dict[str, object]]]


def state() -> tuple[QueueState, Told]:
    """A state whose pauses are as long as they may be, and what it reported."""
    told: Told = []
    return QueueState(Backoff(lambda: 1.0, 0.1, 5.0), lambda event, fields: told.append((event, fields))), told


@in_virtual_time
async def test_a_queue_is_a_fault_until_it_was_looked_up() -> None:
    queue, _ = state()
    assert queue.failure() == "not looked up yet"
    queue.is_looked_up = True
    assert queue.failure() is None


@in_virtual_time
async def test_pauses_grow_with_every_failure_in_a_row_and_the_first_is_told() -> None:
    queue, told = state()
    pauses = []
    for reason in ("one", "two", "three"):
        before = loop_time()
        await queue.back_off(SourceUnavailable(reason))
        pauses.append(round(loop_time() - before, 3))
        assert queue.failure() == reason
    assert pauses == [0.2, 0.4, 0.8]
    assert told == [("updates.unavailable", {"reason": "one"})]


@in_virtual_time
async def test_an_answer_ends_the_fault_and_the_next_one_is_told_and_pauses_shortly() -> None:
    queue, told = state()
    await queue.back_off(SourceUnavailable("one"))
    assert not queue.has_answered.is_set()
    queue.answered()
    assert (queue.fault, queue.has_answered.is_set()) == (None, True)
    before = loop_time()
    await queue.back_off(SourceUnavailable("two"))
    assert round(loop_time() - before, 3) == 0.2
    assert [fields["reason"] for _, fields in told] == ["one", "two"]


@in_virtual_time
async def test_a_queue_that_only_an_operator_can_make_usable_is_asked_at_a_steady_pace() -> None:
    queue, _ = state()
    for _ in range(3):
        before = loop_time()
        await queue.back_off(SourceUnusable("no such queue"))
        assert loop_time() - before == OPERATORS_PAUSE_S


@in_virtual_time
async def test_a_right_that_is_missing_to_delete_stays_a_fault_while_messages_come() -> None:
    """Before, each answer to a receive made the node ready, until the next deletion failed."""
    queue, told = state()
    queue.is_looked_up = True
    for _ in range(3):
        await queue.back_off(SourceUnusable("not to be deleted"), is_deletion=True)
        queue.answered()
        assert (queue.failure(), queue.fault) == ("not to be deleted", None)
    assert told == [("updates.unavailable", {"reason": "not to be deleted"})]
    queue.deleted()
    assert queue.failure() is None
