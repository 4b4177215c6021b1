"""Runs deploy.sh with a stand-in for the container tool, and looks at what it left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.infra.account import REPOSITORY, Account

SCRIPT = REPOSITORY / "websocket_handler" / "deploy.sh"

CONTAINER_TOOL = '''#!{python}
"""Stands in for docker: writes down what it was asked, and a push arrives in the account's registry."""
import hashlib, json, os, sys
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps([sys.argv[1:], sys.stdin.read() if "login" in sys.argv else ""]) + "\\n")
if os.environ.get("FAIL") == sys.argv[1]:
    sys.exit(7)
if sys.argv[1] == "push":
    import boto3
    repository, _, tag = sys.argv[2].partition("/")[2].rpartition(":")
    manifest = {{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {{"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1,
                    "digest": "sha256:" + hashlib.sha256(tag.encode()).hexdigest()}}, "layers": []}}
    boto3.client("ecr").put_image(repositoryName=repository, imageTag=tag, imageManifest=json.dumps(manifest))
'''


class Deployment:
    """Runs deploy.sh with a stand-in for docker, and reads what the stand-in was asked."""

    def __init__(self, account: Account, folder: Path) -> None:
        self._account = account
        self.folder = folder
        self._record = folder / "record"
        tool = folder / "docker"
        tool.write_text(CONTAINER_TOOL.format(python=sys.executable), encoding="utf-8")
        tool.chmod(0o755)
        self._path = f"{folder}{os.pathsep}{os.environ['PATH']}"

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), *arguments],
            env={
                **self._account.environment,
                "AWS_DEFAULT_REGION": "us-east-1",
                "PATH": self._path,
                "PYTHON": sys.executable,
                "RECORD": str(self._record),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def asked(self) -> list[tuple[list[str], str]]:
        """The container tool's command lines and what came on its standard input."""
        if not self._record.exists():
            return []
        return [tuple(json.loads(line)) for line in self._record.read_text().splitlines()]


def images(account: Account, environment: str) -> dict[str, str]:
    """The tags of an environment's repository and the image that each names."""
    ecr = account.client("ecr")
    found = ecr.describe_images(repositoryName=f"agenticai-websocket-{environment}")["imageDetails"]
    return {tag: image["imageDigest"] for image in found for tag in image.get("imageTags", ())}
