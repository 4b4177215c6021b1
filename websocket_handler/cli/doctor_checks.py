"""What doctor looks at, one function per question. Each yields findings; none of them changes anything."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

from websocket_handler.config import Settings

CLOCK_SKEW_MAX_S: Final = 60.0
"""AWS refuses signatures that are five minutes off; a minute says that nobody sets this clock."""
FLUSH_S: Final = 10
"""What follows the hand-over before the process has ended: flush and closing."""

MakeClient = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. `bad` has to be mended, `note` should be known."""

    kind: Literal["good", "bad", "note"]
    text: str


def good(text: str) -> Finding:
    """All is well with this."""
    return Finding("good", text)


def bad(text: str) -> Finding:
    """This has to be mended."""
    return Finding("bad", text)


def note(text: str) -> Finding:
    """This should be known."""
    return Finding("note", text)


def credentials_and_clock(client: MakeClient, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Who we are, and whether this machine's clock agrees with AWS."""
    answer = client("sts").get_caller_identity()
    yield good(f"credentials: {answer['Arn']}")
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        yield note("clock: the endpoint does not tell the time")
        return
    skew_s = (now() - parsedate_to_datetime(date).astimezone(UTC)).total_seconds()
    text = f"clock: {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} AWS"
    yield good(text) if abs(skew_s) <= CLOCK_SKEW_MAX_S else bad(f"{text}; set it (requests will be refused)")


def queues(client: MakeClient, urls: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each queue exists, keeps what fails, and is encrypted."""
    sqs = client("sqs")
    for name, url in urls.items():
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield good(f"queue {name}: {url.rpartition('/')[2]}, {attributes['ApproximateNumberOfMessages']} waiting")
        if "RedrivePolicy" not in attributes:
            yield note(f"queue {name} has no dead-letter queue: what always fails comes back until it expires")
        if attributes.get("SqsManagedSseEnabled") != "true" and "KmsMasterKeyId" not in attributes:
            yield note(f"queue {name} is not encrypted")


def table(client: MakeClient, name: str) -> Iterator[Finding]:
    """Whether the table has the keys and the expiry that the gateway relies on."""
    dynamodb = client("dynamodb")
    description = dynamodb.describe_table(TableName=name)["Table"]
    types = {item["AttributeName"]: item["AttributeType"] for item in description["AttributeDefinitions"]}
    keys = {item["KeyType"]: (item["AttributeName"], types[item["AttributeName"]]) for item in description["KeySchema"]}
    if keys == {"HASH": ("PK", "S"), "RANGE": ("SK", "S")} and description["TableStatus"] == "ACTIVE":
        yield good(f"table {name}: keys PK and SK")
    else:
        yield bad(f"table {name} is {description['TableStatus']} with the keys {keys}; it needs the strings PK and SK")
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") and ttl.get("AttributeName") == "ttl":
        yield good("table: items expire by ttl")
    else:
        yield bad(f"table: TTL on the attribute ttl is not on ({ttl}); expired items would stay and cost")


def rights(
    client: MakeClient, role_arn: str, urls: Mapping[str, str], table_arn: str, protecting: str = ""
) -> Iterator[Finding]:
    """Whether the task role may do what the gateway does, as IAM simulates it. `protecting` is the name of the cluster
    where tasks protect themselves from scale-in; empty: they do not."""
    arns = {name: _queue_arn(url) for name, url in urls.items()}
    updates = arns.pop("UPDATES", None)
    wanted: list[tuple[list[str], list[str], list[dict[str, Any]]]] = [(["sqs:SendMessage"], list(arns.values()), [])]
    if updates:
        actions = ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"]
        wanted.append(([f"sqs:{action}" for action in actions], [updates], []))
    keys = [{"ContextKeyName": "dynamodb:LeadingKeys", "ContextKeyType": "stringList", "ContextKeyValues": ["WS#X"]}]
    actions = ["Query", "PutItem", "DeleteItem", "BatchWriteItem"]
    wanted.append(([f"dynamodb:{action}" for action in actions], [table_arn], keys))
    if protecting:
        region, account = table_arn.split(":")[3:5]
        tasks = f"{table_arn.partition(':dynamodb:')[0]}:ecs:{region}:{account}:task/{protecting}/*"
        wanted.append((["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"], [tasks], []))
    denied = []
    for actions, resources, context in wanted:
        answer = client("iam").simulate_principal_policy(
            PolicySourceArn=role_arn, ActionNames=actions, ResourceArns=resources, ContextEntries=context
        )
        denied += [
            f"{result['EvalActionName']} on {result.get('EvalResourceName', '?')}"
            for result in answer["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
    yield bad(f"rights: the task may not {'; '.join(denied)}") if denied else good("rights: the task has all it needs")


def _queue_arn(url: str) -> str:
    host, account, name = url.removeprefix("https://").split("/")[:3]
    partition = "aws-cn" if host.endswith(".cn") else "aws"
    return f"arn:{partition}:sqs:{host.split('.')[1]}:{account}:{name}"


def balancer(client: MakeClient, outputs: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Whether pings keep quiet connections open, and whether a healthy task is behind the load balancer."""
    elb = client("elbv2")
    answer = elb.describe_load_balancer_attributes(LoadBalancerArn=outputs["LoadBalancerArn"])
    idle_s = int(_values(answer)["idle_timeout.timeout_seconds"])
    text = f"load balancer: idle timeout {idle_s} s, pings every {settings.ping_interval_s:g} s"
    yield good(text) if 2 * settings.ping_interval_s < idle_s else bad(f"{text}; quiet clients will be cut off")
    answer = elb.describe_target_group_attributes(TargetGroupArn=outputs["TargetGroupArn"])
    delay_s = int(_values(answer)["deregistration_delay.timeout_seconds"])
    text = f"drain: {settings.drain_seconds:g} s within a deregistration delay of {delay_s} s"
    yield (good(text) if settings.drain_seconds < delay_s else bad(f"{text}; clients may be cut off untold"))
    states = [
        target["TargetHealth"]["State"]
        for target in elb.describe_target_health(TargetGroupArn=outputs["TargetGroupArn"])["TargetHealthDescriptions"]
    ]
    text = f"targets: {', '.join(states) or 'none'}"
    yield good(text) if "healthy" in states else bad(f"{text}; nobody answers clients")


def _values(answer: Mapping[str, Any]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in answer["Attributes"]}


def task(container: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """Whether a task has the time that its end needs."""
    stop_s = container.get("stopTimeout", 30)
    text = f"task: stop timeout {stop_s} s for a drain of {settings.drain_seconds:g} s"
    yield good(text) if settings.drain_seconds + FLUSH_S < stop_s else bad(f"{text}; it would be killed on the way")
