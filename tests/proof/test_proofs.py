"""The proofs of delivery, each on real processes. `python -m tests.proof.NAME` runs one alone, at any size."""

from typing import Any

import pytest

from tests.proof.answers import KILLS, AnswersReport, judge, prove_answers
from tests.proof.cluster_storm import prove_cluster_storm
from tests.proof.crowd import Delivery
from tests.proof.kills import prove_kills
from tests.proof.outages import prove_outages
from tests.proof.rolling import prove_rolling
from tests.proof.slow import OUTBOX_BYTES, prove_slow
from tests.proof.storm import NECESSARY_CALLS, prove_storm
from tests.support.patience import PATIENCE_S


def check(delivery: Delivery) -> None:
    """Everyone got every confirmed publication once, in its order."""
    assert (delivery.lost, delivery.doubled, delivery.misplaced) == (0, 0, 0)


@pytest.mark.asyncio
async def test_kills_lose_and_double_nothing() -> None:
    """`kill -9` under full load: 50 resuming clients have every confirmed publication once, in order. `make proofs`
    kills twenty times."""
    report = await prove_kills(rounds=3, watchers=50, seed=1, retry_max_s=0.2)

    check(report.delivery)
    assert report.delivery.confirmed > 3 * 50
    assert report.reconnects == 3 * 50, "every kill cuts everybody off once, and nothing else does"


@pytest.mark.asyncio
async def test_a_rolling_deployment_loses_and_doubles_nothing() -> None:
    """A second node takes over from one that gets SIGTERM under load."""
    report = await prove_rolling(rounds=2, watchers=50, seed=1)

    check(report.delivery)
    assert report.exit_codes == [0, 0, 0]
    assert report.goodbyes == report.reconnects == 2 * 50, "everybody moves once with each node, and was asked to"


@pytest.mark.asyncio
async def test_the_clients_of_a_dead_node_come_to_the_others_of_its_cluster() -> None:
    """Nobody misses anything, and the clients of the other nodes stay. `make storm-cluster` brings 10,000."""
    report = await prove_cluster_storm(clients=60, projects=5, seed=1, give_up_s=PATIENCE_S)

    assert (report.level, report.cut, report.witness.faults) == (60, 0, [])
    assert report.delays_s


@pytest.mark.asyncio
async def test_outages_of_aws_lose_and_double_nothing() -> None:
    """Connections to SQS and DynamoDB stall, are reset, and lose answers."""
    report = await prove_outages(rounds=3, seed=1)

    check(report.delivery)
    assert (report.forwards_missing, report.forwards_doubled) == (0, 0)
    assert report.forwards > 0


@pytest.mark.asyncio
async def test_slow_clients_cost_an_outbox_and_lose_nothing() -> None:
    """Clients that stop reading take at most their outbox, a reader notices nothing, and they catch up in order."""
    report = await prove_slow(clients=150, publications=1000)

    everything = list(range(1, report.publications + 1))
    assert report.reader_offsets == everything
    assert all(offsets == everything for offsets in report.late_offsets)
    assert report.growth_per_client_bytes <= OUTBOX_BYTES
    assert report.sent_each_bytes > 10 * OUTBOX_BYTES, "each was owed far more than it may cost"


@pytest.mark.asyncio
async def test_a_crowd_that_comes_back_to_a_slow_store_is_level_soon_and_asks_it_little() -> None:
    """A node is replaced under 100 clients on 10 projects, and DynamoDB takes 10 calls in a second."""
    report = await prove_storm(clients=100, projects=10, calls_per_s=10.0, give_up_s=PATIENCE_S)

    assert report.witness.faults == []
    assert report.level == report.clients
    reads = report.calls["Query"]
    assert reads <= 3 * report.projects * NECESSARY_CALLS, "each log is read once or twice, not once for each client"


@pytest.mark.asyncio
@pytest.mark.parametrize("queue", ["fifo", "standard"])
async def test_one_of_two_answers_reaches_the_agent_also_if_a_gateway_dies_between(queue: str) -> None:
    """Two people answer at once on two nodes with DynamoDB. `make proofs` asks a thousand questions."""
    report = await prove_answers(questions=6, kills=len(KILLS), seed=1, queue=queue)

    assert report.wrong == []
    assert dict(report.kills) == dict.fromkeys(KILLS, 1)
    assert report.messages - report.repeated == 6


TASK = {"message_id": "m", "data": {"resume": [{"interruptId": "ask-0", "payload": "ann"}]}}
OTHER = {"message_id": "n", "data": {"resume": [{"interruptId": "ask-0", "payload": "bob"}]}}
STRANGE = {"message_id": "n", "data": {"resume": [{"interruptId": "ask-1", "payload": "bob"}]}}
BOTH = {"ann": "ann", "bob": "ann"}


@pytest.mark.parametrize(
    ("told", "got", "wrong"),
    [
        (BOTH, [TASK], 0),
        (BOTH, [], 1),
        (BOTH, [TASK, TASK], 1),
        (BOTH, [TASK, OTHER], 2),
        (BOTH, [OTHER], 1),
        (BOTH, [TASK, STRANGE], 1),
        ({"ann": "ann", "bob": "bob"}, [TASK], 2),
    ],
)
def test_the_judge_of_answers_sees_what_is_wrong(told: dict[str, str], got: list[Any], wrong: int) -> None:
    report = AnswersReport(1)
    judge(report, [told], got, set())
    assert len(report.wrong) == wrong, report.wrong


def test_a_standard_queue_may_repeat_an_answer_over_which_a_gateway_died() -> None:
    report = AnswersReport(1)
    judge(report, [BOTH], [TASK, TASK], {0})
    assert (report.wrong, report.repeated) == ([], 1)
