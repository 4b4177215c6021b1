"""The names of a decision: one task for one interrupt, and a key that only the gateway can write. How decisions reach
queues is tested through the API, in `tests/unit/api/test_interrupts.py`."""

from websocket_handler.delivery.decisions import key_of, task_id_of
from websocket_handler.protocol.names import IDEMPOTENCY_KEY, MESSAGE_ID


def test_an_interrupt_has_one_task_and_no_other_interrupt_has_it() -> None:
    places = [("p", "r", "i"), ("q", "r", "i"), ("p", "s", "i"), ("p", "r", "j"), ("p", "ri", ""), ("p", "", "ri")]
    names = [(*place, asked) for place in places for asked in (1, 2)]
    ids = [task_id_of(*name) for name in names]
    assert ids == [task_id_of(*name) for name in names]
    assert len(set(ids)) == len(names)
    assert all(map(MESSAGE_ID.fullmatch, ids))


def test_no_publisher_can_choose_the_key_of_a_decision() -> None:
    keys = {key_of(task_id_of("p", "r", "i", 1), what) for what in ("decided", "answered")}
    assert len(keys) == 2
    assert not any(map(IDEMPOTENCY_KEY.fullmatch, keys))
