"""`websocket-handler doctor [ENV]`: finds what is wrong with a running stack, or with the settings of this machine."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import click

from websocket_handler import config
from websocket_handler.adapters.aws.region import is_of_aws, region_of
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.cli import doctor_checks as checks
from websocket_handler.cli.arguments import Positive, stack_options
from websocket_handler.cli.aws import QUICK, make_client
from websocket_handler.cli.deploy_console import make_console
from websocket_handler.cli.deploy_stack import DeployError, Stack, find_stack, output_of
from websocket_handler.cli.doctor_examiner import TIME_LIMIT_S, Examiner
from websocket_handler.cli.doctor_round_trip import round_trip
from websocket_handler.cli.grammar import Command, run
from websocket_handler.cli.run import run_command
from websocket_handler.variables.names import tell_unknown

SECRET_STAND_IN: Final = "read-by-ecs-" * 6
"""Stands for a secret that only ECS reads. It is long enough for every key."""
URL_STAND_IN: Final = "rediss://read-by-ecs"
"""Stands for VALKEY_URL, which holds a password."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. Without an environment it is this machine's settings."""

    environment: str | None
    round_trip: bool | None
    stack_name: str | None
    region: str | None
    profile: str | None
    time_limit: float
    is_json: bool


@click.command(
    cls=Command,
    help="Find what is wrong with the stack of the environment ENV, or, without ENV, with the settings of this "
    "machine.",
    examples=("websocket-handler doctor", "websocket-handler doctor prod --region eu-west-1 --json"),
    epilog="Every check ends with ok, FAIL, or ?? where it could not be done. Exit codes: 0 all is well; 1 something "
    "is wrong; 2 wrong arguments or settings; 4 nothing is wrong in what could be checked, but something could not be.",
)
@click.argument("environment", metavar="[ENV]", required=False)
@click.option(
    "--round-trip/--no-round-trip",
    default=None,
    help="send a message through every queue and take it out again. An agent that listens may take it first; "
    "therefore the default is yes for emulators only (AWS_ENDPOINT_URL)",
)
@stack_options
@click.option(
    "--time-limit",
    type=Positive(3600, "seconds"),
    default=TIME_LIMIT_S,
    metavar="SECONDS",
    help=f"how long one check may take (default {TIME_LIMIT_S:g}); all checks run at the same time",
)
@click.option("--json", "is_json", is_flag=True, help="each finding is an object; the last line is the result")
def command(**given: Any) -> int:
    """Examine a stack or this machine."""
    options = Options(**given)
    examiner = Examiner(make_console(is_json=options.is_json), options.time_limit)
    if options.environment:
        return _examine_stack(options, options.environment, examiner)
    return _examine_machine(options, examiner)


def _queue_urls(settings: config.Settings) -> dict[str, str]:
    """The queues by the last word of their variables: PM, DEV, QA, OPS, and UPDATES where it is set."""
    urls = {agent.value.upper(): url for agent, url in settings.queue_urls.items()}
    updates = settings.sqs_queue_url_updates
    return {**urls, "UPDATES": updates} if updates else urls


def _container_of(client: Callable[[str], Any], stack: Stack) -> dict[str, Any]:
    """The container that the stack's service runs. Raises DeployError."""
    ecs = client("ecs")
    services = ecs.describe_services(
        cluster=output_of(stack.outputs, "ECSClusterName"), services=[output_of(stack.outputs, "WebSocketServiceName")]
    )["services"]
    if not services:
        raise DeployError(f"the cluster has no service {stack.outputs['WebSocketServiceName']}")
    definition = ecs.describe_task_definition(taskDefinition=services[0]["taskDefinition"])["taskDefinition"]
    container: dict[str, Any] = definition["containerDefinitions"][0]
    return container


def task_settings(container: Mapping[str, Any]) -> config.Settings:
    """The settings of a deployed task, with a stand-in for each secret that ECS would read. Raises
    ConfigurationError."""
    names = [item["name"] for item in container.get("secrets", ())]
    stand_ins = {name: URL_STAND_IN if name == "VALKEY_URL" else SECRET_STAND_IN for name in names}
    return config.from_environment(stand_ins | _variables(container))


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in container.get("environment", ())}


