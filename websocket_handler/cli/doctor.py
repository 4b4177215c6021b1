"""`websocket-handler doctor [ENV]`: what is wrong with a running stack, or with this laptop's settings."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from websocket_handler import config
from websocket_handler.cli import doctor_checks as checks
from websocket_handler.cli.deploy import make_client
from websocket_handler.cli.deploy_console import Console
from websocket_handler.cli.deploy_stack import DeployError, Stack, find_stack
from websocket_handler.cli.doctor_round_trip import round_trip

EXIT_SICK = 1
EXIT_USAGE = 2
SECRET_STAND_IN = "read-by-ecs-" * 6
"""As long as any key has to be."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="websocket-handler doctor", description="Look for what is wrong with a stack or with this laptop."
    )
    parser.add_argument("environment", metavar="ENV", nargs="?", help="look at this stack; without it at the settings")
    parser.add_argument(
        "--round-trip",
        action=argparse.BooleanOptionalAction,
        help="send a message through every queue and take it out again. Agents that listen may take it instead, so "
        "without this option only emulators (AWS_ENDPOINT_URL) are asked",
    )
    parser.add_argument("--stack-name", help="the stack; without it the one that has the environment is found")
    parser.add_argument("--region", help="AWS region; without it that of AWS_REGION or the profile")
    parser.add_argument("--profile", help="AWS profile; without it that of AWS_PROFILE")
    return parser


class Doctor:
    """Asks one question after the other; a question that cannot be answered does not stop the next."""

    def __init__(self, client: Callable[[str], Any], console: Console) -> None:
        self._client = client
        self._console = console
        self.is_sick = False

    def ask(self, question: str, findings: Callable[[], Iterable[checks.Finding]]) -> None:
        """Print the findings of one question, or why there is no answer."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loads only where it is used

        try:
            for finding in findings():
                self._print(finding)
        except (BotoCoreError, ClientError) as error:
            is_hidden = question == "rights" and "AccessDenied" in str(error)  # of the person, not of the task
            self._print((checks.note if is_hidden else checks.bad)(f"{question}: {error}"))

    def _print(self, finding: checks.Finding) -> None:
        write = {"good": self._console.good, "bad": self._console.bad, "note": self._console.note}[finding.kind]
        write(finding.text)
        self.is_sick = self.is_sick or finding.kind == "bad"

    def examine(self, settings: config.Settings, *, has_round_trip: bool) -> None:
        """What a laptop and a stack have in common."""
        client = self._client
        urls = {agent.value.upper(): url for agent, url in settings.queue_urls.items()}
        if settings.sqs_queue_url_updates:
            urls["UPDATES"] = settings.sqs_queue_url_updates
        self.ask("credentials", lambda: checks.credentials_and_clock(client, lambda: datetime.now(UTC)))
        for name, url in urls.items():
            self.ask(f"queue {name}", lambda name=name, url=url: checks.queues(client, {name: url}))  # type: ignore[misc]
        self.ask("table", lambda: checks.table(client, settings.dynamodb_table_name))
        if not has_round_trip:
            self._print(checks.note("round trips: not asked for (--round-trip); agents that listen could take them"))
            return
        mark = f"doctor-{secrets.token_hex(6)}"
        for name, url in urls.items():
            self.ask(
                f"round trip {name}",
                lambda name=name, url=url: round_trip(  # type: ignore[misc]
                    client("sqs"), name, url, mark, lambda mark: self._was_published(settings, mark), time.sleep
                ),
            )

    def _was_published(self, settings: config.Settings, project_id: str) -> bool:
        """Whether the gateway has written a publication of this project."""
        answer = self._client("dynamodb").query(
            TableName=settings.dynamodb_table_name,
            KeyConditionExpression="PK = :partition",
            ExpressionAttributeValues={":partition": {"S": f"WS#LOG#{project_id}"}},
            Limit=1,
            ConsistentRead=True,
        )
        return bool(answer["Items"])

    def examine_stack(self, stack: Stack, container: Mapping[str, Any], settings: config.Settings) -> None:
        """What only a stack has."""
        client = self._client
        self.ask("load balancer", lambda: checks.balancer(client, stack.outputs, settings))
        self.ask("task", lambda: checks.task(container, settings))
        self.ask("rights", lambda: self._rights(stack, settings))

    def _rights(self, stack: Stack, settings: config.Settings) -> Iterable[checks.Finding]:
        urls = {agent.value.upper(): url for agent, url in settings.queue_urls.items()}
        if settings.sqs_queue_url_updates:
            urls["UPDATES"] = settings.sqs_queue_url_updates
        table = self._client("dynamodb").describe_table(TableName=settings.dynamodb_table_name)["Table"]
        protecting = stack.outputs["ECSClusterName"] if settings.scale_in_protection_connections else ""
        return checks.rights(self._client, stack.outputs["TaskRoleArn"], urls, table["TableArn"], protecting)


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
    """The settings of a deployed task. ECS puts secrets in place of their names; here a stand-in takes that place.
    Raises ConfigurationError."""
    stand_ins = {item["name"]: SECRET_STAND_IN for item in container.get("secrets", ())}
    return config.from_environment(stand_ins | {item["name"]: item["value"] for item in container["environment"]})


def doctor(arguments: Sequence[str]) -> int:
    """Run the command; its exit code: 0 all well, 1 something has to be mended, 2 not understood."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        return _examine(options, console)
    except DeployError as error:
        console.bad(str(error))
        return EXIT_SICK
    except config.ConfigurationError as error:
        for problem in error.problems:
            console.bad(f"{problem.variable}: {problem.reason}")
        return EXIT_USAGE


def _examine(options: argparse.Namespace, console: Console) -> int:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the SDK loads only where it is used

    client = make_client(options.region or _region_of_settings(options), options.profile)
    person = Doctor(client, console)
    is_emulator = bool(os.environ.get("AWS_ENDPOINT_URL"))
    has_round_trip = is_emulator if options.round_trip is None else options.round_trip
    if not options.environment:
        person.examine(config.from_environment(os.environ), has_round_trip=has_round_trip)
    else:
        try:
            stack = find_stack(client("cloudformation"), options.environment, options.stack_name)
            container = _container_of(client, stack)
        except (BotoCoreError, ClientError) as error:
            raise DeployError(f"AWS: {error}") from error
        settings = task_settings(container)
        person.examine(settings, has_round_trip=has_round_trip)
        person.examine_stack(stack, container, settings)
    console.line()
    console.line("Something has to be mended." if person.is_sick else "All is well.")
    return EXIT_SICK if person.is_sick else 0


def _region_of_settings(options: argparse.Namespace) -> str | None:
    """The gateway's own default region, for a laptop that sets none."""
    return None if options.environment else os.environ.get("AWS_REGION", "us-east-1")


if __name__ == "__main__":
    sys.exit(doctor(sys.argv[1:]))
