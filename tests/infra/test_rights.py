"""Least privilege: the policy, the adapters' source, a running gateway and the printed table say the same."""

from __future__ import annotations

import ast
import json
import re
import time
import warnings
from typing import Any

import jwt
import pytest
from websockets.sync.client import connect

from tests.infra.account import REPOSITORY, Account
from tests.infra.calls import ADAPTERS, calls_in_source, right_for, texts_in
from tests.infra.deployed import Deployed
from tests.infra.deployed_gateway import TOKEN_KEY, running_gateway, task_environment
from tests.support.ecs_agent import running_ecs_agent
from tests.support.patience import PATIENCE_S

with warnings.catch_warnings():  # it leaves a file open while it is imported
    warnings.simplefilter("ignore", ResourceWarning)
    parliament = pytest.importorskip("parliament")

TABLE = REPOSITORY / "docs" / "operations" / "rights.md"
ONLY_LATER = {"sqs:ChangeMessageVisibility", "sqs:StartMessageMoveTask", "ecs:GetTaskProtection"}
"""Made when the log store is so slow that a message would come back meanwhile, when an operator wants dead letters
back, and before a protection is renewed."""


RIGHTS = ["subscribe", "publish", "presence", "forward:*"]
AGENT_CALLS = {"GET": "ecs:GetTaskProtection", "PUT": "ecs:UpdateTaskProtection"}
"""What the ECS agent's endpoint calls with the task's rights, by the method of the request."""


def calls_of_the_agent() -> dict[str, str]:
    """What the adapter of the ECS agent's endpoint has it call: `PUT task-protection` to `service:Operation`."""
    texts = texts_in(ADAPTERS / "ecs_protection.py")
    return {f"{method} task-protection": call for method, call in AGENT_CALLS.items() if method in texts}


def granted(deployed: Deployed) -> dict[str, str]:
    """The rights of the task role: right to statement. The first statement that grants a right counts."""
    rights: dict[str, str] = {}
    for sid, statement in deployed.task_policy().items():
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            rights.setdefault(action, sid)
    return rights


@pytest.fixture(scope="module")
def deployed(account: Account) -> Deployed:
    """An environment for this module."""
    return Deployed(account, "rights", ImageTag="abc-1", Alarms="false", AutoScaling="true", ProtectedConnections="1")


def test_the_policy_grants_what_the_adapters_call_and_nothing_else(deployed: Deployed) -> None:
    """Compared with the source, so that a call that is rare counts, too."""
    called = {**calls_in_source(), **calls_of_the_agent()}
    assert set(granted(deployed)) == {right_for(operation) for operation in called.values()}


def test_the_printed_table_is_the_truth(deployed: Deployed) -> None:
    """docs/operations/rights.md: call, right, statement."""
    row = re.compile(r"^\| `([\w. -]+)` \| `([\w:]+)` \| (\w+) \|", re.MULTILINE)
    printed = set(row.findall(TABLE.read_text(encoding="utf-8")))
    rights = granted(deployed)
    called = {**calls_in_source(), **calls_of_the_agent()}
    assert printed == {(name, right_for(call), rights[right_for(call)]) for name, call in called.items()}


