"""Commands that end by themselves, and the settings of a machine for them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.gateway import clean_environment
from tests.support.patience import PATIENCE_S


def run_command(command: Sequence[str], folder: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Its environment has the settings, and nothing of the caller's."""
    return subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def aws_at(endpoint: str, *queues: str) -> dict[str, str]:
    """The environment of a machine whose AWS is at `endpoint`, with the four agents' queues and further `queues`."""
    names = ("PM", "DEV", "QA", "OPS", *queues)
    return clean_environment(
        {
            **{f"SQS_QUEUE_URL_{name}": f"{endpoint}/123456789012/{name.lower()}" for name in names},
            "DYNAMODB_TABLE_NAME": "table",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "NO_PROXY": "*",
        }
    )