def doctor(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit code: 0 all is well, 1 something is wrong, 2 wrong arguments or settings, 4
    nothing is wrong in what could be checked."""
    return run(command, arguments, "websocket-handler doctor")


def _examine_machine(options: Options, examiner: Examiner) -> int:
    """The settings of this machine, and what they name."""
    for line in tell_unknown(config.unknown_settings(os.environ)):
        examiner.print(checks.note(line))
    settings = _settings(examiner, lambda: config.from_environment(os.environ))
    if settings is not None and settings.has_backplane:
        examiner.ask("valkey", partial(checks.valkey, settings), is_ours=True)
        examiner.tell()
    client = _client(options, examiner, settings.aws_region if settings else region_of(os.environ))
    if client is not None:
        _ask_who(client, examiner)
        if settings is not None:
            _ask_common(client, examiner, settings, has_round_trip=_wants_round_trip(options), is_ours=True)
        examiner.tell()
    if settings is None:
        examiner.leave(("queues", "table", "round trips"), "the settings cannot be used")
    return examiner.conclude(exit_code=EXIT_USAGE if settings is None else None)


def _examine_stack(options: Options, environment: str, examiner: Examiner) -> int:
    """The stack of an environment, its task, and what the task's settings name."""
    client = _client(options, examiner, None)
    if client is None:
        return examiner.conclude()
    _ask_who(client, examiner)
    examiner.tell()
    rest = ("task", "settings", "queues", "table", "round trips", "load balancer", "drain", "targets", "rights")
    stack = examiner.answer("stack", lambda: find_stack(client("cloudformation"), environment, options.stack_name))
    if stack is None:
        examiner.leave(rest, "the stack is not known")
        return examiner.conclude()
    examiner.print(checks.good(f"stack: {stack.name} is {stack.status}"))
    container = examiner.answer("task", lambda: _container_of(client, stack))
    if container is None:
        examiner.leave(rest[1:], "the task is not known")
        return examiner.conclude()
    for line in tell_unknown(config.unknown_settings(_variables(container))):
        examiner.print(checks.note(f"task: {line}"))
    settings = _settings(examiner, lambda: task_settings(container))
    if settings is None:
        examiner.leave(rest[2:], "the settings of the task cannot be used")
        return examiner.conclude(exit_code=EXIT_USAGE)
    _ask_common(client, examiner, settings, has_round_trip=_wants_round_trip(options), is_ours=False)
    examiner.ask("load balancer", lambda: checks.idle_timeout(client, stack.outputs, settings))
    examiner.ask("drain", lambda: checks.drain(client, stack.outputs, settings))
    examiner.ask("targets", lambda: checks.targets(client, stack.outputs))
    examiner.ask("task", lambda: checks.task(container, settings))
    examiner.ask("rights", lambda: _rights(client, stack, settings))
    examiner.tell()
    return examiner.conclude()


def _wants_round_trip(options: Options) -> bool:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    is_emulator = bool(endpoint) and not is_of_aws(endpoint)
    return is_emulator if options.round_trip is None else options.round_trip


def _settings(examiner: Examiner, read: Callable[[], config.Settings]) -> config.Settings | None:
    """The settings, or None after all that is wrong with them."""
    try:
        settings = read()
    except config.ConfigurationError as error:
        for problem in error.problems:
            examiner.print(checks.bad(str(problem)))
        return None
    shared = config.shared_queues(settings)
    for variable, reason in shared.items():
        examiner.print(checks.bad(f"{variable}: {reason}"))
    if not shared:
        examiner.print(checks.good("settings: all can be used"))
    return settings


def _client(options: Options, examiner: Examiner, region: str | None) -> checks.MakeClient | None:
    """A function that makes clients, or None after the reason why there are none."""
    try:
        return make_client(options.region or region, options.profile, QUICK)
    except DeployError as error:
        examiner.print(checks.bad(str(error)))
        examiner.leave(("credentials", "clock", "everything on AWS"), "AWS cannot be asked")
        return None


def _ask_who(client: checks.MakeClient, examiner: Examiner) -> None:
    examiner.ask(
        "credentials",
        lambda: checks.credentials_and_clock(client, lambda: datetime.now(UTC)),
        dependents=("clock",),
    )


def _ask_common(
    client: checks.MakeClient,
    examiner: Examiner,
    settings: config.Settings,
    *,
    has_round_trip: bool,
    is_ours: bool,
) -> None:
    """Ask about queues and the table: a machine and a stack have them in common."""
    urls, name = _queue_urls(settings), settings.dynamodb_table_name
    for queue, url in urls.items():
        examiner.ask(f"queue {queue}", partial(checks.queues, client, {queue: url}), is_ours=is_ours)
    examiner.ask("table", lambda: checks.table(client, name), is_ours=is_ours)
    examiner.ask("table expiry", lambda: checks.table_expiry(client, name))
    if not has_round_trip:
        text = "round trips: not asked for; with --round-trip an agent may take the message"
        examiner.ask("round trips", lambda: [checks.note(text)])
        return
    mark, was_published = f"doctor-{secrets.token_hex(6)}", partial(_was_published, client, name)
    for queue, url in urls.items():
        trip = partial(_round_trip, client, queue, url, mark, was_published)
        examiner.ask(f"round trip {queue}", trip, is_ours=is_ours)


def _round_trip(
    client: checks.MakeClient, name: str, url: str, mark: str, was_published: Callable[[str], bool]
) -> Iterable[checks.Finding]:
    return round_trip(client("sqs"), name, url, mark, was_published, time.sleep)


def _was_published(client: checks.MakeClient, table: str, project_id: str) -> bool:
    """True if the gateway has written a publication of this project."""
    answer = client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="PK = :partition",
        ExpressionAttributeValues={":partition": {"S": f"WS#LOG#{project_id}"}},
        Limit=1,
        ConsistentRead=True,
    )
    return bool(answer["Items"])


def _rights(client: checks.MakeClient, stack: Stack, settings: config.Settings) -> Iterable[checks.Finding]:
    table = client("dynamodb").describe_table(TableName=settings.dynamodb_table_name)["Table"]
    protecting = output_of(stack.outputs, "ECSClusterName") if settings.scale_in_protection_connections else ""
    role, urls = output_of(stack.outputs, "TaskRoleArn"), _queue_urls(settings)
    return checks.rights(client, role, urls, table["TableArn"], protecting)


if __name__ == "__main__":
    sys.exit(run_command(lambda: doctor(sys.argv[1:])))
