"""A running test account: its address, its clients, and this project's template deployed into it."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

from demo.testing import running_server
from tests.support.patience import PATIENCE_S

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TEMPLATE: Final = REPOSITORY / "template.yaml"
REGION: Final = "us-east-1"
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class Account:
    """An account. `url` is its address, for use as `AWS_ENDPOINT_URL`."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, but every AWS call goes to the account."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }

    def client(self, service: str) -> Any:
        """A client that never retries."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the emulator takes anything
            config=Config(retries={"total_max_attempts": 1}),
        )

    def deploy(self, name: str, **parameters: str) -> dict[str, str]:
        """Create a stack of the template; its outputs. Raises botocore's errors."""
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        return self.outputs(name)

    def outputs(self, name: str) -> dict[str, str]:
        """The outputs of a stack."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}

    def forget_requests(self) -> None:
        """Begin a new record of requests."""
        self._requests("DELETE")

    def requests(self) -> set[str]:
        """The operations that were called, `service:Operation`."""
        return set(self._requests("GET"))

    def _requests(self, method: str) -> list[str]:
        request = urllib.request.Request(f"{self.url}/_cloud/requests", method=method)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310
            seen: list[str] = json.load(response)
            return seen


@contextmanager
def running_account() -> Iterator[Account]:
    """An account of its own for the length of a `with` block. Raises RuntimeError when it does not start."""
    with running_server("the test account", [sys.executable, "-m", "tests.infra.cloud"]) as url:
        yield Account(url)
