"""The SAM CLI itself, as people use it, on the test account: validate, build, change sets, deploy, and deploy again."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from tests.infra.account import REPOSITORY, TEMPLATE, Account
from websocket_handler.cli.deploy_samconfig import remember_alias
from websocket_handler.cli.deploy_stack import find_stack, give_image

SAM = REPOSITORY / ".venv-sam" / "bin" / "sam"
DEADLINE_S = 120
GUIDED_QUESTIONS = 2 + 3 + 3
"""Stack and region; changes, rights and rollback; saving, its file and its section: beside the parameters."""

pytestmark = pytest.mark.skipif(not SAM.exists(), reason="the SAM CLI is not in .venv-sam: make infra-test installs it")


class Sam:
    """The command in a folder of its own with the repository's template and settings."""

    def __init__(self, account: Account, folder: Path) -> None:
        self._account = account
        self.folder = folder
        for name in ("template.yaml", "samconfig.toml"):
            shutil.copy(REPOSITORY / name, folder)

    def __call__(self, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SAM), *arguments],
            cwd=self.folder,
            env={
                **self._account.environment,
                "HOME": str(self.folder),
                "SAM_CLI_TELEMETRY": "0",
                "SAM_CLI_POLL_DELAY": "1",
            },
            input=answers,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def succeed(self, *arguments: str, answers: str = "") -> str:
        """Run it; what it printed."""
        done = self(*arguments, answers=answers)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def sam(account: Account, tmp_path: Path) -> Sam:
    """The SAM CLI; the template is built."""
    command = Sam(account, tmp_path)
    command.succeed("build")
    return command


def running_image(account: Account, environment: str) -> tuple[int, str]:
    """How many tasks are wanted, and of which tag."""
    ecs = account.client("ecs")
    (service,) = ecs.describe_services(
        cluster=f"agenticai-cluster-{environment}", services=[f"agenticai-websocket-{environment}"]
    )["services"]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    return service["desiredCount"], definition["containerDefinitions"][0]["image"].rpartition(":")[2]


def run_image(account: Account, environment: str, tag: str) -> None:
    """What `websocket-handler deploy` does to the stack."""

    def client(service: str) -> Any:
        return Session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=account.url,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the emulator takes anything
        )

    cloudformation = client("cloudformation")
    assert give_image(cloudformation, find_stack(cloudformation, environment), tag)


def test_the_template_is_valid(account: Account, tmp_path: Path) -> None:
    """`sam validate`, with its linter by samconfig.toml."""
    assert "is a valid SAM Template" in Sam(account, tmp_path).succeed("validate", "--lint")


def test_a_deployment_goes_through_change_sets_and_keeps_the_image(account: Account, sam: Sam) -> None:
    """Created without a question; given an image; a switch turned on; nothing more to do; more tasks refused."""
    account.forget_requests()
    printed = sam.succeed("deploy", "--config-env", "staging")
    assert "Successfully created/updated stack - agenticai-staging" in printed
    assert {"cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"} <= account.requests()
    outputs = account.outputs("agenticai-staging")
    assert all(value in "".join(printed.split()) for value in (outputs["WebSocketUrl"], outputs["ECSClusterName"]))
    assert running_image(account, "staging") == (0, "staging")

    run_image(account, "staging", "abc-1")
    sam.succeed("deploy", "--config-env", "staging", "--parameter-overrides", "AutoScaling=true")
    assert running_image(account, "staging") == (1, "abc-1")
    scaling = account.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    assert any("agenticai-websocket-staging" in target["ResourceId"] for target in scaling["ScalableTargets"])

    assert "No changes to deploy" in sam.succeed("deploy", "--config-env", "staging")
    refused = sam("deploy", "--config-env", "staging", "--parameter-overrides", "DesiredCount=2")
    assert refused.returncode == 1
    assert "DesiredCount must be 0 or 1" in refused.stderr


def test_the_guided_deployment_takes_every_proposal_and_forgets_no_image(account: Account, sam: Sam) -> None:
    """Return, again and again, and yes to the change set. It saves the empty image tag with which a stack begins;
    after the first image, neither `sam deploy` nor another guided one may send that again."""
    parameters = TEMPLATE.read_text(encoding="utf-8").partition("\nParameters:\n")[2].partition("\nRules:\n")[0]
    questions = GUIDED_QUESTIONS + len(re.findall(r"^  \w+:$", parameters, re.MULTILINE))
    answers = "\n" * questions + "y\n"
    sam.succeed("deploy", "--guided", answers=answers)
    samconfig = sam.folder / "samconfig.toml"
    assert 'ImageTag=\\"\\"' in samconfig.read_text(encoding="utf-8")
    assert running_image(account, "prod") == (0, "prod")

    run_image(account, "prod", "abc-1")
    assert remember_alias(samconfig, "prod")
    for arguments in (["--no-confirm-changeset"], ["--guided"]):
        sam.succeed("deploy", *arguments, answers=answers)
        assert running_image(account, "prod") == (1, "prod"), "the alias names the image that runs"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r'"Environment=\"prod\" ImageTag=\"\" Waf=\"true\""', r'"Environment=\"prod\" ImageTag=prod Waf=\"true\""'),
        (r'"Environment=prod ImageTag=abc-1"', r'"Environment=prod ImageTag=prod"'),
        (r'["Environment=prod", "ImageTag="]', r'["Environment=prod", "ImageTag=prod"]'),
        (r"'ImageTag=abc Environment=prod'", r"'ImageTag=prod Environment=prod'"),
        (r'"Environment=prod"', r'"Environment=prod"'),
        (r'"Environment=prod-eu ImageTag=abc"', r'"Environment=prod-eu ImageTag=abc"'),
        (r'"Environment=staging ImageTag=abc"', r'"Environment=staging ImageTag=abc"'),
    ],
)
def test_the_alias_replaces_the_image_of_its_own_environment_only(tmp_path: Path, before: str, after: str) -> None:
    """Whatever way the parameters are written; twice is once, and everything else stays."""
    samconfig = tmp_path / "samconfig.toml"
    text = "# ImageTag=comment Environment=prod\n[default.deploy.parameters]\nparameter_overrides = {}\nx = 1\n"
    samconfig.write_text(text.format(before), encoding="utf-8")
    assert remember_alias(samconfig, "prod") == (before != after)
    assert not remember_alias(samconfig, "prod")
    assert samconfig.read_text(encoding="utf-8") == text.format(after)


def test_a_repository_without_sam_settings_is_left_alone(tmp_path: Path) -> None:
    """The installed package has none beside it."""
    assert not remember_alias(tmp_path / "samconfig.toml", "prod")
    assert not list(tmp_path.iterdir())
