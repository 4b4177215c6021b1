"""`deploy --dry-run`: looks at everything that a deployment needs, prints its steps, and changes nothing."""

import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from websocket_handler.cli import deploy_image as image
from websocket_handler.cli import doctor_checks as checks
from websocket_handler.cli.aws import QUICK, make_client
from websocket_handler.cli.deploy_console import Console
from websocket_handler.cli.deploy_plan import Plan
from websocket_handler.cli.deploy_stack import DeployError, Stack, find_stack, output_of
from websocket_handler.cli.doctor_checks import Finding, MakeClient, bad, good, note
from websocket_handler.cli.doctor_examiner import Examiner

TEMPLATE: Final = image.CONTEXT.parent / "template.yaml"
TOOL_TIMEOUT_S: Final = 10
UNKNOWN_REGISTRY: Final = "ACCOUNT.dkr.ecr.REGION.amazonaws.com"
ON_AWS: Final = ("region", "credentials", "clock", "stack", "repository", "service")


@dataclass(frozen=True, slots=True)
class Where:
    """Where the command would deploy to, and with which tool, as the options say."""

    region: str | None
    profile: str | None
    stack_name: str | None
    tool: str | None


def rehearse(plan: Plan, where: Where, console: Console) -> int:
    """Check what the deployment needs, and print its steps. Returns the exit code: 0 nothing is missing, 1 something
    is, 4 nothing is missing in what could be checked."""
    examiner = Examiner(console)
    console.step("Check what the deployment needs")
    if plan.has_build:
        examiner.ask("files", _files)
        examiner.ask("container tool", lambda: _container_tool(where.tool))
        examiner.tell()
    found = _ask_aws(plan, where, examiner)
    for finding in _tools_for_stack(is_missing=found == "missing"):
        examiner.print(finding)
    _print_steps(plan, _tool_named(where.tool), found if isinstance(found, Stack) else None, console)
    return examiner.conclude(
        good="Dry run: nothing is missing, and nothing was changed.",
        wrong="Dry run: something is missing: see FAIL above. Nothing was changed.",
        unchecked="Dry run: nothing is missing in what could be checked: see ?? above. Nothing was changed.",
    )


def _files() -> Iterator[Finding]:
    image.check_files()
    yield good(f"files: {image.CONTEXT} can be built")


