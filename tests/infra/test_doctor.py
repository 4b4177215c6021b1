"""`websocket-handler doctor`: a healthy stack, a healthy laptop, and each illness that it knows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.infra.account import REPOSITORY, Account
from tests.infra.deployed import Deployed
from tests.infra.deployed_gateway import running_gateway, task_environment
from websocket_handler.cli import doctor_checks as checks
from websocket_handler.cli.doctor_round_trip import round_trip
from websocket_handler.config import from_environment


def run_doctor(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "websocket_handler.cli.doctor", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def deployed(account: Account) -> Deployed:
    """An environment for this module."""
    return Deployed(account, "doctor", ImageTag="abc-1", Alarms="false")


def register_target(deployed: Deployed) -> None:
    """A task that the load balancer holds to be healthy."""
    deployed.account.client("elbv2").register_targets(
        TargetGroupArn=deployed.outputs["TargetGroupArn"], Targets=[{"Id": "10.0.0.10", "Port": 8080}]
    )


def kinds(findings: Any) -> dict[str, str]:
    """Findings by their text."""
    return {finding.text: finding.kind for finding in findings}


def test_a_laptop_with_an_emulator_is_examined_through_every_queue(deployed: Deployed) -> None:
    """Without ENV the settings count; an emulator gets round trips without being asked."""
    environment = {**deployed.account.environment, **task_environment(deployed)}
    done = run_doctor(environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("PM", "DEV", "QA", "OPS", "UPDATES"):
        assert f"round trip {name}: " in done.stdout
    for text in ("credentials:", "clock:", "keys PK and SK", "expire by ttl", "All is well."):
        assert text in done.stdout


def test_a_stack_is_examined_down_to_its_targets(deployed: Deployed) -> None:
    """Everything that a laptop has, the load balancer and the task; queues of agents are left alone."""
    register_target(deployed)
    done = run_doctor(deployed.account.environment, "doctor", "--no-round-trip")
    for text in ("idle timeout 180 s, pings every 25 s", "deregistration delay of 30 s", "stop timeout 60 s"):
        assert "ok    " in done.stdout
        assert text in done.stdout
    assert "round trips: not asked for" in done.stdout
    assert "targets: healthy" in done.stdout


def test_missing_settings_are_told_by_name(account: Account) -> None:
    """As the gateway itself would."""
    done = run_doctor(account.environment)
    assert done.returncode == 2
    assert "SQS_QUEUE_URL_PM: is required" in done.stdout


@pytest.mark.parametrize("environment", [(), ("doctor",)], ids=["this machine", "a stack"])
def test_a_profile_that_does_not_exist_is_told(deployed: Deployed, environment: tuple[str, ...]) -> None:
    """In one line, also where the profile would have to name the region."""
    settings = {**deployed.account.environment, **task_environment(deployed)}
    done = run_doctor({**settings, "AWS_REGION": ""}, *environment, "--profile", "nobody")
    assert done.returncode == 1
    assert "FAIL  The config profile (nobody) could not be found" in done.stdout
    assert done.stderr == ""


def test_one_illness_does_not_hide_another(deployed: Deployed) -> None:
    """A queue that is gone and a table without expiry: both are found, and the exit code says so."""
    account = deployed.account
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName="odd",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    gone = "https://sqs.us-east-1.amazonaws.com/123456789012/gone"
    environment = {**account.environment, **task_environment(deployed)}
    done = run_doctor({**environment, "SQS_QUEUE_URL_QA": gone, "DYNAMODB_TABLE_NAME": "odd"}, "--no-round-trip")
    assert done.returncode == 1
    for text in ("queue QA:", "it needs the strings PK and SK", "TTL on the attribute ttl is not on"):
        assert text in done.stdout
    assert "queue OPS: agenticai-ops-doctor" in done.stdout


def test_messages_of_others_are_put_back(deployed: Deployed) -> None:
    """Only the doctor's own message leaves the queue, and the others are counted."""
    sqs = deployed.account.client("sqs")
    url = deployed.outputs["QaQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a task of somebody")
    found = kinds(round_trip(sqs, "QA", url, "doctor-1", lambda _mark: False, lambda _seconds: None))
    assert {kind for text, kind in found.items() if "other messages" in text} == {"note"}
    (left,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert left["Body"] == "a task of somebody"
    sqs.purge_queue(QueueUrl=url)


def test_an_update_that_the_gateway_took_counts_as_arrived(deployed: Deployed) -> None:
    """The gateway may be faster than the doctor: then its publication is the proof."""
    environment = {**deployed.account.environment, **task_environment(deployed)}
    with running_gateway(deployed, task_environment(deployed)):
        done = run_doctor(environment)
    assert done.returncode == 0, done.stdout
    assert "round trip UPDATES: " in done.stdout


def settings(deployed: Deployed, **changed: str) -> Any:
    """The deployed task's settings with some of them changed."""
    return from_environment({**task_environment(deployed), **changed})


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"PING_INTERVAL_S": "100"}, "quiet clients will be cut off"),
        ({"DRAIN_SECONDS": "30"}, "clients may be cut off without a warning"),
    ],
)
def test_numbers_that_do_not_fit_are_found(deployed: Deployed, changed: dict[str, str], text: str) -> None:
    """Pings against the idle timeout, drain against the deregistration delay."""
    found = kinds(checks.balancer(deployed.account.client, deployed.outputs, settings(deployed, **changed)))
    assert [kind for finding, kind in found.items() if text in finding] == ["bad"]


