"""`websocket-handler doctor [ENV]`: finds what is wrong with a running stack, or with the settings of this machine."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from websocket_handler import config
from websocket_handler.cli import EXIT_FAILED, EXIT_USAGE
from websocket_handler.cli import doctor_checks as checks
from websocket_handler.cli.deploy import make_client
from websocket_handler.cli.deploy_console import Console
from websocket_handler.cli.deploy_stack import DeployError, Stack, find_stack
from websocket_handler.cli.doctor_round_trip import round_trip

SECRET_STAND_IN: Final = "read-by-ecs-" * 6
"""Stands for a secret that only ECS reads. It is long enough for every key."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="websocket-handler doctor",
        description="Find what is wrong with a stack, or with the settings of this machine.",
    )
    parser.add_argument(
        "environment",
        metavar="ENV",
        nargs="?",
        help="the environment whose stack is examined (default: this machine's settings)",
    )
    parser.add_argument(
        "--round-trip",
        action=argparse.BooleanOptionalAction,
        help="send a message through every queue and take it out again. An agent that listens may take it first; "
        "therefore the default is yes for emulators only (AWS_ENDPOINT_URL)",
    )
    parser.add_argument("--stack-name", help="name of the stack (default: the one that has the environment)")
    parser.add_argument("--region", help="AWS region (default: that of AWS_REGION or the profile)")
    parser.add_argument("--profile", help="AWS profile (default: that of AWS_PROFILE)")
    return parser


class Examiner:
    """Asks one question after the other. When one cannot be answered, it asks the next all the same."""

    def __init__(self, client: Callable[[str], Any], console: Console) -> None:
        self._client = client
        self._console = console
        self.has_bad_findings = False

    def ask(self, question: str, findings: Callable[[], Iterable[checks.Finding]]) -> None:
        """Print the findings of one question, or why it cannot be answered."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loads only where it is used

        try:
            for finding in findings():
                self._print(finding)
        except (BotoCoreError, ClientError) as error:
            # The person who asks may not look at the task's rights: that is no fault of the task.
            may_not_look = question == "rights" and "AccessDenied" in str(error)
            self._print((checks.note if may_not_look else checks.bad)(f"{question}: {error}"))

    def _print(self, finding: checks.Finding) -> None:
        write = {"good": self._console.good, "bad": self._console.bad, "note": self._console.note}[finding.kind]
        write(finding.text)
        self.has_bad_findings = self.has_bad_findings or finding.kind == "bad"

    def examine(self, settings: config.Settings, *, has_round_trip: bool) -> None:
        """Ask about credentials, queues and the table: a machine and a stack have them in common."""
        client, urls = self._client, _queue_urls(settings)
        self.ask("credentials", lambda: checks.credentials_and_clock(client, lambda: datetime.now(UTC)))
        for name, url in urls.items():
            self.ask(f"queue {name}", partial(checks.queues, client, {name: url}))
        self.ask("table", lambda: checks.table(client, settings.dynamodb_table_name))
        if has_round_trip:
            self._try_round_trips(urls, settings.dynamodb_table_name)
        else:
            self._print(checks.note("round trips: not asked for; with --round-trip an agent may take the message"))

    def _try_round_trips(self, urls: Mapping[str, str], table: str) -> None:
        mark, was_published = f"doctor-{secrets.token_hex(6)}", partial(self._was_published, table)
        for name, url in urls.items():
            trip = partial(round_trip, self._client("sqs"), name, url, mark, was_published, time.sleep)
            self.ask(f"round trip {name}", trip)

    def _was_published(self, table: str, project_id: str) -> bool:
        """True if the gateway has written a publication of this project."""
        answer = self._client("dynamodb").query(
            TableName=table,
            KeyConditionExpression="PK = :partition",
            ExpressionAttributeValues={":partition": {"S": f"WS#LOG#{project_id}"}},
            Limit=1,
            ConsistentRead=True,
        )
        return bool(answer["Items"])

    def examine_stack(self, stack: Stack, container: Mapping[str, Any], settings: config.Settings) -> None:
        """Ask about load balancer, task and rights: only a stack has them."""
        client = self._client
        self.ask("load balancer", lambda: checks.balancer(client, stack.outputs, settings))
        self.ask("task", lambda: checks.task(container, settings))
        self.ask("rights", lambda: self._rights(stack, settings))

    def _rights(self, stack: Stack, settings: config.Settings) -> Iterable[checks.Finding]:
        table = self._client("dynamodb").describe_table(TableName=settings.dynamodb_table_name)["Table"]
        protecting = stack.outputs["ECSClusterName"] if settings.scale_in_protection_connections else ""
        role, urls = stack.outputs["TaskRoleArn"], _queue_urls(settings)
        return checks.rights(self._client, role, urls, table["TableArn"], protecting)


def _queue_urls(settings: config.Settings) -> dict[str, str]:
    """The queues by the last word of their variables: PM, DEV, QA, OPS, and UPDATES where it is set."""
    urls = {agent.value.upper(): url for agent, url in settings.queue_urls.items()}
    updates = settings.sqs_queue_url_updates
    return {**urls, "UPDATES": updates} if updates else urls


def _container_of(client: Callable[[str], Any], stack: Stack) -> dict[str, Any]:
    """The container that the stack's service runs. Raises DeployError."""
    ecs = client("ecs")
    services = ecs.describe_services(
        cluster=stack.outputs["ECSClusterName"], services=[stack.outputs["WebSocketServiceName"]]
    )["services"]
    if not services:
        raise DeployError(f"the cluster has no service {stack.outputs['WebSocketServiceName']}")
    definition = ecs.describe_task_definition(taskDefinition=services[0]["taskDefinition"])["taskDefinition"]
    container: dict[str, Any] = definition["containerDefinitions"][0]
    return container


