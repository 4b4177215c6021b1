"""To which run an event belongs, and if it is in its place there."""

import pytest

from tests.unit.logs.runs.made import event
from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.open_runs import KNOWN_SUBAGENTS, OpenRuns, Ruling
from websocket_handler.logs.runs.problems import Rule
from websocket_handler.logs.runs.vocabulary import BOTH, Generation

V1 = (Generation.V1,)


def ruled(runs: OpenRuns, *events: Event) -> Ruling:
    """The ruling on the last of these events."""
    rulings = [runs.rule(runs.run_of(each), each) for each in events]
    return rulings[-1]


def started(run_id: str = "r") -> Event:
    return event("RUN_STARTED", threadId="p", runId=run_id)


def finished(run_id: str = "r") -> Event:
    return event("RUN_FINISHED", threadId="p", runId=run_id)


def runs_with(*run_ids: str, limits: FoldLimits | None = None, is_single: bool = False) -> OpenRuns:
    runs = OpenRuns(limits or FoldLimits(), is_single=is_single)
    for run_id in run_ids:
        ruled(runs, started(run_id))
    return runs


TEXT = (event("TEXT_MESSAGE_START", messageId="m"), event("TEXT_MESSAGE_CONTENT", messageId="m", delta="x"))
TEXT_END = event("TEXT_MESSAGE_END", messageId="m")


def test_a_message_opens_grows_and_closes() -> None:
    runs = runs_with("r")
    for each in (*TEXT, TEXT_END, *TEXT, TEXT_END):
        assert ruled(runs, each) == (runs.runs["r"], None, True)
    assert ruled(runs, finished()).problem is None
    assert runs.runs == {}


def test_an_event_belongs_to_the_run_that_it_names() -> None:
    runs = runs_with("one", "two")
    custom = event("CUSTOM", name="x", value=1, runId="one")
    assert runs.run_of(custom) is runs.runs["one"]
    assert ruled(runs, event("CUSTOM", name="x", value=1, runId="gone")).problem == (
        Rule.NO_RUN,
        "CUSTOM of run gone, which is not open",
        BOTH,
    )


def test_an_event_belongs_to_the_run_in_which_its_thing_is_open_or_that_started_last() -> None:
    runs = runs_with("one")
    ruled(runs, TEXT[0], event("SUBAGENT_STARTED", subagentRunId="s", name="child"))
    ruled(runs, started("two"))
    assert runs.run_of(TEXT[1]) is runs.runs["one"]
    assert runs.run_of(event("CUSTOM", name="x", value=1, subagentRunId="s")) is runs.runs["one"]
    assert runs.run_of(event("CUSTOM", name="x", value=1)) is runs.runs["two"]


@pytest.mark.parametrize(
    ("events", "rule", "stops"),
    [
        ((TEXT[1],), Rule.NOT_OPEN, BOTH),
        ((TEXT_END,), Rule.NOT_OPEN, BOTH),
        ((TEXT[0], TEXT[0]), Rule.ALREADY_OPEN, BOTH),
        ((event("TOOL_CALL_ARGS", toolCallId="c", delta="x"),), Rule.NOT_OPEN, BOTH),
        ((event("STEP_FINISHED", stepName="s"),), Rule.NOT_OPEN, BOTH),
        ((event("REASONING_MESSAGE_CONTENT", messageId="m", delta="x"),), Rule.NOT_OPEN, V1),
        ((event("REASONING_END", messageId="m"),), Rule.NOT_OPEN, V1),
        ((event("SUBAGENT_FINISHED", subagentRunId="s"),), Rule.NOT_OPEN, BOTH),
        ((started(),), Rule.RUN_OPEN, BOTH),
        ((finished("other"),), Rule.RUN_NOT_OPEN, BOTH),
        ((finished(), TEXT[0]), Rule.NO_RUN, BOTH),
        ((event("RUN_ERROR", message="x"), TEXT[0]), Rule.NO_RUN, BOTH),
    ],
)
def test_what_is_out_of_place_leaves_no_trace(
    events: tuple[Event, ...], rule: Rule, stops: tuple[Generation, ...]
) -> None:
    runs = runs_with("r")
    ruling = ruled(runs, *events)
    assert ruling.problem is not None
    assert (ruling.problem.rule, ruling.problem.stops, ruling.counts) == (rule, stops, False)


def test_a_step_of_a_subagent_is_another_one_than_its_parents() -> None:
    runs = runs_with("r")
    own, childs = event("STEP_STARTED", stepName="s"), event("STEP_STARTED", stepName="s", subagentRunId="a")
    assert ruled(runs, own).problem is None
    assert ruled(runs, childs).problem is None
    assert ruled(runs, event("STEP_FINISHED", stepName="s", subagentRunId="b")).problem is not None
    assert ruled(runs, event("STEP_FINISHED", stepName="s")).problem is None


