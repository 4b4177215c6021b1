"""Made-up runs for the real clients, and what the gateway thinks that these make of them."""

from __future__ import annotations

import json
from random import Random
from typing import NamedTuple

from tests.agui.clients import Fields, Result, Streams, both
from tests.support.agui_stories import Story, payloads
from websocket_handler.logs.runs.client_stream import ClientStream
from websocket_handler.logs.runs.fold import NO_STATE, Fold
from websocket_handler.logs.runs.problems import Problem, Rule
from websocket_handler.logs.runs.vocabulary import Generation

QUIRKS = ("has no members", "into itself")
"""Patches that RFC 6902 forbids, and the library of the clients applies in its own way."""


class Case(NamedTuple):
    """A stream, and the fold of it."""

    name: str
    streams: Streams
    fold: Fold
    problems: tuple[Problem, ...] = ()
    """What the referee found."""
    is_exact: bool = True
    """The client must have what the fold has. False where the client does not get everything."""


def cases_of(seed: int) -> list[Case]:
    """What one seed makes: a valid story and a wild one, each as it is, and for a client that joins in the middle."""
    random = Random(seed)
    draws = random.randbytes(random.choice((30, 100, 300)))
    cases: list[Case] = []
    for is_valid in (True, False):
        events = Story(draws, is_valid=is_valid, has_subagents=True).tell()
        name = f"{'valid' if is_valid else 'wild'} {seed}"
        cases.append(_whole(name, events, is_exact=is_valid))
        cases.append(_joined(f"{name} joined", events, random.randrange(len(events) + 1), is_exact=is_valid))
    return cases


def _whole(name: str, events: list[Fields], *, is_exact: bool) -> Case:
    fold = Fold("p", is_single=True)
    answers = [fold.fields(each) for each in events]
    problems = tuple(problem for each in answers if each for problem in each.problems)
    return Case(name, both(events), fold, problems, is_exact)


def _joined(name: str, events: list[Fields], at: int, *, is_exact: bool) -> Case:
    """The stream of a client that joins after `at` publications, until its run ends."""
    log, fold, streams = payloads(events), Fold("p"), {}
    for each in log[:at]:
        fold.publication(each)
    run_id = next(iter(fold.runs.runs), "r")
    until = at
    for generation in Generation:
        stream, until = ClientStream(generation, fold, run_id), at
        encoded = stream.join(fold)
        while not stream.ended and until < len(log):
            encoded += stream.publication(log[until])
            until += 1
        streams[generation] = [json.loads(each) for each in encoded]
    problems = [fold.publication(each) for each in log[at:until]]
    return Case(name, streams, fold, tuple(p for each in problems if each for p in each.problems), is_exact)


def difference(case: Case, generation: Generation, result: Result) -> str | None:
    """What a client has made of a case otherwise than the gateway thinks; None if nothing."""
    is_whole = "joined" not in case.name
    stops = [each for each in case.problems if generation in each.stops] if is_whole else []
    if "circular" in (result.error or ""):  # a quirk: see below
        return None
    if bool(stops) != (result.error is not None):
        return f"the referee said {stops}, and the client {result.error}"
    if result.error is not None or not case.is_exact:
        return None
    return _difference_of_content(case, generation, result)


def _difference_of_content(case: Case, generation: Generation, result: Result) -> str | None:
    if any(map(_puts_nothing_in_the_place_of_the_state, case.streams[generation])):
        return None
    if any(each.rule is Rule.PATCH_FAILED and any(quirk in each.text for quirk in QUIRKS) for each in case.problems):
        return None
    wanted = json.loads(json.dumps(case.fold.messages.data()))
    if result.messages != wanted:
        return f"the client has {result.messages}, and the fold {wanted}"
    state = {} if case.fold.state is NO_STATE else case.fold.state
    overlooks = generation is Generation.V0 and any(map(_may_empty_the_state, case.streams[generation]))
    if result.state != state and not overlooks:
        return f"the client has the state {result.state}, and the fold {state}"
    return None


def _puts_nothing_in_the_place_of_the_state(event: Fields) -> bool:
    """The library of the clients copies what is not there to the root, where RFC 6902 sees a mistake."""
    return event["type"] == "STATE_DELTA" and any(not each["path"] and "from" in each for each in event["delta"])


def _may_empty_the_state(event: Fields) -> bool:
    """0.0.59 overlooks a state that is false, zero, empty or null, and keeps the one before."""
    if event["type"] == "STATE_DELTA":
        return any(not each["path"] for each in event["delta"])
    return event["type"] == "STATE_SNAPSHOT" and not event["snapshot"]