def task_settings(container: Mapping[str, Any]) -> config.Settings:
    """The settings of a deployed task, with SECRET_STAND_IN for each secret that ECS would read. Raises
    ConfigurationError."""
    stand_ins = {item["name"]: SECRET_STAND_IN for item in container.get("secrets", ())}
    return config.from_environment(stand_ins | {item["name"]: item["value"] for item in container["environment"]})


def doctor(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit code: 0 all is well, 1 something is wrong, 2 wrong arguments or settings."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        return _examine(options, console)
    except DeployError as error:
        console.bad(str(error))
        return EXIT_FAILED
    except config.ConfigurationError as error:
        for problem in error.problems:
            console.bad(str(problem))
        return EXIT_USAGE


def _examine(options: argparse.Namespace, console: Console) -> int:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the SDK loads only where it is used

    client = make_client(options.region or _region_of_settings(options), options.profile)
    examiner = Examiner(client, console)
    is_emulator = bool(os.environ.get("AWS_ENDPOINT_URL"))
    has_round_trip = is_emulator if options.round_trip is None else options.round_trip
    if not options.environment:
        examiner.examine(config.from_environment(os.environ), has_round_trip=has_round_trip)
    else:
        try:
            stack = find_stack(client("cloudformation"), options.environment, options.stack_name)
            container = _container_of(client, stack)
        except (BotoCoreError, ClientError) as error:
            raise DeployError(f"AWS: {error}") from error
        settings = task_settings(container)
        examiner.examine(settings, has_round_trip=has_round_trip)
        examiner.examine_stack(stack, container, settings)
    console.line()
    console.line("Something is wrong: see FAIL above." if examiner.has_bad_findings else "All is well.")
    return EXIT_FAILED if examiner.has_bad_findings else 0


def _region_of_settings(options: argparse.Namespace) -> str | None:
    """The region of this machine's settings, or the gateway's default; None where a stack is examined."""
    return None if options.environment else os.environ.get("AWS_REGION", "us-east-1")


if __name__ == "__main__":
    sys.exit(doctor(sys.argv[1:]))
