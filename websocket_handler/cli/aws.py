"""AWS clients for the commands of a person. No call waits longer than the person would."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from websocket_handler.cli.deploy_stack import DeployError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call may take to connect and between two pieces of its answer, and how often it is tried."""

    connect_s: float
    read_s: float
    attempts: int


QUICK: Final = Patience(3, 6, 2)
"""For a question that gets a verdict in any case."""
PATIENT: Final = Patience(5, 30, 4)
"""For a change that should not fail because one answer was lost."""


def make_client(region: str | None, profile: str | None, patience: Patience) -> Callable[[str], Any]:
    """A function that makes AWS clients by the name of a service; any thread may call it. Raises DeployError when there
    is no such profile, no region, or a file of AWS's configuration cannot be read."""
    from botocore.config import Config  # noqa: PLC0415 - the SDK loads only where it is used
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    try:
        session = Session(profile=profile)
        session.get_scoped_config()  # raises where the profile is not there
        region = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    except BotoCoreError as error:
        raise DeployError(str(error)) from error
    if not region:
        raise DeployError("no AWS region: give --region, or set AWS_REGION")
    settings = Config(
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
        retries={"total_max_attempts": patience.attempts, "mode": "standard"},
    )
    lock = Lock()  # a session makes one client at a time

    def client(service: str) -> Any:
        with lock:
            return session.create_client(service, region_name=region, config=settings)

    return client
