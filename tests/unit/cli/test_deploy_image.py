"""The image of a deployment: its tag, the commands that make it, and what is told when they fail."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from demo.resources import DUMMY_CREDENTIALS
from websocket_handler.cli import deploy_image as image
from websocket_handler.cli.deploy_stack import DeployError

NOW = datetime(2026, 11, 22, 20, 0, 7, tzinfo=UTC)
NAME = "123456789012.dkr.ecr.us-east-1.amazonaws.com/gateway:abc-1"
TOOL = """#!{python}
import json, os, sys
with open(os.environ["RECORD"], "a") as record:
    said = sys.stdin.read() if "--password-stdin" in sys.argv else ""
    record.write(json.dumps([sys.argv[1:], said, os.environ.get("BUILDX_NO_DEFAULT_ATTESTATIONS")]) + "\\n")
sys.exit(7 if "fails" in sys.argv else 0)
"""


class Tools:
    """A folder of programs, the only one in which programs are looked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._record = folder / "record"

    def install(self, name: str) -> str:
        """Put a program there that writes down what it was asked."""
        path = self.folder / name
        path.write_text(TOOL.format(python=sys.executable), encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def asked(self) -> list[Any]:
        """Arguments, standard input, and if attestations are off, of each call."""
        return [json.loads(line) for line in self._record.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    return Tools(tmp_path)


def test_a_tag_is_the_commit_and_the_second_and_may_be_one() -> None:
    assert image.tag_of("0123456789ab-dirty", NOW) == "0123456789ab-dirty-20261122T200007Z"
    assert image.tag_of("nogit", NOW).replace("-", "").isalnum()


@pytest.mark.parametrize(("architecture", "platform"), [("X86_64", "linux/amd64"), ("ARM64", "linux/arm64")])
def test_an_image_is_built_for_the_processor_of_the_tasks_and_knows_what_it_is(
    architecture: str, platform: str
) -> None:
    command = image.build_command("docker", NAME, architecture, "abc", NOW)
    assert command[:4] == ["docker", "build", "--platform", platform]
    facts = [command[index + 1] for index, part in enumerate(command) if part == "--build-arg"]
    assert facts == ["VERSION=abc-1", "REVISION=abc", "CREATED=2026-11-22T20:00:07Z"]
    assert command[-3:] == ["--tag", NAME, str(image.CONTEXT)]
    assert (image.CONTEXT / "Dockerfile").is_file()
    assert image.push_command("docker", NAME) == ["docker", "push", NAME]


def test_an_unknown_processor_builds_nothing() -> None:
    with pytest.raises(DeployError, match="CpuArchitecture is M68K; images are built for X86_64, ARM64"):
        image.build_command("docker", NAME, "M68K", "abc", NOW)


def test_the_first_tool_that_is_installed_is_taken_unless_one_is_named(tools: Tools) -> None:
    with pytest.raises(DeployError, match="looked for docker, podman, finch, nerdctl"):
        image.container_tool(None)
    tools.install("nerdctl")
    assert image.container_tool(None) == "nerdctl"
    tools.install("podman")
    assert image.container_tool(None) == "podman"
    assert image.container_tool("nerdctl") == "nerdctl"
    with pytest.raises(DeployError, match=r"looked for docker\."):
        image.container_tool("docker")


def test_a_command_that_fails_is_told_without_its_arguments(tools: Tools) -> None:
    tools.install("docker")
    image.run(["docker", "push", "x"])
    with pytest.raises(DeployError, match=r"^docker fails failed with code 7$"):
        image.run(["docker", "fails", "secret"])
    with pytest.raises(DeployError, match=r"^absent: No such file or directory$"):
        image.run(["absent", "build"])
    assert tools.asked() == [[["push", "x"], "", "1"], [["fails", "secret"], "", "1"]]


def test_a_password_is_read_from_standard_input_and_is_in_no_list_of_processes(tools: Tools) -> None:
    tools.install("docker")

    class Registry:
        def get_authorization_token(self) -> dict[str, Any]:
            token = base64.b64encode(b"AWS:pass:word").decode()
            return {"authorizationData": [{"authorizationToken": token}]}

    image.log_in(Registry(), "docker", "registry.example")
    ((arguments, said, _),) = tools.asked()
    assert arguments == ["login", "--username", "AWS", "--password-stdin", "registry.example"]
    assert said == "pass:word"


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_the_revision_is_the_commit_and_says_if_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "CONTEXT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert image.revision() == "nogit"
    (tmp_path / "file").write_text("one")
    git(tmp_path, "init", "--quiet")
    assert image.revision() == "nogit", "there is no commit yet"
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    commit = image.revision()
    assert (len(commit), int(commit, 16) > 0) == (12, True)
    (tmp_path / "untracked").write_text("no part of it")
    assert image.revision() == commit
    (tmp_path / "file").write_text("two")
    assert image.revision() == f"{commit}-dirty"


def test_without_git_there_is_no_revision(tools: Tools) -> None:
    assert image.revision() == "nogit"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """ECR with one repository."""
    for name, value in DUMMY_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        ecr = boto3.client("ecr", region_name="us-east-1")
        ecr.create_repository(repositoryName="gateway")
        yield ecr


def put(ecr: Any, tag: str) -> str:
    """An image of its own; its digest."""
    config = {"digest": f"sha256:{tag:0>64}", "mediaType": "application/vnd.docker.container.image.v1+json", "size": 1}
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}
    put_image = ecr.put_image(repositoryName="gateway", imageTag=tag, imageManifest=json.dumps(manifest))
    return str(put_image["image"]["imageId"]["imageDigest"])


def test_an_image_is_found_by_its_tag_or_told_to_be_missing(registry: Any) -> None:
    digest = put(registry, "1")
    assert image.find_image(registry, "gateway", "1")["imageId"]["imageDigest"] == digest
    with pytest.raises(DeployError, match="the repository gateway has no image 2"):
        image.find_image(registry, "gateway", "2")


def test_the_alias_moves_to_the_image_that_runs_and_moving_it_again_changes_nothing(registry: Any) -> None:
    first, second = put(registry, "1"), put(registry, "2")
    for tag, digest in (("1", first), ("2", second), ("2", second)):
        image.move_alias(registry, "gateway", tag, "prod")
        assert image.find_image(registry, "gateway", "prod")["imageId"]["imageDigest"] == digest
    with pytest.raises(DeployError, match="no image 3"):
        image.move_alias(registry, "gateway", "3", "prod")
    assert image.find_image(registry, "gateway", "prod")["imageId"]["imageDigest"] == second


def test_the_environment_of_a_command_is_ours(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the container tool, such as DOCKER_HOST, have to reach it."""
    path = tools.folder / "docker"
    path.write_text(f"#!{sys.executable}\nimport os, sys\nsys.exit(os.environ.get('DOCKER_HOST') != 'tcp://x')\n")
    path.chmod(0o755)
    monkeypatch.setenv("DOCKER_HOST", "tcp://x")
    image.run([str(path)])
    assert "BUILDX_NO_DEFAULT_ATTESTATIONS" not in os.environ
