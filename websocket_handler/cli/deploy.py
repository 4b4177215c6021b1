"""`websocket-handler deploy ENV`: builds the image, pushes it, runs it, and waits until it is healthy."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import click

from websocket_handler.cli import EXIT_FAILED
from websocket_handler.cli import deploy_image as image
from websocket_handler.cli.arguments import Positive, stack_options
from websocket_handler.cli.aws import PATIENT, make_client
from websocket_handler.cli.deploy_console import Console, make_console
from websocket_handler.cli.deploy_plan import Plan
from websocket_handler.cli.deploy_rehearsal import Where, rehearse
from websocket_handler.cli.deploy_samconfig import remember_alias
from websocket_handler.cli.deploy_stack import DeployError, Stack, Watch, find_stack, give_image, output_of
from websocket_handler.cli.faults import explain
from websocket_handler.cli.grammar import Command, run
from websocket_handler.cli.run import run_command

SAMCONFIG: Final = image.CONTEXT.parent / "samconfig.toml"
ENVIRONMENT: Final = re.compile(r"[a-z][a-z0-9-]{0,15}")


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    environment: str
    dry_run: bool
    image_tag: str | None
    tool: str | None
    stack_name: str | None
    region: str | None
    profile: str | None
    timeout_minutes: float
    is_json: bool


@click.command(
    cls=Command,
    help="Build the image, push it, run it, and wait until it is healthy.",
    examples=(
        "websocket-handler deploy prod --dry-run",
        "websocket-handler deploy prod",
        "websocket-handler deploy prod --image-tag TAG",
    ),
    epilog="Exit codes: 0 deployed, or nothing is missing for it; 1 failed, or something is missing; 2 wrong "
    "arguments; 4 with --dry-run: nothing is missing in what could be checked, but something could not be.",
)
@click.argument("environment", metavar="ENV")
@click.option(
    "--dry-run",
    is_flag=True,
    help="check credentials, files, tools, stack and repository, print each step, and change nothing",
)
@click.option("--image-tag", metavar="TAG", help="run this image of the repository, and build none (to roll back)")
@click.option(
    "--tool",
    metavar="TOOL",
    help=f"container tool (default: the first that is installed of {', '.join(image.TOOLS)})",
)
@stack_options
@click.option(
    "--timeout-minutes",
    type=Positive(24 * 60, "minutes"),
    default=30,
    metavar="MINUTES",
    help="how long the new tasks may take to become healthy (default 30)",
)
@click.option(
    "--json", "is_json", is_flag=True, help="each step is an object; what the container tool says goes to stderr"
)
def command(**given: Any) -> int:
    """Deploy the environment ENV: prod, staging, or whatever its name is."""
    return _deploy(Options(**given))


def deploy(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit code: 0 deployed, 1 failed with a printed reason, 2 wrong arguments. With
    --dry-run: 0 nothing is missing, 1 something is, 4 nothing is missing in what could be checked."""
    return run(command, arguments, "websocket-handler deploy")


def _deploy(options: Options) -> int:
    console = make_console(is_json=options.is_json)
    if not ENVIRONMENT.fullmatch(options.environment):
        raise click.UsageError("ENV has 1 to 16 lower-case letters, digits and hyphens, and begins with a letter")
    now = datetime.now(UTC)
    commit = image.revision()
    plan = Plan(options.environment, options.image_tag or image.tag_of(commit, now), commit, now, not options.image_tag)
    try:
        if options.dry_run:
            where = Where(options.region, options.profile, options.stack_name, options.tool)
            return rehearse(plan, where, console)
        _carry_out(plan, options, console)
    except DeployError as error:
        console.bad(str(error))
        return EXIT_FAILED
    except (ModuleNotFoundError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - an answer that cannot be read raises anything
        console.bad(f"AWS: {explain(error)}")
        return EXIT_FAILED
    return 0


def _carry_out(plan: Plan, options: Options, console: Console) -> None:
    console.step("Check credentials and the stack")
    if plan.has_build:
        image.check_files()
    tool = image.container_tool(options.tool) if plan.has_build else ""
    client = make_client(options.region, options.profile, PATIENT)
    caller = client("sts").get_caller_identity()
    console.good(f"account {caller['Account']} as {caller['Arn']}")
    cloudformation, ecr = client("cloudformation"), client("ecr")
    stack = _settled_stack(cloudformation, plan, options.stack_name, console)
    repository_uri = output_of(stack.outputs, "WebSocketRepositoryUri")
    _registry, _, repository = repository_uri.partition("/")
    if plan.has_build:
        _build_and_push(plan, tool, ecr, f"{repository_uri}:{plan.tag}", stack, console)
    else:
        image.find_image(ecr, repository, plan.tag)
    console.step(f"Run {plan.tag}")
    if give_image(cloudformation, stack, plan.tag):
        stack = Watch(cloudformation, client("ecs"), stack, console).until_done(options.timeout_minutes * 60)
    else:
        console.note("this image runs already")
    image.move_alias(ecr, repository, plan.tag, plan.environment)
    console.good(f"{plan.environment} runs {plan.tag}")
    try:
        if remember_alias(SAMCONFIG, plan.environment):
            console.note(f"samconfig.toml: ImageTag is {plan.environment} now, so that `sam deploy` keeps the image")
    except (OSError, UnicodeDecodeError) as error:
        console.note(f"samconfig.toml could not be changed ({error}): check its ImageTag before the next `sam deploy`")
    url = stack.outputs.get("WebSocketUrl") or stack.outputs.get("WebSocketEndpoint", "the stack names none")
    told = f"WebSocket endpoint: {console.coloured(url, 'green')}"
    console.result(told, exit_code=0, environment=plan.environment, image_tag=plan.tag, url=url)


def _settled_stack(cloudformation: Any, plan: Plan, name: str | None, console: Console) -> Stack:
    stack = find_stack(cloudformation, plan.environment, name)
    stack.check_settled()
    console.good(f"stack {stack.name} is {stack.status}")
    if stack.parameters.get("DesiredCount") == "0":
        console.note("the stack's DesiredCount is 0: no task will run")
    return stack


def _build_and_push(plan: Plan, tool: str, ecr: Any, name: str, stack: Stack, console: Console) -> None:
    console.step("Log in to ECR")
    image.log_in(ecr, tool, name.partition("/")[0], console.tools_write_to)
    console.step(f"Build {name}")
    architecture = stack.parameters.get("CpuArchitecture", "X86_64")
    image.run(image.build_command(tool, name, architecture, plan.commit, plan.now), output=console.tools_write_to)
    console.step("Push")
    image.run(image.push_command(tool, name), output=console.tools_write_to)


if __name__ == "__main__":
    sys.exit(run_command(lambda: deploy(sys.argv[1:])))
