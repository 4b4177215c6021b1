"""The CloudFormation stack of an environment: finds it, gives it another image, and watches the update."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from websocket_handler.cli.deploy_console import Console

POLL_S: Final = 5.0
REASONS_MAX: Final = 8
ROLLBACK_STATES: Final = frozenset(
    {
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_FAILED",
        "UPDATE_FAILED",
    }
)


class DeployError(Exception):
    """A deployment cannot go on. The text tells the person who started it why."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What the commands deploy and doctor know about a stack."""

    name: str
    status: str
    parameters: Mapping[str, str]
    capabilities: tuple[str, ...]
    outputs: Mapping[str, str]

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> "Stack":
        """The stack that CloudFormation describes in an answer."""
        parameters = {
            item["ParameterKey"]: item.get("ParameterValue", "") for item in description.get("Parameters", ())
        }
        outputs = {item["OutputKey"]: item["OutputValue"] for item in description.get("Outputs", ())}
        capabilities = tuple(description.get("Capabilities", ()))
        return cls(description["StackName"], description["StackStatus"], parameters, capabilities, outputs)

    @property
    def is_settled(self) -> bool:
        """True while no update of the stack is under way."""
        return self.status.endswith("_COMPLETE") and "CLEANUP" not in self.status

    def check_settled(self) -> None:
        """Raises DeployError unless the stack can be updated now."""
        if self.status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
            raise DeployError(
                f"the stack {self.name} is {self.status}: it was never completed, and cannot be updated. Delete it, "
                "and create it again: sam delete, sam deploy"
            )
        if not self.is_settled:
            raise DeployError(f"the stack {self.name} is {self.status}; wait for it, or repair it, then deploy again")


def output_of(outputs: Mapping[str, str], name: str) -> str:
    """An output of a stack. Raises DeployError when the stack does not have it: it is not of our template."""
    if name not in outputs:
        raise DeployError(f"the stack has no output {name}: deploy the template of this version")
    return outputs[name]


def find_stack(cloudformation: Any, environment: str, name: str | None = None) -> Stack:
    """The stack called `name`, or the one that has the environment's cluster. Raises DeployError when there is none."""
    cluster = f"agenticai-cluster-{environment}"
    pages = cloudformation.get_paginator("describe_stacks").paginate(**({"StackName": name} if name else {}))
    for stack in (Stack.of(description) for page in pages for description in page["Stacks"]):
        if stack.outputs.get("ECSClusterName") == cluster:
            return stack
    where = f"stack {name}" if name else "any stack of this account and region"
    raise DeployError(
        f"{where} does not have the environment {environment!r}. Create it first: sam build && sam deploy --guided"
    )


def give_image(cloudformation: Any, stack: Stack, tag: str) -> bool:
    """Start the update to the image `tag`; nothing else changes. Returns False when that image runs already. Raises
    botocore's errors."""
    parameters = [{"ParameterKey": key, "UsePreviousValue": True} for key in stack.parameters if key != "ImageTag"]
    try:
        cloudformation.update_stack(
            StackName=stack.name,
            UsePreviousTemplate=True,
            Capabilities=list(stack.capabilities) or ["CAPABILITY_IAM"],
            Parameters=[*parameters, {"ParameterKey": "ImageTag", "ParameterValue": tag}],
        )
    except cloudformation.exceptions.ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise
    return True


class Watch:
    """Follows the update of a stack to its end, and shows the old and the new tasks of its service."""

    def __init__(
        self,
        cloudformation: Any,
        ecs: Any,
        stack: Stack,
        console: Console,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cloudformation = cloudformation
        self._ecs = ecs
        self._stack = stack
        self._console = console
        self._sleep = sleep
        self._service = {
            "cluster": output_of(stack.outputs, "ECSClusterName"),
            "services": [output_of(stack.outputs, "WebSocketServiceName")],
        }

    def until_done(self, timeout_s: float) -> Stack:
        """Show each change until the update is done. Returns the updated stack. Raises DeployError with the reason
        when the update failed, was rolled back, or takes longer than `timeout_s`."""
        shown = ""
        waited_s = 0.0
        while True:
            stack = self._look()
            service = self._describe_service()
            view = "\n".join(_view(service))
            if view != shown:
                shown = view
                self._console.line(view)
            failed = any(item.get("rolloutState") == "FAILED" for item in service.get("deployments", ()))
            if failed or stack.status in ROLLBACK_STATES:
                raise DeployError(self._reasons(service))
            if stack.is_settled:
                return stack
            if waited_s >= timeout_s:
                raise DeployError(f"not done after {timeout_s / 60:.0f} minutes; the stack is {stack.status}")
            self._sleep(POLL_S)
            waited_s += POLL_S

    def _look(self) -> Stack:
        (description,) = self._cloudformation.describe_stacks(StackName=self._stack.name)["Stacks"]
        return Stack.of(description)

    def _describe_service(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = self._ecs.describe_services(**self._service)["services"]
        return found[0] if found else {}

    def _reasons(self, service: Mapping[str, Any]) -> str:
        lines = ["the new version did not become healthy; the previous one keeps running."]
        lines += [
            f"  deployment: {deployment.get('rolloutStateReason', 'failed')}"
            for deployment in service.get("deployments", ())
            if deployment.get("rolloutState") == "FAILED"
        ]
        lines += [f"  task: {reason}" for reason in self._stopped_tasks()]
        lines += [f"  service: {event['message']}" for event in service.get("events", ())[:3]]
        lines += [f"  stack: {reason}" for reason in self._stack_events()]
        return "\n".join(dict.fromkeys(lines))

    def _stopped_tasks(self) -> Iterator[str]:
        """Why tasks ended: the reason of each task, then those of its containers."""
        cluster, (name,) = self._service["cluster"], self._service["services"]
        arns = self._ecs.list_tasks(cluster=cluster, serviceName=name, desiredStatus="STOPPED")["taskArns"]
        if not arns:
            return
        for task in self._ecs.describe_tasks(cluster=cluster, tasks=arns[:REASONS_MAX])["tasks"]:
            yield task.get("stoppedReason", "stopped")
            for container in task.get("containers", ()):
                if "reason" in container or container.get("exitCode"):
                    code = container.get("exitCode", "none")
                    yield f"{container['name']}: exit code {code} {container.get('reason', '')}".rstrip()

    def _stack_events(self) -> Iterator[str]:
        """What failed in this update, the newest first. It ends where the update began, before older events."""
        events = self._cloudformation.describe_stack_events(StackName=self._stack.name)["StackEvents"]
        for event in events[:50]:
            status = event["ResourceStatus"]
            is_stack = event["LogicalResourceId"] == self._stack.name
            if is_stack and status == "UPDATE_IN_PROGRESS":
                return
            if status.endswith("_FAILED") or (is_stack and "ROLLBACK" in status):
                yield f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', status)}"


def _view(service: Mapping[str, Any]) -> Iterator[str]:
    """One line for each deployment, the new one first."""
    for deployment in service.get("deployments", ()):
        label = "new" if deployment["status"] == "PRIMARY" else "old"
        revision = deployment["taskDefinition"].rpartition("/")[2]
        failed = deployment.get("failedTasks", 0)
        yield (
            f"  {label}  {revision}  running {deployment['runningCount']}/{deployment['desiredCount']}"
            f"  pending {deployment['pendingCount']}"
            + (f"  failed {failed}" if failed else "")
            + f"  {deployment.get('rolloutState', '').lower()}"
        )
