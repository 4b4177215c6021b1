"""`approve` on a gateway: what a run asks is listed, and the answer reaches the agent's queue once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.testing import Emulator
from tests.support.gateway import running_gateway
from tests.support.links import new_project
from websocket_handler.__main__ import main
from websocket_handler.cli import EXIT_FAILED, EXIT_USAGE


def test_a_question_is_listed_and_answered_once(
    settings: dict[str, str],
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
    project = new_project()

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return (code, *capsys.readouterr())

    with running_gateway(settings) as gateway:
        monkeypatch.setenv("WEBSOCKET_HANDLER_URL", gateway.ws_url)
        names = {"threadId": project, "runId": "run-1", "agent": "dev"}
        asked = {"id": "int-1", "reason": "tool_call", "message": "Delete\nthe table?"}
        outcome = {"type": "interrupt", "interrupts": [asked, {"id": "int-2", "reason": "confirm"}]}
        for event in ({"type": "RUN_STARTED", **names}, {"type": "RUN_FINISHED", **names, "outcome": outcome}):
            assert run("publish", project, json.dumps(event))[0] == 0
        assert run("approve", project) == (
            0,
            "int-1  dev  Delete the table?\nint-2  dev  confirm\n",
            "-- 2 open\n",
        )
        code, out, errors = run("approve", project, "int-1", "--deny")
        assert (code, errors) == (0, "")
        sqs: Any = emulator.client("sqs")
        [message] = sqs.receive_message(QueueUrl=settings["SQS_QUEUE_URL_DEV"], WaitTimeSeconds=20)["Messages"]
        sqs.close()
        task = json.loads(message["Body"])
        assert task["message_id"] == out.strip()
        assert task["data"]["parentRunId"] == "run-1"
        assert task["data"]["resume"] == [
            {"interruptId": "int-1", "status": "resolved", "payload": {"approved": False}}
        ]
        [row] = map(json.loads, run("approve", project, "--json")[1].splitlines())
        assert (row["id"], row["agent"], row["runId"]) == ("int-2", "dev", "run-1")
        code, out, errors = run("approve", project, "int-1")
        assert (code, out) == (EXIT_FAILED, "")
        assert "already_decided: anybody decided at 20" in errors
        code, out, errors = run("approve", project, "int-3")
        assert (code, out) == (EXIT_FAILED, "")
        assert "not_found" in errors
        code, out, errors = run("approve", project, "int-2", "--payload", '{"limit":10}', "--agent", "qa", "--json")
        assert (code, errors) == (0, "")
        reply = json.loads(out)
        assert (reply["type"], reply["interrupt_id"], reply["agent"]) == ("decision_confirmed", "int-2", "qa")
        assert run("approve", project) == (0, "", "-- 0 open\n")
        updates = [json.loads(line) for line in run("history", project, "--json")[1].splitlines()]
        decided = [each["value"] for each in updates if each.get("name") == "wsh.decided"]
        assert [each["payload"] for each in decided] == [{"approved": False}, {"limit": 10}]
        assert run("lint-stream", project)[0] == 0, "AG-UI clients go on"


def test_an_id_may_have_any_characters(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
    project, names = new_project(), {"threadId": "t", "runId": "run-1"}
    with running_gateway(settings) as gateway:
        monkeypatch.setenv("WEBSOCKET_HANDLER_URL", gateway.ws_url)
        outcome = {"type": "interrupt", "interrupts": [{"id": "a/b ?#%ä", "reason": "confirm"}]}
        for event in ({"type": "RUN_STARTED", **names}, {"type": "RUN_FINISHED", **names, "outcome": outcome}):
            assert main(["publish", project, json.dumps(event)]) == 0
        capsys.readouterr()
        assert main(["approve", project]) == 0
        assert capsys.readouterr().out == "a/b ?#%ä  -  confirm\n"
        assert main(["approve", project, "a/b ?#%ä"]) == EXIT_FAILED
        assert "missing_field: agent" in capsys.readouterr().err, "nobody said which agent asks"
        assert main(["approve", project, "a/b ?#%ä", "--agent", "ops"]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--deny"], "need an INTERRUPT"), (["int-1", "--deny", "--payload", "1"], "both are the answer")],
)
def test_an_answer_that_cannot_be_meant_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["approve", "proj", *arguments]) == EXIT_USAGE
    assert told in capsys.readouterr().err
