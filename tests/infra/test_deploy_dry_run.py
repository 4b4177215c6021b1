"""`deploy --dry-run`: everything that a deployment needs is looked at, and nothing changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.infra.account import Account
from tests.infra.deployed import Deployed
from tests.infra.deployment import Deployment, images
from tests.support.broken_aws import refused_port


@pytest.fixture
def run(account: Account, tmp_path: Path) -> Deployment:
    """deploy.sh against the account."""
    return Deployment(account, tmp_path)


READS: Final = {
    "sts:GetCallerIdentity",
    "cloudformation:DescribeStacks",
    "ecr:DescribeRepositories",
    "ecr:GetAuthorizationToken",
    "ecs:DescribeServices",
}


def test_a_dry_run_checks_everything_prints_each_step_and_changes_nothing(account: Account, run: Deployment) -> None:
    """Every command is there to read; AWS and the container tool are asked only how they are."""
    deployed = Deployed(account, "dry")
    account.forget_requests()
    done = run("dry", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("GetAuthorizationToken", "docker login", "docker build", "docker push", "UpdateStack", "PutImage"):
        assert step in done.stdout
    assert f"{deployed.outputs['WebSocketRepositoryUri']}:" in done.stdout
    for check in (
        "files: ",
        "container tool: docker",
        "region: us-east-1",
        "credentials: ",
        "clock: ",
        "repository: ",
        "service: ",
    ):
        assert f"ok    {check}" in done.stdout
    assert "ok    stack: agenticai-dry is CREATE_COMPLETE" in done.stdout
    assert "nothing is missing, and nothing was changed" in done.stdout
    assert [command for command, _ in run.asked()] == [["info"]]
    assert account.requests() == READS
    assert images(account, "dry") == {}


def test_a_dry_run_with_an_image_needs_no_tool_but_the_image(account: Account, run: Deployment) -> None:
    """To roll back, the image has to be in the repository."""
    Deployed(account, "dryback")
    done = run("dryback", "--dry-run", "--image-tag", "never-built")
    assert done.returncode == 1
    assert "FAIL  repository: the repository agenticai-websocket-dryback has no image never-built" in done.stdout
    assert run.asked() == []
    assert "docker" not in done.stdout


def test_a_dry_run_says_that_the_stack_is_missing(run: Deployment) -> None:
    """And that the SAM CLI, which would create it, is not installed."""
    done = run("nowhere", "--dry-run", PATH=f"{run.folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert done.returncode == 1
    assert "does not have the environment 'nowhere'" in done.stdout
    assert "FAIL  sam: not installed" in done.stdout
    for check in ("repository", "service"):
        assert f"??    {check}: could not be checked, because the stack is not known" in done.stdout
    assert "something is missing" in done.stdout


def test_a_dry_run_says_that_the_container_tool_does_not_run(account: Account, run: Deployment) -> None:
    """Installed, but its service does not answer; and not installed."""
    Deployed(account, "drytool")
    stopped = run("drytool", "--dry-run", FAIL="info")
    assert stopped.returncode == 1
    assert "FAIL  container tool: `docker info` fails with code 7" in stopped.stdout
    absent = run("drytool", "--dry-run", "--tool", "no-such-tool")
    assert absent.returncode == 1
    assert "FAIL  container tool: no container tool found; looked for no-such-tool" in absent.stdout


def test_a_dry_run_says_that_nobody_may_ask(account: Account, run: Deployment) -> None:
    """Without credentials, without a region, without a way to AWS."""
    Deployed(account, "drywho")
    nobody = run("drywho", "--dry-run", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME="/nonexistent")
    assert nobody.returncode == 1
    assert "FAIL  credentials: the credentials cannot be used" in nobody.stdout
    nowhere = run("drywho", "--dry-run", AWS_REGION="", AWS_DEFAULT_REGION="")
    assert nowhere.returncode == 1
    assert "no AWS region" in nowhere.stdout
    with refused_port() as port:
        away = run("drywho", "--dry-run", AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
    assert away.returncode == 4
    for check in ("credentials", "clock", "stack", "repository", "service"):
        assert f"??    {check}: could not be checked" in away.stdout
    assert away.stderr == nobody.stderr == nowhere.stderr == ""