def _container_tool(named: str | None) -> Iterator[Finding]:
    """Is a container tool there, and does its service answer?"""
    tool = image.container_tool(named)
    try:
        done = subprocess.run(  # noqa: S603 - the tool that the person named, or that is installed
            [tool, "info"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TOOL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        yield bad(f"container tool: {tool} does not answer within {TOOL_TIMEOUT_S} s: start its service")
        return
    except OSError as error:
        yield bad(f"container tool: {tool} does not start: {error.strerror}")
        return
    if done.returncode:
        reason = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "it says no more")
        yield bad(f"container tool: `{tool} info` fails with code {done.returncode}: {reason}. Start its service")
        return
    yield good(f"container tool: {tool}")


def _ask_aws(plan: Plan, where: Where, examiner: Examiner) -> Stack | Literal["missing", "unknown"]:
    """Ask about everything on AWS. Returns the stack, that there is none, or that nobody could say."""
    try:
        client = make_client(where.region, where.profile, QUICK)
    except DeployError as error:
        examiner.print(bad(str(error)))
        examiner.leave(ON_AWS, "AWS cannot be asked")
        return "unknown"
    examiner.ask("region", lambda: [good(f"region: {client('sts').meta.region_name}")])
    examiner.ask(
        "credentials", lambda: checks.credentials_and_clock(client, lambda: datetime.now(UTC)), dependents=("clock",)
    )
    examiner.tell()
    is_missing = False

    def find() -> Stack:
        nonlocal is_missing
        try:
            return find_stack(client("cloudformation"), plan.environment, where.stack_name)
        except DeployError:
            is_missing = True
            raise

    stack = examiner.answer("stack", find)
    if stack is None:
        examiner.leave(("repository", "service"), "the stack is not known")
        return "missing" if is_missing else "unknown"
    examiner.ask("stack", lambda: _state(stack))
    examiner.ask("repository", lambda: _repository(client, stack, plan))
    examiner.ask("service", lambda: _service(client, stack))
    examiner.tell()
    return stack


def _state(stack: Stack) -> Iterator[Finding]:
    stack.check_settled()
    yield good(f"stack: {stack.name} is {stack.status}")
    if stack.parameters.get("DesiredCount") == "0":
        yield note("the stack's DesiredCount is 0: no task will run")


def _repository(client: MakeClient, stack: Stack, plan: Plan) -> Iterator[Finding]:
    """Is the repository there, may this person log in to it, and does it have the image that should run?"""
    name = output_of(stack.outputs, "WebSocketRepositoryUri").partition("/")[2]
    ecr = client("ecr")
    ecr.describe_repositories(repositoryNames=[name])
    if plan.has_build:
        image.password_of(ecr)
        yield good(f"repository: {name}, and a password for it")
        return
    image.find_image(ecr, name, plan.tag)
    yield good(f"repository: {name} has the image {plan.tag}")


def _service(client: MakeClient, stack: Stack) -> Iterator[Finding]:
    cluster, name = output_of(stack.outputs, "ECSClusterName"), output_of(stack.outputs, "WebSocketServiceName")
    services: list[dict[str, Any]] = client("ecs").describe_services(cluster=cluster, services=[name])["services"]
    active = [service for service in services if service.get("status", "ACTIVE") == "ACTIVE"]
    yield good(f"service: {name}") if active else bad(f"service: the cluster {cluster} has no active service {name}")


def _tools_for_stack(*, is_missing: bool) -> Iterable[Finding]:
    """The SAM CLI and the template create and change the stack; a new image for a stack that is there needs neither."""
    lacking = bad if is_missing else note
    if shutil.which("sam"):
        yield good("sam: installed")
    else:
        yield lacking("sam: not installed; `sam deploy` creates and changes the stack")
    if TEMPLATE.is_file():
        yield good(f"template: {TEMPLATE}")
    else:
        yield lacking(f"template: there is no {TEMPLATE}; it is in the source folder, and not in the wheel")
    if not shutil.which("aws"):
        yield note("aws: not installed; no step needs it, only some commands in the documentation")


def _tool_named(named: str | None) -> str:
    try:
        return image.container_tool(named)
    except DeployError:
        return named or image.TOOLS[0]


def _print_steps(plan: Plan, tool: str, stack: Stack | None, console: Console) -> None:
    repository = f"{UNKNOWN_REGISTRY}/agenticai-websocket-{plan.environment}"
    architecture = "X86_64"
    if stack is not None:
        repository = stack.outputs.get("WebSocketRepositoryUri", repository)
        architecture = stack.parameters.get("CpuArchitecture", architecture)
    name, registry = f"{repository}:{plan.tag}", repository.partition("/")[0]
    steps: list[tuple[str, list[str]]] = []
    if plan.has_build:
        steps += [
            ("Log in to ECR", ["ecr GetAuthorizationToken", shlex.join(image.login_command(tool, registry))]),
            ("Build", [shlex.join(image.build_command(tool, name, architecture, plan.commit, plan.now))]),
            ("Push", [shlex.join(image.push_command(tool, name))]),
        ]
    steps += [
        ("Run it", [f"cloudformation UpdateStack ImageTag={plan.tag}, everything else as it is"]),
        ("Watch", ["ecs DescribeServices and cloudformation DescribeStacks until the old tasks are gone"]),
        ("Move the alias", [f"ecr PutImage {plan.environment} -> {plan.tag}"]),
        (
            "Keep it",
            [f"samconfig.toml: where `sam deploy --guided` wrote an ImageTag, write {plan.environment} instead"],
        ),
    ]
    console.line("\nWithout --dry-run, these steps follow:")
    for title, details in steps:
        console.step(title)
        for detail in details:
            console.line(f"      {detail}")
