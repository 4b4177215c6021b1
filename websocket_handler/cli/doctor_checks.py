"""The questions of `doctor`, one function each. They yield findings and change nothing."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from websocket_handler.adapters.aws.region import region_in
from websocket_handler.adapters.valkey.server import Unreachable
from websocket_handler.adapters.valkey.setup import probe
from websocket_handler.cli.deploy_stack import output_of
from websocket_handler.cli.faults import explain, skew_s_of
from websocket_handler.config import Settings
from websocket_handler.variables.shown import quoted

CLOCK_SKEW_MAX_S: Final = 60.0
"""AWS refuses signatures that are five minutes off. A clock that is a minute off is not synchronized."""
FLUSH_S: Final = 10
"""After the hand-over the process needs this long to flush and to close."""

USABLE: Final = ("ACTIVE", "UPDATING")
"""The states in which DynamoDB answers requests to a table."""

MakeClient = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer to a question: `good` is in order, `bad` has to be repaired, `unknown` could not be checked, `note` is
    worth knowing."""

    kind: Literal["good", "bad", "unknown", "note"]
    text: str


def good(text: str) -> Finding:
    """A finding that is in order."""
    return Finding("good", text)


def bad(text: str) -> Finding:
    """A finding that has to be repaired."""
    return Finding("bad", text)


def unknown(text: str) -> Finding:
    """A finding that something could not be checked."""
    return Finding("unknown", text)


def note(text: str) -> Finding:
    """A finding that is worth knowing."""
    return Finding("note", text)


def valkey(settings: Settings) -> Iterator[Finding]:
    """Can this machine use the server that the nodes share?"""
    try:
        yield good(f"valkey: {asyncio.run(probe(settings.valkey_url))}")
    except Unreachable as fault:
        yield bad(f"valkey: {fault}")


