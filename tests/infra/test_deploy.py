"""`websocket-handler deploy`: end to end against the test account, and how it tells of failures."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from botocore.stub import Stubber

from tests.infra.account import REPOSITORY, Account
from tests.infra.deployed import Deployed
from tests.infra.deployment import Deployment, images
from websocket_handler.cli import deploy_image
from websocket_handler.cli.deploy import deploy
from websocket_handler.cli.deploy_console import Console
from websocket_handler.cli.deploy_stack import DeployError, Stack, Watch


@pytest.fixture
def run(account: Account, tmp_path: Path) -> Deployment:
    """deploy.sh against the account."""
    return Deployment(account, tmp_path)


def running_image(deployed: Deployed) -> str:
    """The tag that the service runs."""
    return str(deployed.task_definition()["containerDefinitions"][0]["image"].rpartition(":")[2])


def test_deploy_builds_pushes_runs_and_names_the_endpoint(account: Account, run: Deployment) -> None:
    """The first image of a fresh stack: the service goes from no task to one, and the alias follows."""
    deployed = Deployed(account, "ship")
    assert deployed.service()["desiredCount"] == 0
    done = run("ship")
    assert done.returncode == 0, done.stdout + done.stderr
    (login, password), (build, _), (push, _) = run.asked()
    registry = deployed.outputs["WebSocketRepositoryUri"].partition("/")[0]
    assert login == ["login", "--username", "AWS", "--password-stdin", registry]
    assert password
    assert password not in done.stdout
    image = push[1]
    tag = image.rpartition(":")[2]
    assert build[build.index("--tag") + 1] == image
    assert build[build.index("--platform") + 1] == "linux/amd64"
    assert build[-1] == str(REPOSITORY / "websocket_handler")
    assert running_image(deployed) == tag
    assert deployed.service()["desiredCount"] == 1
    assert images(account, "ship")["ship"] == images(account, "ship")[tag]
    assert f"WebSocket endpoint: {deployed.outputs['WebSocketUrl']}" in done.stdout
    assert "new  agenticai-websocket-ship:2  running 1/1" in done.stdout, done.stdout


def test_a_second_deployment_and_the_way_back(account: Account, run: Deployment) -> None:
    """Another build runs; then `--image-tag` runs the first again, without building, and moves the alias."""
    deployed = Deployed(account, "back")
    assert run("back").returncode == 0
    first = running_image(deployed)
    account.client("cloudformation")
    ecr_before = images(account, "back")
    second = run("back", "--image-tag", first)
    assert second.returncode == 0
    assert "this image runs already" in second.stdout
    assert len(run.asked()) == 3, "nothing was built"
    assert images(account, "back") == ecr_before
    missing = run("back", "--image-tag", "never-built")
    assert missing.returncode == 1
    assert "has no image never-built" in missing.stdout


def test_a_failed_build_changes_nothing(account: Account, run: Deployment) -> None:
    """The stack and the alias stay."""
    deployed = Deployed(account, "broken")
    done = run("broken", FAIL="build")
    assert done.returncode == 1
    assert "docker build failed with code 7" in done.stdout
    assert [command[0] for command, _ in run.asked()] == ["login", "build"]
    assert deployed.service()["desiredCount"] == 0
    assert images(account, "broken") == {}


def test_an_unknown_environment_is_explained(run: Deployment) -> None:
    """Nothing is built for a stack that is not there."""
    done = run("nowhere")
    assert done.returncode == 1
    assert "does not have the environment 'nowhere'" in done.stdout
    assert "sam deploy --guided" in done.stdout
    assert run.asked() == []


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"])
def test_a_stack_that_cannot_be_updated_is_told(status: str) -> None:
    """Before anything is built."""
    with pytest.raises(DeployError, match=f"the stack s is {status}"):
        Stack("s", status, {}, (), {}).check_settled()


def test_an_architecture_without_a_platform_is_told() -> None:
    """A template of the future may know more of them."""
    with pytest.raises(DeployError, match="the stack's CpuArchitecture is RISCV"):
        deploy_image.build_command("docker", "r/x:tag", "RISCV", "abc", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_name_that_is_no_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything else."""
    assert deploy(["Prod!"]) == 2
    assert "lower-case" in capsys.readouterr().err


def test_tags_tell_commit_and_time_and_never_repeat() -> None:
    """An immutable tag: no two builds share one."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert deploy_image.tag_of("0123456789ab", now) == "0123456789ab-20260102T030405Z"
    assert deploy_image.tag_of("nogit", now) != deploy_image.tag_of("nogit", now.replace(second=6))


def test_arm_images_are_built_for_arm() -> None:
    """The stack's architecture decides, not the machine that builds."""
    command = deploy_image.build_command("podman", "r/x:tag", "ARM64", "abc", datetime(2026, 1, 1, tzinfo=UTC))
    assert command[:4] == ["podman", "build", "--platform", "linux/arm64"]
    assert "REVISION=abc" in command


def test_without_a_container_tool_the_choice_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker is not the only one."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DeployError, match="docker, podman, finch, nerdctl"):
        deploy_image.container_tool(None)


# Failures, as CloudFormation and ECS tell them

