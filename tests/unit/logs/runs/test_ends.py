"""How runs ended, what they ask, what they used."""

from typing import Any

import pytest

from websocket_handler.logs.runs.ends import Ends
from websocket_handler.logs.runs.limits import FoldLimits


def interrupt(*ids: str, run: str = "r", **more: Any) -> dict[str, Any]:
    asked = [{"id": each, "reason": "approval", **more} for each in ids]
    return {"runId": run, "outcome": {"type": "interrupt", "interrupts": asked}}


def test_each_way_to_end_is_kept() -> None:
    ends = Ends(FoldLimits())
    ends.finished({"runId": "1"}, 7)
    ends.finished({"runId": "2", "outcome": {"type": "cancelled"}}, 8)
    ends.finished({"runId": "3", "outcome": {"type": "of the future"}}, 9)
    ends.finished(interrupt("i", run="4"), 10)
    ends.failed("5", {"message": "x" * 2000, "code": "lost"}, 11)
    ends.failed(None, {"message": "x"}, 12)
    assert {run: end["outcome"] for run, end in ends.ended.items()} == {
        "1": "success",
        "2": "cancelled",
        "3": "success",
        "4": "interrupt",
        "5": "error",
    }
    assert ends.ended["5"] == {"outcome": "error", "offset": 11, "message": "x" * 1024, "code": "lost"}


def test_the_oldest_ends_are_forgotten() -> None:
    ends = Ends(FoldLimits(ended_runs=2))
    for run in "121":
        ends.finished({"runId": run}, 1)
    assert list(ends.ended) == ["2", "1"]
    ends.finished({"runId": "3"}, 1)
    assert list(ends.ended) == ["1", "3"]


@pytest.mark.parametrize("answers", [("i", 3), ("unknown", 3), (None, "i")])
def test_an_interrupt_is_open_until_a_decision_or_a_run_answers_it(answers: tuple[object, object]) -> None:
    ends = Ends(FoldLimits())
    assert ends.finished(interrupt("i", "j"), 1)
    assert ends.interrupts["i"] == {"id": "i", "reason": "approval", "runId": "r", "askedOffset": 1}
    for each in answers:
        ends.decided({"name": "wsh.decided", "value": {"interruptId": each}})
    ends.decided({"name": "other", "value": {"interruptId": "j"}})
    ends.decided({"name": "wsh.decided", "value": "j"})
    assert ("i" in ends.interrupts) == ("i" not in answers)
    ends.started({"runId": "next", "input": {"resume": [{"interruptId": "i", "status": "resolved"}, "odd"]}})
    assert list(ends.interrupts) == ["j"]
    ends.started({"runId": "next", "parentRunId": "r"})
    assert (ends.interrupts, ends.interrupts_bytes) == ({}, 0)


def test_as_many_interrupts_are_open_as_may_be_and_no_more() -> None:
    ends = Ends(FoldLimits(interrupts=2))
    assert ends.finished(interrupt("1", "2"), 1)
    assert not ends.finished(interrupt("3"), 1)
    assert ends.finished(interrupt("2"), 1)
    assert list(ends.interrupts) == ["1", "2"]


def test_interrupts_have_a_maximum_of_bytes() -> None:
    size = len(b'{"id":"1","reason":"approval","runId":"r","askedOffset":1}')
    ends = Ends(FoldLimits(interrupts_bytes=2 * size))
    assert ends.finished(interrupt("1", "2"), 1)
    ends = Ends(FoldLimits(interrupts_bytes=2 * size - 1))
    assert not ends.finished(interrupt("1", "2"), 1)
    assert not Ends(FoldLimits(id_bytes=2)).finished(interrupt("123"), 1)
    assert Ends(FoldLimits(id_bytes=2)).finished(interrupt("12"), 1)


def test_tokens_are_added_up_by_provider_and_model() -> None:
    ends = Ends(FoldLimits(models=2))
    usage = [{"provider": "a", "model": "m", "inputTokens": 3, "outputTokens": None}, {"model": "m", "outputTokens": 1}]
    ends.finished({"runId": "1", "usage": usage}, 1)
    ends.failed("2", {"message": "x", "usage": [*usage, {"model": "third", "inputTokens": 1}]}, 2)
    assert ends.usage == {("a", "m"): {"inputTokens": 6}, ("", "m"): {"outputTokens": 2}}


def decided(interrupt_id: str, **more: Any) -> dict[str, Any]:
    return {"name": "wsh.decided", "value": {"interruptId": interrupt_id, "by": "ann", "at": "noon", **more}}


def test_who_decided_what_is_remembered_until_it_is_asked_again() -> None:
    ends = Ends(FoldLimits())
    ends.finished(interrupt("i") | {"agent": "dev"}, 1)
    assert ends.interrupts["i"]["agent"] == "dev"
    ends.decided(decided("i", agent="dev"), 7)
    known = {"runId": "r", "agent": "dev", "by": "ann", "at": "noon", "asked": 1, "offset": 7}
    assert ends.decisions == {"i": {**known, "is_sent": False}}
    ends.decided(decided("i", by="bob"), 8)
    ends.decided({"name": "wsh.answered", "value": {"interruptId": "i"}}, 9)
    odd_ones: list[Any] = [{"interruptId": []}, {"interruptId": "j"}, [], None]
    for odd in odd_ones:
        ends.decided({"name": "wsh.answered", "value": odd}, 10)
    assert ends.decisions == {"i": {**known, "is_sent": True}}
    ends.finished(interrupt("i", run="s"), 11)
    assert ends.decisions == {}


def test_what_a_queue_has_of_an_earlier_question_is_not_the_answer_to_this_one() -> None:
    ends = Ends(FoldLimits())
    for offset in (1, 3):
        ends.finished(interrupt("i"), offset)
        ends.decided(decided("i"), offset + 1)
    answered = {"name": "wsh.answered", "value": {"interruptId": "i", "asked": 1}}
    ends.decided(answered, 5)
    assert not ends.decisions["i"]["is_sent"]
    answered["value"] = {"interruptId": "i", "asked": 3}
    ends.decided(answered, 6)
    assert ends.decisions["i"]["is_sent"]


def test_a_decision_that_no_queue_has_is_forgotten_last_and_counts_as_a_question() -> None:
    ends = Ends(FoldLimits(decisions=2))
    for name in "abc":
        assert ends.finished(interrupt(name), 1), name
        ends.decided(decided(name), 2)
        if name != "a":
            ends.decided({"name": "wsh.answered", "value": {"interruptId": name}}, 3)
    assert list(ends.decisions) == ["a", "c"]
    assert ends.finished(interrupt("d"), 4)
    assert not ends.finished(interrupt("e"), 5), "a and d may need both places"
    ends.decided({"name": "wsh.answered", "value": {"interruptId": "a"}}, 6)
    assert ends.finished(interrupt("e"), 7)


def test_as_many_decisions_are_remembered_as_may_be() -> None:
    ends = Ends(FoldLimits(decisions=2))
    for name in "abc":
        ends.finished(interrupt(name), 1)
        ends.decided(decided(name, by=7, at="x" * 2000), 2)
        ends.decided({"name": "wsh.answered", "value": {"interruptId": name}}, 3)
    assert list(ends.decisions) == ["b", "c"]
    assert (ends.decisions["c"]["by"], len(ends.decisions["c"]["at"])) == ("", 1024)
