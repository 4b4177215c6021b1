"""The container image of a deployment: its tag, and the commands that build and push it."""

import base64
import os
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from websocket_handler.cli.deploy_stack import DeployError

CONTEXT: Final = Path(__file__).resolve().parents[1]
"""The folder with the Dockerfile: the package itself."""
BUILT_FROM: Final = ("Dockerfile", ".dockerignore", "requirements.txt", "image/sbom.py", "net/_send.c")
"""Files that only the build needs; without one of them it fails."""
TOOLS: Final = ("docker", "podman", "finch", "nerdctl")
PLATFORMS: Final = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}


def container_tool(named: str | None) -> str:
    """The named tool, or the first of TOOLS that is installed. Raises DeployError when there is none."""
    candidates = [named] if named else TOOLS
    for candidate in candidates:
        if shutil.which(candidate):
            return candidate
    raise DeployError(f"no container tool found; looked for {', '.join(candidates)}. Install one, or name it: --tool")


def revision() -> str:
    """The commit that is checked out, with `-dirty` when files differ from it; `nogit` outside a repository."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", str(CONTEXT))
    except (OSError, subprocess.CalledProcessError):
        return "nogit"
    return f"{commit}-dirty" if changes else commit


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(CONTEXT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def tag_of(commit: str, now: datetime) -> str:
    """A tag that no other build has: the commit and the second."""
    return f"{commit}-{now:%Y%m%dT%H%M%SZ}"


def build_command(tool: str, image: str, architecture: str, commit: str, now: datetime) -> list[str]:
    """The command that builds `image` for the architecture of the tasks. Raises DeployError for any other one."""
    if architecture not in PLATFORMS:
        raise DeployError(f"the stack's CpuArchitecture is {architecture}; images are built for {', '.join(PLATFORMS)}")
    facts = {"VERSION": image.rpartition(":")[2], "REVISION": commit, "CREATED": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    arguments = [part for name, value in facts.items() for part in ("--build-arg", f"{name}={value}")]
    return [tool, "build", "--platform", PLATFORMS[architecture], *arguments, "--tag", image, str(CONTEXT)]


def push_command(tool: str, image: str) -> list[str]:
    """The command that pushes `image`."""
    return [tool, "push", image]


def login_command(tool: str, registry: str) -> list[str]:
    """The command that logs in to the registry. It reads the password from standard input, so that no process list
    shows it."""
    return [tool, "login", "--username", "AWS", "--password-stdin", registry]


def check_files() -> None:
    """Raises DeployError unless everything that the image is built from is there. A wheel contains only what runs."""
    absent = [name for name in BUILT_FROM if not (CONTEXT / name).is_file()]
    if absent:
        raise DeployError(
            f"{CONTEXT} cannot be built: there is no {', '.join(absent)}. Deploy from the source folder, or run an "
            "image that is in the repository: --image-tag"
        )


def password_of(ecr: Any) -> str:
    """The password of the registry for the next hours. Raises botocore's errors; LookupError or ValueError for an
    answer that has none."""
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token, validate=True).decode().partition(":")[2]


def log_in(ecr: Any, tool: str, registry: str, output: int | None = None) -> None:
    """Log the tool in to ECR for the next hours. Raises DeployError, and what `password_of` raises."""
    run(login_command(tool, registry), text=password_of(ecr), output=output)


def run(command: Sequence[str], text: str | None = None, output: int | None = None) -> None:
    """Run a command that writes to the terminal, or to the descriptor `output`. `text` is its standard input. Raises
    DeployError when it fails."""
    # An attestation would be a second, untagged image in the repository, which keeps only the last five.
    environment = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    try:
        code = subprocess.run(  # noqa: S603 - the container tool
            command, input=text, stdout=output, text=True, check=False, env=environment
        ).returncode
    except OSError as error:
        raise DeployError(f"{command[0]}: {error.strerror}") from error
    if code:
        raise DeployError(f"{' '.join(command[:2])} failed with code {code}")


def find_image(ecr: Any, repository: str, tag: str) -> dict[str, Any]:
    """The image with this tag, as ECR describes it. Raises DeployError when there is none, and botocore's errors."""
    images: list[dict[str, Any]] = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])[
        "images"
    ]
    if not images:
        raise DeployError(f"the repository {repository} has no image {tag}")
    return images[0]


def move_alias(ecr: Any, repository: str, tag: str, alias: str) -> None:
    """Make the tag `alias`, the environment's name, point to the image `tag`, which runs. Raises DeployError, and
    botocore's errors."""
    image = find_image(ecr, repository, tag)
    manifest = {"imageManifest": image["imageManifest"]}
    if "imageManifestMediaType" in image:
        manifest["imageManifestMediaType"] = image["imageManifestMediaType"]
    try:
        ecr.put_image(repositoryName=repository, imageTag=alias, **manifest)
    except ecr.exceptions.ImageAlreadyExistsException:
        return