@pytest.mark.parametrize(
    ("opening", "stops"),
    [(TEXT[0], BOTH), (event("REASONING_START", messageId="m"), V1), (event("STEP_STARTED", stepName="s"), BOTH)],
)
def test_a_run_that_finishes_while_something_is_open_is_over_all_the_same(
    opening: Event, stops: tuple[Generation, ...]
) -> None:
    runs = runs_with("r")
    ruling = ruled(runs, opening, finished())
    assert ruling.problem is not None
    assert (ruling.problem.rule, ruling.problem.stops, ruling.counts) == (Rule.STILL_OPEN, stops, True)
    assert runs.runs == {}
    ruled(runs, started("next"))
    assert ruled(runs, opening).problem is None


def test_an_error_ends_a_run_with_all_that_is_open_and_may_come_at_any_time() -> None:
    runs = runs_with("r")
    ruling = ruled(runs, TEXT[0], event("RUN_ERROR", message="x"))
    assert (ruling.problem, ruling.counts, runs.runs) == (None, True, {})
    assert ruled(runs, event("RUN_ERROR", message="x")) == (None, None, True)
    ruled(runs, started("next"))
    assert ruled(runs, TEXT[0]).problem is None


def test_in_one_stream_a_run_does_not_begin_within_another() -> None:
    runs = runs_with("r", is_single=True)
    ruling = ruled(runs, started("nested"))
    assert ruling.problem == (Rule.RUN_OPEN, "RUN_STARTED while run r is open", BOTH)
    assert ruled(runs_with("r"), started("beside")).problem is None


def test_in_one_stream_a_run_ends_under_its_own_id() -> None:
    runs = runs_with("r", is_single=True)
    ruling = ruled(runs, finished("other"))
    assert ruling.problem is not None
    assert (ruling.problem.rule, ruling.counts) == (Rule.RUN_NOT_OPEN, True)
    assert runs.runs == {}


def test_a_subagent_starts_once_and_after_its_parent() -> None:
    runs = runs_with("r")
    start, end = event("SUBAGENT_STARTED", subagentRunId="s", name="x"), event("SUBAGENT_FINISHED", subagentRunId="s")
    ruling = ruled(runs, start, end, start)
    assert ruling.problem is not None
    assert (ruling.problem.rule, ruling.problem.stops) == (Rule.SUBAGENT_REUSED, BOTH)
    child = event("SUBAGENT_STARTED", subagentRunId="t", name="x", parentSubagentRunId="gone")
    ruling = ruled(runs, child)
    assert ruling.problem is not None
    assert (ruling.problem.rule, ruling.counts) == (Rule.UNKNOWN_PARENT, True)
    ended_parent = event("SUBAGENT_STARTED", subagentRunId="u", name="x", parentSubagentRunId="s")
    assert ruled(runs, end, ended_parent).problem is None


def test_ended_subagents_are_remembered_up_to_a_maximum() -> None:
    runs = runs_with("r")
    for number in range(KNOWN_SUBAGENTS + 1):
        ruled(
            runs,
            event("SUBAGENT_STARTED", subagentRunId=str(number), name="x"),
            event("SUBAGENT_FINISHED", subagentRunId=str(number)),
        )
    assert next(iter(runs.runs["r"].closed_subagents)) == "1"
    assert len(runs.runs["r"].closed_subagents) == KNOWN_SUBAGENTS


def test_as_many_runs_are_open_as_may_be_and_no_more() -> None:
    runs = runs_with("1", limits=FoldLimits(open_runs=2))
    assert ruled(runs, started("2")).problem is None
    ruling = ruled(runs, started("3"))
    assert ruling == (None, (Rule.TOO_MANY_RUNS, "2 runs are open already", ()), False)


def test_as_much_is_open_in_a_run_as_may_be_and_no_more() -> None:
    runs = runs_with("r", limits=FoldLimits(open_things=2))
    opening = [event("STEP_STARTED", stepName=str(number)) for number in range(3)]
    assert ruled(runs, *opening[:2]).problem is None
    ruling = ruled(runs, opening[2])
    assert ruling.problem == (Rule.TOO_MANY_OPEN, "2 things are open in this run already", ())
    assert not ruling.counts


@pytest.mark.parametrize("field", ["messageId", "name"])
def test_ids_and_names_have_a_maximum_of_bytes(field: str) -> None:
    runs = runs_with("r", limits=FoldLimits(id_bytes=8))
    fits, longer = ({"messageId": "m", field: value} for value in ("é" * 4, "é" * 4 + "x"))
    assert ruled(runs, event("TEXT_MESSAGE_START", **longer)).problem == (
        Rule.ID_TOO_LONG,
        "an id or a name has more than 8 bytes",
        (),
    )
    assert ruled(runs, event("TEXT_MESSAGE_START", **fits)).problem is None


def test_the_id_of_a_run_has_a_maximum_of_bytes() -> None:
    runs = runs_with(limits=FoldLimits(id_bytes=8))
    assert ruled(runs, started("x" * 9)) == (
        None,
        (Rule.ID_TOO_LONG, "the id of a run has more than 8 bytes", ()),
        False,
    )
    assert ruled(runs, started("x" * 8)).problem is None


def test_a_copy_goes_its_own_way() -> None:
    runs = runs_with("r")
    ruled(runs, TEXT[0])
    alone = OpenRuns(FoldLimits())
    alone.put(runs.runs["r"].copy())
    assert ruled(alone, TEXT_END).problem is None
    assert ruled(runs, TEXT[1]).problem is None
