"""What is true of every run, whatever its agent publishes. A law takes a made-up story, and raises AssertionError."""

import msgspec

from tests.support.agui_stories import Story, payloads
from websocket_handler.logs.runs.client_stream import ClientStream
from websocket_handler.logs.runs.events import Event, event_of
from websocket_handler.logs.runs.fold import NO_STATE, Fold
from websocket_handler.logs.runs.joining import joining_events
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.open_runs import OpenRuns
from websocket_handler.logs.runs.problems import Problem
from websocket_handler.logs.runs.snapshot import dump, load, snapshot_of
from websocket_handler.logs.runs.vocabulary import TYPES_1_0, Generation

TIGHT = FoldLimits(
    open_runs=2, open_things=3, messages=4, message_bytes=150, messages_bytes=300, state_bytes=40, patch_operations=2
)


def log_of(draws: bytes, *, is_valid: bool, runs: int = 2) -> list[bytes]:
    return payloads(Story(draws, is_valid=is_valid, runs=runs, has_subagents=True).tell())


def folded(log: list[bytes], limits: FoldLimits | None = None) -> Fold:
    fold = Fold("p", limits)
    for each in log:
        fold.publication(each)
    return fold


def a_stored_fold_goes_on_as_if_it_had_not_been(draws: bytes, at: int, *, is_valid: bool, is_tight: bool) -> None:
    """fold(all) is fold(snapshot at any offset, then the tail), also where limits drop messages."""
    limits, log = TIGHT if is_tight else FoldLimits(), log_of(draws, is_valid=is_valid)
    fold = load(dump(folded(log[:at], limits)), limits)
    for each in log[at:]:
        fold.publication(each)
    assert dump(fold) == dump(folded(log, limits))


def sizes_are_those_of_the_json_and_within_the_limits(draws: bytes) -> None:
    """After each event, whatever it is."""
    for limits in (FoldLimits(), TIGHT):
        fold = Fold("p", limits)
        for each in log_of(draws, is_valid=False, runs=3):
            fold.publication(each)
            sizes = [len(msgspec.json.encode(message)) for message in fold.messages.data()]
            assert fold.messages.size == sum(sizes) <= limits.messages_bytes
            assert max(sizes, default=0) <= limits.message_bytes
            assert len(sizes) <= limits.messages
            assert fold.state is NO_STATE or len(msgspec.json.encode(fold.state)) <= limits.state_bytes
            assert all(len(run.open) <= limits.open_things for run in fold.runs.runs.values())
            assert len(fold.runs.runs) <= limits.open_runs


def a_joiners_list_breaks_no_rule_and_folds_to_the_same(draws: bytes, *, is_valid: bool) -> None:
    """For each run that is open, or has ended, or is unknown."""
    fold = folded(log_of(draws, is_valid=is_valid))
    for run_id in [*fold.runs.runs, *fold.ends.ended, "unknown"]:
        referee, again = OpenRuns(FoldLimits(), is_single=True), Fold("p")
        for fields in joining_events(fold, run_id):
            event = Event(fields["type"], fields)
            assert referee.rule(referee.run_of(event), event).problem is None
            again.fields(fields)
        joined, whole = snapshot_of(again), snapshot_of(fold)
        assert joined["messages"] == whole["messages"]
        assert joined.get("state", "none") == whole.get("state", "none")
        run = fold.runs.runs.get(run_id)
        assert [set(each.open) for each in again.runs.runs.values()] == ([] if run is None else [set(run.open)])


def no_client_stops_wherever_it_joins(draws: bytes, at: int, generation: Generation, *, is_valid: bool) -> None:
    """The referee finds nothing in what a client of this generation gets."""
    log = log_of(draws, is_valid=is_valid)
    fold = folded(log[:at])
    for run_id in [*fold.runs.runs, *fold.ends.ended, "unknown"]:
        stream = ClientStream(generation, fold, run_id)
        events = stream.join(fold)
        events += [event for each in log[at:] for event in stream.publication(each)]
        assert _stops(events, generation) == []


def _stops(events: list[bytes], generation: Generation) -> list[Problem]:
    """What the client would stop at."""
    fold, found = Fold("p", is_single=True), []
    for each in events:
        event = event_of(msgspec.json.decode(each))
        assert isinstance(event, Event)
        assert event.type in TYPES_1_0
        found += [problem for problem in fold.event(event).problems if generation in problem.stops]
    return found


def a_joiner_ends_with_what_the_fold_of_the_log_has(draws: bytes, at: int) -> None:
    """A client that joins at any offset and follows the tail has what one has that was there from the start."""
    log = log_of(draws, is_valid=True, runs=1)
    fold = folded(log[:at])
    run_id = next(iter(fold.runs.runs), None)
    if run_id is None:
        return
    stream, client = ClientStream(Generation.V1, load(dump(fold)), run_id), Fold("p")
    events = stream.join(fold)
    while not stream.ended and at < len(log):
        events += stream.publication(log[at])
        at += 1
    for event in events:
        client.publication(event)
    got, wanted = snapshot_of(client), snapshot_of(folded(log[:at]))
    assert got["messages"] == wanted["messages"]
    assert got.get("state", "none") == wanted.get("state", "none")
