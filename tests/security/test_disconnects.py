"""A client that vanishes while a queue or a table works for it: nobody gets its answer, and nothing stays behind."""

from __future__ import annotations

import uvloop

from tests.security.disconnects import run

COUNT = 1000
"""`python -m tests.security.disconnects` does it 10,000 times."""


def test_a_thousand_disconnects_during_calls_leave_every_answer_with_its_client_and_the_pools_as_they_were() -> None:
    made, before, after = uvloop.run(run(COUNT))
    assert made.vanished >= COUNT
    assert after.connections == before.connections
    assert after.tasks <= before.tasks
    assert after.descriptors <= before.descriptors
    assert after.aws_connections <= before.aws_connections