def test_a_task_that_would_be_killed_is_found(deployed: Deployed) -> None:
    """The stop timeout has to cover drain and flush."""
    given = settings(deployed, DRAIN_SECONDS="55")
    assert list(kinds(checks.task({"stopTimeout": 60}, given)).values()) == ["bad"]
    assert list(kinds(checks.task({"stopTimeout": 120}, given)).values()) == ["good"]


def sts_at(moment: datetime) -> Callable[[str], Any]:
    """A client of an AWS that believes it is `moment`."""

    class Sts:
        def get_caller_identity(self) -> dict[str, Any]:
            date = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
            return {"Arn": "arn:aws:iam::1:user/x", "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    return lambda _service: Sts()


@pytest.mark.parametrize(("skew_s", "kind"), [(0, "good"), (-59, "good"), (61, "bad"), (-3600, "bad")])
def test_a_wrong_clock_is_found(skew_s: int, kind: str) -> None:
    """AWS refuses signatures of a clock that is off."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    found = checks.credentials_and_clock(sts_at(now - timedelta(seconds=skew_s)), lambda: now)
    assert [kind for text, kind in kinds(found).items() if text.startswith("clock")] == [kind]


TABLE_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/t"


@pytest.mark.parametrize(
    ("denied", "protecting", "text"),
    [
        ("dynamodb:Query", "", f"the task may not dynamodb:Query on {TABLE_ARN}"),
        ("ecs:UpdateTaskProtection", "", "the task has all it needs"),
        (
            "ecs:UpdateTaskProtection",
            "cluster",
            "the task may not ecs:UpdateTaskProtection on arn:aws:ecs:eu-west-1:123456789012:task/cluster/*",
        ),
    ],
)
def test_missing_rights_are_named(denied: str, protecting: str, text: str) -> None:
    """IAM simulates the task role; what it denies is listed with its resource. What nobody asks for is not missed."""

    class Iam:
        def simulate_principal_policy(self, **asked: Any) -> dict[str, Any]:
            return {
                "EvaluationResults": [
                    {
                        "EvalActionName": action,
                        "EvalResourceName": resource,
                        "EvalDecision": "implicitDeny" if action == denied else "allowed",
                    }
                    for action in asked["ActionNames"]
                    for resource in asked["ResourceArns"]
                ]
            }

    urls = {"PM": "https://sqs.eu-west-1.amazonaws.com/123456789012/pm"}
    (finding,) = checks.rights(lambda _service: Iam(), "arn:role", urls, TABLE_ARN, protecting)
    assert (finding.kind, finding.text) == ("bad" if "may not" in text else "good", f"rights: {text}")