def test_rights_name_their_resources(deployed: Deployed) -> None:
    """No wildcard, other queues are out of reach, and of the shared table only our own items."""
    policy = deployed.task_policy()
    assert len(policy["HandTasksToAgents"]["Resource"]) == 4
    assert policy["TakeUpdates"]["Resource"].endswith(":agenticai-updates-rights")
    assert len(policy["LookUpQueues"]["Resource"]) == 5
    dead = policy["RedriveDeadLetters"]["Resource"]
    assert len(dead) == 5
    assert all(arn.endswith("-rights-dead-letters") for arn in dead), "nothing else may be emptied"
    assert policy["ReturnUpdates"]["Resource"] == policy["TakeUpdates"]["Resource"]
    assert policy["KeepLogsAndRecords"]["Resource"].endswith(":table/agenticai-data-rights")
    assert policy["KeepLogsAndRecords"]["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["WS#*"]}}
    assert "*" not in json.dumps([statement["Action"] for statement in policy.values()])
    assert policy["ProtectFromScaleIn"]["Resource"].endswith(":task/agenticai-cluster-rights/*"), "its id is not known"
    wide = [sid for sid, statement in policy.items() if statement["Resource"] == "*"]
    assert wide == ["SeeOwnTarget"], "ELB knows no resources for this action"


def test_dead_letters_of_queues_that_are_not_ours_are_not_ours_to_move(account: Account) -> None:
    """Nobody told the template where they are, so the role may not touch them."""
    names = ("Pm", "Dev", "Qa", "Ops", "Updates")
    arns = {f"{name}QueueArn": f"arn:aws:sqs:eu-west-1:210987654321:{name}" for name in names}
    policy = Deployed(account, "brought", ImageTag="abc-1", **arns).task_policy()
    assert not {"RedriveDeadLetters", "ReturnUpdates"} & set(policy)
    assert {"HandTasksToAgents", "TakeUpdates", "LookUpQueues"} <= set(policy)


def test_every_key_that_the_adapters_write_is_within_the_condition() -> None:
    """Keys are built from texts that begin with `WS#`."""
    sources = "".join((ADAPTERS / name).read_text() for name in ("dynamodb_log.py", "dynamodb_state.py"))
    partitions = re.findall(r'(?:item_key|range_query|_put|_deletion)\(f?"([^"]*)"', sources)
    named = re.findall(r'HEALTH_KEY: Final = "([^"]*)"|return f"(WS#LOG#[^"]*)"', sources)
    sources += (ADAPTERS / "dynamodb_peers.py").read_text()
    named += re.findall(r'PARTITION: Final = "([^"]*)"()', sources)
    texts = [*partitions, *(text for pair in named for text in pair if text)]
    assert len(texts) >= 5
    assert all(text.startswith("WS#") for text in texts), texts


@pytest.mark.parametrize(("role", "policy"), [("TaskRole", "gateway"), ("ExecutionRole", "start-tasks")])
def test_policies_are_sound(deployed: Deployed, role: str, policy: str) -> None:
    """Every action exists, fits its resource and its condition."""
    iam = deployed.account.client("iam")
    name = next(
        found["RoleName"]
        for found in iam.list_roles()["Roles"]
        if found["RoleName"].startswith(f"{deployed.name}-{role}")
    )
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    document = ast.literal_eval(document) if isinstance(document, str) else document
    findings = parliament.analyze_policy_string(json.dumps(document)).findings
    assert [str(finding) for finding in findings] == []


def test_only_ecs_of_this_account_takes_the_roles(deployed: Deployed) -> None:
    """Nobody else's service can be made to use them."""
    roles = deployed.account.client("iam").list_roles()["Roles"]
    ours = [role for role in roles if role["RoleName"].startswith(f"{deployed.name}-")]
    assert len(ours) == 2
    for role in ours:
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


def _wait_for_calls(account: Account, calls: set[str]) -> None:
    """Until the gateway made these calls, which it makes by its own timers."""
    deadline = time.monotonic() + PATIENCE_S
    while not calls <= account.requests():
        assert time.monotonic() < deadline, f"not called: {calls - account.requests()}"
        time.sleep(0.1)


def test_a_running_gateway_calls_only_what_it_may(deployed: Deployed) -> None:
    """The deployed task's own environment, one of each command, an update, and a clean end; every call recorded."""
    sqs = deployed.account.client("sqs")
    update = json.dumps({"project_id": "p", "type": "from_the_queue"})
    sqs.send_message(QueueUrl=deployed.outputs["UpdatesQueueUrl"], MessageBody=update)
    task = task_environment(deployed)
    deployed.account.forget_requests()
    claims = {"sub": "tester", "exp": time.time() + 600, "projects": ["*"], "rights": RIGHTS}
    bearer = {"Authorization": f"Bearer {jwt.encode(claims, TOKEN_KEY)}"}
    with (
        running_ecs_agent(time.monotonic) as agent,
        running_gateway(deployed, task, agent) as address,
        connect(f"ws://{address}/ws", additional_headers=bearer) as client,
    ):

        def ask(command: dict[str, Any], answer: str) -> dict[str, Any]:
            client.send(json.dumps(command))
            while True:
                message: dict[str, Any] = json.loads(client.recv(timeout=PATIENCE_S))
                assert message["type"] != "error", message
                if message["type"] == answer:
                    return message

        ask({"action": "subscribe", "project_id": "p", "rewind": 10}, "subscription_confirmed")
        ask({"action": "ping"}, "pong")
        for kind in ("pm", "dev", "qa", "ops"):
            ask({"action": "forward", "type": kind, "project_id": "p", "data": {}}, "forward_confirmed")
        ask({"action": "publish", "project_id": "p", "message": {"type": "x"}}, "publish_confirmed")
        page = ask({"action": "history", "project_id": "p"}, "history")
        assert {message["type"] for message in page["messages"]} >= {"x"}
        _wait_for_calls(deployed.account, {"dynamodb:BatchWriteItem", "elasticloadbalancing:DescribeTargetHealth"})
        agent.wait_until(lambda: agent.is_protected)
    called = {right_for(call) for call in deployed.account.requests()}
    called |= {AGENT_CALLS[method] for method, _ in agent.requests}
    assert called <= set(granted(deployed))
    assert set(granted(deployed)) - called <= ONLY_LATER
