"""When a task is over, by what agents say."""

import pytest

from websocket_handler.cli.client.tasks import is_about, outcome


@pytest.mark.parametrize(
    ("message", "end"),
    [
        ({"type": "dev_accepted"}, None),
        ({"type": "dev_progress"}, None),
        ({"type": "dev_result"}, True),
        ({"type": "dev_failed", "is_last": False}, None),
        ({"type": "dev_failed", "is_last": True}, False),
        ({"type": "dev_failed"}, False),
        ({"type": "RUN_FINISHED"}, True),
        ({"type": "RUN_ERROR"}, False),
        ({"type": "qa_result"}, None),
        ({}, None),
    ],
    ids=range(10),
)
def test_the_end_of_a_task_is_a_result_or_the_last_failure(message: dict[str, object], end: bool | None) -> None:
    assert outcome("dev", message) is end


def test_an_update_is_about_its_task_or_its_run() -> None:
    assert is_about("m1", {"task_id": "m1"})
    assert is_about("m1", {"runId": "m1"})
    assert not is_about("m1", {"task_id": "m2", "message_id": "m1"})
