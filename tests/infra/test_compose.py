"""The queues and the table of the local system, created as its compose file does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from tests.infra.account import REPOSITORY, Account

COMPOSE = REPOSITORY / "websocket_handler" / "docker-compose.yml"


def create(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command of the compose file's `resources`."""
    command = [sys.executable, "-m", "websocket_handler.cli.deploy_local"]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def local_environment(account: Account) -> dict[str, str]:
    """The variables of the compose file, with the account in the emulator's place."""
    variables = yaml.safe_load(Path(COMPOSE).read_text(encoding="utf-8"))["x-aws"]
    moved = {name: str(value).replace("http://emulator:5000", account.url) for name, value in variables.items()}
    return {**account.environment, **moved}


def test_the_local_system_gets_what_its_settings_name(account: Account) -> None:
    """Five queues with dead-letter queues and the table with its expiry; asking twice changes nothing."""
    environment = local_environment(account)
    for _ in range(2):
        done = create(environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("ready: ") == 6
    sqs, dynamodb = account.client("sqs"), account.client("dynamodb")
    for name in ("pm", "dev", "qa", "ops", "updates"):
        url = environment[f"SQS_QUEUE_URL_{name.upper()}"]
        assert "RedrivePolicy" in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    ttl = dynamodb.describe_time_to_live(TableName=environment["DYNAMODB_TABLE_NAME"])["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "ttl"


def test_nothing_is_ever_created_on_aws(account: Account) -> None:
    """Without an emulator's address the command refuses."""
    environment = {**local_environment(account), "AWS_ENDPOINT_URL": ""}
    done = create(environment)
    assert done.returncode == 2
    assert "never for AWS" in done.stderr
