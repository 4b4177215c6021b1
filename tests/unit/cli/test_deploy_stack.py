"""The stack of an environment: finding it, giving it another image, and watching the update to its end."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from websocket_handler.cli.deploy_console import Console
from websocket_handler.cli.deploy_stack import (
    POLL_S,
    REASONS_MAX,
    ROLLBACK_STATES,
    DeployError,
    Stack,
    Watch,
    find_stack,
    give_image,
)


def described(status: str = "UPDATE_COMPLETE", *, name: str = "gateway", environment: str = "prod") -> dict[str, Any]:
    """A stack as CloudFormation describes it."""
    outputs = {"ECSClusterName": f"agenticai-cluster-{environment}", "WebSocketServiceName": "service"}
    return {
        "StackName": name,
        "StackStatus": status,
        "Parameters": [
            {"ParameterKey": "Environment", "ParameterValue": environment},
            {"ParameterKey": "ImageTag", "ParameterValue": "old"},
            {"ParameterKey": "Secret"},
        ],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }


class Refusal(Exception):
    """What CloudFormation raises."""


class Formation:
    """CloudFormation with these stacks, whose update goes through these states."""

    class exceptions:  # noqa: N801 - botocore's name
        ClientError = Refusal

    def __init__(self, *stacks: dict[str, Any], states: Sequence[str] = (), refusal: str = "") -> None:
        self._stacks = stacks
        self._states = list(states)
        self._refusal = refusal
        self.updates: list[dict[str, Any]] = []
        self.events: list[dict[str, str]] = []

    def get_paginator(self, _operation: str) -> "Formation":
        return self

    def paginate(self, **wanted: str) -> Iterator[dict[str, Any]]:
        for stack in self._stacks:
            if wanted.get("StackName", stack["StackName"]) == stack["StackName"]:
                yield {"Stacks": [stack]}

    def describe_stacks(self, **_wanted: str) -> dict[str, Any]:
        return {"Stacks": [described(self._states.pop(0) if len(self._states) > 1 else self._states[0])]}

    def update_stack(self, **parameters: Any) -> None:
        if self._refusal:
            raise Refusal(self._refusal)
        self.updates.append(parameters)

    def describe_stack_events(self, **_wanted: str) -> dict[str, Any]:
        return {"StackEvents": self.events}


class Containers:
    """ECS: the deployments of the service, and the tasks that ended."""

    def __init__(self, *deployments: dict[str, Any], stopped: Sequence[dict[str, Any]] = ()) -> None:
        self.service: dict[str, Any] = {"deployments": list(deployments), "events": []}
        self._stopped = stopped

    def describe_services(self, **_wanted: Any) -> dict[str, Any]:
        return {"services": [self.service]}

    def list_tasks(self, **_wanted: Any) -> dict[str, Any]:
        return {"taskArns": [f"arn:{index}" for index in range(len(self._stopped))]}

    def describe_tasks(self, tasks: Sequence[str], **_wanted: Any) -> dict[str, Any]:
        assert len(tasks) <= REASONS_MAX
        return {"tasks": self._stopped[: len(tasks)]}


def deployment(status: str = "PRIMARY", **more: Any) -> dict[str, Any]:
    usual = {"taskDefinition": "arn:aws:ecs:x:1:task-definition/gateway:7", "runningCount": 1, "desiredCount": 2}
    return {"status": status, **usual, "pendingCount": 1, "rolloutState": "IN_PROGRESS", **more}


class Scene:
    """A watch over an update, and what it shows."""

    def __init__(self, formation: Formation, containers: Containers) -> None:
        self.slept: list[float] = []
        self._stream = io.StringIO()
        stack = Stack.of(described())
        self._watch = Watch(formation, containers, stack, Console(self._stream), self.slept.append)

    def until_done(self, timeout_s: float = 60.0) -> Stack:
        return self._watch.until_done(timeout_s)

    def failure(self, timeout_s: float = 60.0) -> str:
        with pytest.raises(DeployError) as raised:
            self.until_done(timeout_s)
        return str(raised.value)

    @property
    def shown(self) -> list[str]:
        return self._stream.getvalue().splitlines()


def test_a_stack_is_what_cloudformation_describes() -> None:
    stack = Stack.of(described())
    assert (stack.name, stack.status, stack.capabilities) == ("gateway", "UPDATE_COMPLETE", ("CAPABILITY_NAMED_IAM",))
    assert stack.parameters == {"Environment": "prod", "ImageTag": "old", "Secret": ""}
    assert stack.outputs["ECSClusterName"] == "agenticai-cluster-prod"
    bare = Stack.of({"StackName": "s", "StackStatus": "CREATE_COMPLETE"})
    assert (bare.parameters, bare.outputs, bare.capabilities) == ({}, {}, ())


@pytest.mark.parametrize(
    ("status", "is_settled"),
    [
        ("CREATE_COMPLETE", True),
        ("UPDATE_COMPLETE", True),
        ("UPDATE_ROLLBACK_COMPLETE", True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", False),
        ("UPDATE_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", False),
        ("UPDATE_FAILED", False),
    ],
)
def test_a_stack_is_settled_when_nothing_is_under_way(status: str, is_settled: bool) -> None:
    assert Stack.of(described(status)).is_settled == is_settled


def test_the_stack_of_an_environment_is_found_among_others_by_its_cluster() -> None:
    other = {"StackName": "other", "StackStatus": "CREATE_COMPLETE"}
    staging, prod = described(name="s", environment="staging"), described(name="p")
    formation = Formation(other, staging, prod)
    assert find_stack(formation, "prod").name == "p"
    assert find_stack(formation, "prod", "p").name == "p"
    with pytest.raises(DeployError, match=r"stack s does not have the environment 'prod'.*sam deploy --guided"):
        find_stack(formation, "prod", "s")
    with pytest.raises(DeployError, match="any stack of this account and region does not have the environment 'dev'"):
        find_stack(formation, "dev")


def test_an_update_changes_the_image_and_nothing_else() -> None:
    formation = Formation()
    assert give_image(formation, Stack.of(described()), "new")
    (update,) = formation.updates
    assert update == {
        "StackName": "gateway",
        "UsePreviousTemplate": True,
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": [
            {"ParameterKey": "Environment", "UsePreviousValue": True},
            {"ParameterKey": "Secret", "UsePreviousValue": True},
            {"ParameterKey": "ImageTag", "ParameterValue": "new"},
        ],
    }


def test_an_image_that_runs_already_needs_no_update_and_any_other_refusal_is_told() -> None:
    stack = Stack.of(described())
    assert not give_image(Formation(refusal="No updates are to be performed."), stack, "old")
    with pytest.raises(Refusal, match="denied"):
        give_image(Formation(refusal="denied"), stack, "new")


def test_each_change_is_shown_once_until_the_update_is_done() -> None:
    formation = Formation(states=["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
    old = deployment("ACTIVE", taskDefinition="arn:x/gateway:6", rolloutState="COMPLETED", failedTasks=3)
    scene = Scene(formation, Containers(deployment(), old))
    assert scene.until_done().status == "UPDATE_COMPLETE"
    assert scene.slept == [POLL_S, POLL_S]
    assert scene.shown == [
        "  new  gateway:7  running 1/2  pending 1  in_progress",
        "  old  gateway:6  running 1/2  pending 1  failed 3  completed",
    ]


@pytest.mark.parametrize("status", sorted(ROLLBACK_STATES))
def test_an_update_that_is_taken_back_ends_the_watch(status: str) -> None:
    scene = Scene(Formation(states=[status]), Containers())
    assert scene.failure().startswith("the new version did not become healthy; the previous one keeps running.")


def test_a_deployment_that_failed_is_not_waited_for_until_the_stack_knows() -> None:
    failed = deployment(rolloutState="FAILED", rolloutStateReason="circuit breaker")
    scene = Scene(Formation(states=["UPDATE_IN_PROGRESS"]), Containers(failed))
    assert "  deployment: circuit breaker" in scene.failure().split("\n")
    assert scene.slept == []


def test_the_reasons_of_tasks_service_and_stack_are_told_once_each() -> None:
    stopped: list[dict[str, Any]] = [
        {
            "stoppedReason": "Essential container exited",
            "containers": [
                {"name": "gateway", "exitCode": 3},
                {"name": "sidecar", "exitCode": 0},
                {"name": "init", "reason": "OutOfMemoryError"},
            ],
        },
        {"containers": [{"name": "gateway", "exitCode": 3}]},
    ]
    containers = Containers(stopped=stopped)
    containers.service["events"] = [{"message": f"event {index}"} for index in range(5)]
    formation = Formation(states=["UPDATE_ROLLBACK_IN_PROGRESS"])
    formation.events = [
        {"LogicalResourceId": "Service", "ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "not stable"},
        {"LogicalResourceId": "gateway", "ResourceStatus": "UPDATE_ROLLBACK_IN_PROGRESS"},
        {"LogicalResourceId": "Service", "ResourceStatus": "UPDATE_IN_PROGRESS"},
        {"LogicalResourceId": "gateway", "ResourceStatus": "UPDATE_IN_PROGRESS"},
        {"LogicalResourceId": "Old", "ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "of another update"},
    ]
    assert Scene(formation, containers).failure().split("\n")[1:] == [
        "  task: Essential container exited",
        "  task: gateway: exit code 3",
        "  task: init: exit code none OutOfMemoryError",
        "  task: stopped",
        *(f"  service: event {index}" for index in range(3)),
        "  stack: Service: not stable",
        "  stack: gateway: UPDATE_ROLLBACK_IN_PROGRESS",
    ]


def test_an_update_that_takes_too_long_is_told_with_its_state() -> None:
    scene = Scene(Formation(states=["UPDATE_IN_PROGRESS"]), Containers(deployment()))
    assert scene.failure(timeout_s=2 * POLL_S) == "not done after 0 minutes; the stack is UPDATE_IN_PROGRESS"
    assert scene.slept == [POLL_S, POLL_S]


def test_a_service_that_is_gone_is_watched_by_its_stack_alone() -> None:
    class Nothing(Containers):
        def describe_services(self, **_wanted: Any) -> dict[str, Any]:
            return {"services": []}

    assert Scene(Formation(states=["UPDATE_COMPLETE"]), Nothing()).until_done().is_settled