def credentials_and_clock(client: MakeClient, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Whose credentials are these? Does the clock of this machine agree with AWS?"""
    try:
        answer = client("sts").get_caller_identity()
    except Exception as fault:
        if not (skew_s := -skew_s_of(fault, lambda: now().timestamp())):
            raise
        yield _clock(skew_s)
        yield unknown(f"credentials: could not be checked: {explain(fault)}")
        return
    yield good(f"credentials: {answer['Arn']}")
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        yield unknown("clock: could not be checked: the endpoint does not tell the time")
        return
    try:
        skew_s = (now() - parsedate_to_datetime(date).astimezone(UTC)).total_seconds()
    except (ValueError, OverflowError):
        yield unknown(f"clock: could not be checked: the endpoint tells the time as {quoted(date)}")
        return
    yield _clock(skew_s)


def _clock(skew_s: float) -> Finding:
    text = f"clock: {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} AWS"
    return good(text) if abs(skew_s) <= CLOCK_SKEW_MAX_S else bad(f"{text}; set it, or AWS refuses the requests")


def queues(client: MakeClient, urls: Mapping[str, str]) -> Iterator[Finding]:
    """Do the queues exist, does each have a dead-letter queue, and are they encrypted?"""
    sqs = client("sqs")
    for name, url in urls.items():
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield good(f"queue {name}: {url.rpartition('/')[2]}, {attributes['ApproximateNumberOfMessages']} waiting")
        if "RedrivePolicy" not in attributes:
            yield note(
                f"queue {name} has no dead-letter queue: a message that always fails comes back until it expires"
            )
        if attributes.get("SqsManagedSseEnabled") != "true" and "KmsMasterKeyId" not in attributes:
            yield note(f"queue {name} is not encrypted")


def table(client: MakeClient, name: str) -> Iterator[Finding]:
    """Does the table have the keys that the gateway needs?"""
    description = client("dynamodb").describe_table(TableName=name)["Table"]
    types = {item["AttributeName"]: item["AttributeType"] for item in description["AttributeDefinitions"]}
    keys = {item["KeyType"]: (item["AttributeName"], types[item["AttributeName"]]) for item in description["KeySchema"]}
    status = description["TableStatus"]
    if keys != {"HASH": ("PK", "S"), "RANGE": ("SK", "S")}:
        yield bad(f"table {name} has the keys {keys}; it needs the strings PK and SK")
    elif status in USABLE:
        yield good(f"table {name}: keys PK and SK")
    else:
        yield bad(f"table {name} is {status}; it can be used while it is {' or '.join(USABLE)}")


def table_expiry(client: MakeClient, name: str) -> Iterator[Finding]:
    """Do old items of the table expire?"""
    ttl = client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") and ttl.get("AttributeName") == "ttl":
        yield good("table: items expire by ttl")
    else:
        yield bad(f"table: TTL on the attribute ttl is not on ({ttl}); expired items would stay and cost")


@dataclass(frozen=True, slots=True)
class Need:
    """What the gateway does on AWS: each of `actions` on each of `resources`. `context` is what IAM has to know about
    the request."""

    actions: Sequence[str]
    resources: Sequence[str]
    context: Sequence[Mapping[str, Any]] = ()


def rights(
    client: MakeClient, role_arn: str, urls: Mapping[str, str], table_arn: str, protecting: str = ""
) -> Iterator[Finding]:
    """May the task role do what the gateway does? IAM simulates it. `protecting` is the name of the cluster where
    tasks protect themselves from scale-in, and empty where they do not."""
    denied: list[str] = []
    for need in _needs(urls, table_arn, protecting):
        answer = client("iam").simulate_principal_policy(
            PolicySourceArn=role_arn,
            ActionNames=need.actions,
            ResourceArns=need.resources,
            ContextEntries=need.context,
        )
        denied += [
            f"{result['EvalActionName']} on {result.get('EvalResourceName', '?')}"
            for result in answer["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
    yield bad(f"rights: the task may not {'; '.join(denied)}") if denied else good("rights: the task has all it needs")


def _needs(urls: Mapping[str, str], table_arn: str, protecting: str) -> Iterator[Need]:
    arns = {name: _queue_arn(url, table_arn) for name, url in urls.items()}
    updates = arns.pop("UPDATES", None)
    yield Need(["sqs:SendMessage"], list(arns.values()))
    if updates:
        actions = ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"]
        yield Need([f"sqs:{action}" for action in actions], [updates])
    yield Need(["sqs:GetQueueAttributes"], [*arns.values(), *([updates] if updates else [])])
    keys = {"ContextKeyName": "dynamodb:LeadingKeys", "ContextKeyType": "stringList", "ContextKeyValues": ["WS#X"]}
    actions = ["Query", "PutItem", "DeleteItem", "BatchWriteItem"]
    yield Need([f"dynamodb:{action}" for action in actions], [table_arn], [keys])
    if protecting:
        region, account = table_arn.split(":")[3:5]
        tasks = f"{table_arn.partition(':dynamodb:')[0]}:ecs:{region}:{account}:task/{protecting}/*"
        yield Need(["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"], [tasks])


def _queue_arn(url: str, table_arn: str) -> str:
    """The ARN of a queue. A URL that names no region is an emulator's: there the table's region and partition count."""
    _, partition, _, region, *_ = table_arn.split(":")
    if named := region_in(url):
        region, partition = named, _partition_of(named)
    account, name = urlsplit(url).path.rstrip("/").split("/")[-2:]
    return f"arn:{partition}:sqs:{region}:{account}:{name}"


def _partition_of(region: str) -> str:
    """`aws`, or the part of AWS in which the region is: China, GovCloud and others."""
    from botocore.exceptions import UnknownRegionError  # noqa: PLC0415 - the SDK loads only where it is used
    from botocore.session import Session  # noqa: PLC0415

    try:
        return str(Session().get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"


def balancer(client: MakeClient, outputs: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Do pings keep quiet connections open? Does the drain end in time? Is a healthy task behind the load balancer?"""
    yield from idle_timeout(client, outputs, settings)
    yield from drain(client, outputs, settings)
    yield from targets(client, outputs)


def idle_timeout(client: MakeClient, outputs: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Do pings keep quiet connections open?"""
    answer = client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=output_of(outputs, "LoadBalancerArn"))
    idle_s = int(_values(answer)["idle_timeout.timeout_seconds"])
    text = f"load balancer: idle timeout {idle_s} s, pings every {settings.ping_interval_s:g} s"
    yield good(text) if 2 * settings.ping_interval_s < idle_s else bad(f"{text}; quiet clients will be cut off")


def drain(client: MakeClient, outputs: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Does the drain end before the load balancer cuts clients off?"""
    answer = client("elbv2").describe_target_group_attributes(TargetGroupArn=output_of(outputs, "TargetGroupArn"))
    delay_s = int(_values(answer)["deregistration_delay.timeout_seconds"])
    text = f"drain: {settings.drain_seconds:g} s within a deregistration delay of {delay_s} s"
    yield good(text) if settings.drain_seconds < delay_s else bad(f"{text}; clients may be cut off without a warning")


def targets(client: MakeClient, outputs: Mapping[str, str]) -> Iterator[Finding]:
    """Is a healthy task behind the load balancer?"""
    answer = client("elbv2").describe_target_health(TargetGroupArn=output_of(outputs, "TargetGroupArn"))
    states = [target["TargetHealth"]["State"] for target in answer["TargetHealthDescriptions"]]
    text = f"targets: {', '.join(states) or 'none'}"
    yield good(text) if "healthy" in states else bad(f"{text}; nobody answers clients")


def _values(answer: Mapping[str, Any]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in answer["Attributes"]}


def task(container: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """Does ECS give a task enough time to end?"""
    stop_s = container.get("stopTimeout", 30)
    text = f"task: stop timeout {stop_s} s for a drain of {settings.drain_seconds:g} s"
    yield (
        good(text) if settings.drain_seconds + FLUSH_S < stop_s else bad(f"{text}; ECS would kill it before it is done")
    )