STACK = Stack(
    "agenticai-prod",
    "UPDATE_COMPLETE",
    {},
    ("CAPABILITY_IAM",),
    {"ECSClusterName": "agenticai-cluster-prod", "WebSocketServiceName": "agenticai-websocket-prod"},
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Answers = Callable[[str, list[dict[str, Any]]], None]


class Scripted:
    """A watch over clients that answer by script; botocore checks the script against AWS's own model."""

    def __init__(self) -> None:
        session = Session()
        credentials = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.cloudformation = session.create_client("cloudformation", **credentials)
        self.ecs = session.create_client("ecs", **credentials)
        self.stubs = [Stubber(self.cloudformation), Stubber(self.ecs)]
        self.text = io.StringIO()
        self.waits_s: list[float] = []
        self.watch = Watch(self.cloudformation, self.ecs, STACK, Console(self.text), self.waits_s.append)

    def stack(self, status: str) -> None:
        """CloudFormation's next answer."""
        stack = {"StackName": STACK.name, "StackStatus": status, "CreationTime": NOW}
        self.stubs[0].add_response("describe_stacks", {"Stacks": [stack]})

    def service(self, *deployments: dict[str, Any], message: str = "") -> None:
        """ECS's next answer."""
        events = [{"id": "1", "createdAt": NOW, "message": message}] if message else []
        self.stubs[1].add_response(
            "describe_services", {"services": [{"deployments": list(deployments), "events": events}]}
        )


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A watch whose whole script has to be used."""
    made = Scripted()
    for stub in made.stubs:
        stub.activate()
    yield made
    for stub in made.stubs:
        stub.assert_no_pending_responses()


def deployment(status: str, running: int, state: str, **more: Any) -> dict[str, Any]:
    """One entry of a service's deployments."""
    revision = 8 if status == "PRIMARY" else 7
    return {
        "status": status,
        "taskDefinition": f"arn:aws:ecs:us-east-1:123456789012:task-definition/agenticai-websocket-prod:{revision}",
        "desiredCount": 1,
        "pendingCount": 1 - running,
        "runningCount": running,
        "rolloutState": state,
        **more,
    }


def test_old_and_new_tasks_are_shown_until_the_old_ones_are_gone(scripted: Scripted) -> None:
    """One view per change, none for an unchanged answer."""
    old = deployment("ACTIVE", 1, "COMPLETED")
    for status, deployments in (
        ("UPDATE_IN_PROGRESS", [deployment("PRIMARY", 0, "IN_PROGRESS"), old]),
        ("UPDATE_IN_PROGRESS", [deployment("PRIMARY", 0, "IN_PROGRESS"), old]),
        ("UPDATE_IN_PROGRESS", [deployment("PRIMARY", 1, "IN_PROGRESS"), old]),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", [deployment("PRIMARY", 1, "COMPLETED")]),
        ("UPDATE_COMPLETE", [deployment("PRIMARY", 1, "COMPLETED")]),
    ):
        scripted.stack(status)
        scripted.service(*deployments)
    assert scripted.watch.until_done(600).status == "UPDATE_COMPLETE"
    assert scripted.text.getvalue().splitlines() == [
        "  new  agenticai-websocket-prod:8  running 0/1  pending 1  in_progress",
        "  old  agenticai-websocket-prod:7  running 1/1  pending 0  completed",
        "  new  agenticai-websocket-prod:8  running 1/1  pending 0  in_progress",
        "  old  agenticai-websocket-prod:7  running 1/1  pending 0  completed",
        "  new  agenticai-websocket-prod:8  running 1/1  pending 0  completed",
    ]
    assert scripted.waits_s == [5.0] * 4


def test_a_roll_back_is_told_with_its_reasons(scripted: Scripted) -> None:
    """The circuit breaker's reason, the task's, the container's exit code, and the stack's."""
    scripted.stack("UPDATE_IN_PROGRESS")
    failed = deployment("ACTIVE", 0, "FAILED", rolloutStateReason="tasks failed to start", failedTasks=3)
    scripted.service(deployment("PRIMARY", 1, "IN_PROGRESS"), failed, message="(service x) rolling back")
    task = {
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "gateway", "exitCode": 2, "reason": "bad settings"}],
    }
    scripted.stubs[1].add_response("list_tasks", {"taskArns": ["arn:task"]})
    scripted.stubs[1].add_response("describe_tasks", {"tasks": [task]})
    events = [
        ("Service", "UPDATE_FAILED", "Resource handler: ECS Deployment Circuit Breaker was triggered"),
        (STACK.name, "UPDATE_IN_PROGRESS", "User Initiated"),
        ("Service", "UPDATE_FAILED", "of an earlier update"),
    ]
    scripted.stubs[0].add_response(
        "describe_stack_events",
        {
            "StackEvents": [
                {
                    "StackId": "s",
                    "EventId": str(index),
                    "StackName": STACK.name,
                    "Timestamp": NOW,
                    "LogicalResourceId": name,
                    "ResourceStatus": status,
                    "ResourceStatusReason": reason,
                }
                for index, (name, status, reason) in enumerate(events)
            ]
        },
    )
    with pytest.raises(DeployError) as failure:
        scripted.watch.until_done(600)
    reason = str(failure.value)
    for part in (
        "the previous one keeps running",
        "tasks failed to start",
        "Essential container in task exited",
        "gateway: exit code 2 bad settings",
        "rolling back",
        "Circuit Breaker was triggered",
    ):
        assert part in reason
    assert "earlier update" not in reason
    assert "failed 3" in scripted.text.getvalue()


def test_a_deployment_that_never_ends_is_given_up(scripted: Scripted) -> None:
    """With what the stack is doing."""
    for _ in range(3):
        scripted.stack("UPDATE_IN_PROGRESS")
        scripted.service(deployment("PRIMARY", 0, "IN_PROGRESS"))
    with pytest.raises(DeployError, match="the stack is UPDATE_IN_PROGRESS"):
        scripted.watch.until_done(10)
