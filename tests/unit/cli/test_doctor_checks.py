"""The questions of `doctor`: what each answer of AWS means, at the bound and beyond."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.valkeys import running_valkey
from websocket_handler.cli import doctor_checks as checks
from websocket_handler.cli.doctor_checks import CLOCK_SKEW_MAX_S, FLUSH_S, Finding
from websocket_handler.config import Settings, from_environment

NEEDED = {f"SQS_QUEUE_URL_{agent}": f"https://sqs.example/1/{agent}" for agent in ("PM", "DEV", "QA", "OPS")}
NOW = datetime(2026, 11, 22, 20, 0, 0, tzinfo=UTC)
TABLE_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/data"
URLS = {"PM": "https://sqs.eu-west-1.amazonaws.com/123456789012/pm"}


def settings(**environment: str) -> Settings:
    return from_environment({**NEEDED, "DYNAMODB_TABLE_NAME": "table", **environment})


def client(**operations: Any) -> Callable[[str], Any]:
    """Makes the one client that is asked for; each operation gives its answer, or calls a function."""

    def answering(value: Any) -> Callable[..., Any]:
        return value if callable(value) else lambda **_parameters: value

    return lambda _service: SimpleNamespace(**{name: answering(value) for name, value in operations.items()})


def kinds(findings: Iterable[Finding]) -> list[str]:
    return [finding.kind for finding in findings]


# Valkey


def test_a_shared_server_is_in_order_or_says_why_not() -> None:
    with running_valkey() as server:
        asked = settings(LOG_STORE="valkey", VALKEY_URL=str(server.url))
        assert kinds(checks.valkey(asked)) == ["good"]
    (finding,) = checks.valkey(asked)
    assert finding.kind == "bad"
    assert str(server.port) in finding.text


# Clock


@pytest.mark.parametrize(
    ("skew_s", "kind", "text"),
    [
        (0, "good", "clock: 0 s behind AWS"),
        (CLOCK_SKEW_MAX_S, "good", "clock: 60 s ahead of AWS"),
        (-CLOCK_SKEW_MAX_S, "good", "clock: 60 s behind AWS"),
        (CLOCK_SKEW_MAX_S + 1, "bad", "clock: 61 s ahead of AWS; set it, or AWS refuses the requests"),
        (-CLOCK_SKEW_MAX_S - 1, "bad", "clock: 61 s behind AWS; set it, or AWS refuses the requests"),
    ],
)
def test_a_clock_is_right_within_a_minute(skew_s: float, kind: str, text: str) -> None:
    date = "Sun, 22 Nov 2026 20:00:00 GMT"
    answer = {"Arn": "arn:me", "ResponseMetadata": {"HTTPHeaders": {"date": date}}}
    now = NOW + timedelta(seconds=skew_s)
    who, clock = checks.credentials_and_clock(client(get_caller_identity=lambda: answer), lambda: now)
    assert who == Finding("good", "credentials: arn:me")
    assert clock == Finding(kind, text)  # type: ignore[arg-type]


def refusal_of_time(skew_s: float) -> Callable[[], None]:
    """STS says that a signature is of another time than its own, which is `skew_s` ahead."""

    def refuse() -> None:
        date = format_datetime(NOW + timedelta(seconds=skew_s), usegmt=True)
        answer: Any = {
            "Error": {"Code": "SignatureDoesNotMatch", "Message": "Signature expired"},
            "ResponseMetadata": {"HTTPStatusCode": 403, "HTTPHeaders": {"date": date}},
        }
        raise ClientError(answer, "GetCallerIdentity")

    return refuse


@pytest.mark.parametrize(
    ("skew_s", "text"), [(1200, "clock: 1200 s behind AWS"), (-1200, "clock: 1200 s ahead of AWS")]
)
def test_a_clock_for_which_aws_refuses_the_question_is_told(skew_s: float, text: str) -> None:
    clock, who = checks.credentials_and_clock(client(get_caller_identity=refusal_of_time(skew_s)), lambda: NOW)
    assert clock == Finding("bad", f"{text}; set it, or AWS refuses the requests")
    assert who.kind == "unknown"
    assert who.text.startswith("credentials: could not be checked: ")


def test_a_secret_that_aws_refuses_is_not_the_clocks_fault() -> None:
    with pytest.raises(ClientError, match="Signature expired"):
        list(checks.credentials_and_clock(client(get_caller_identity=refusal_of_time(1)), lambda: NOW))


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Nov 2026 20:00:00 GMT"])
def test_an_endpoint_that_tells_no_time_leaves_the_clock_unknown(date: str | None) -> None:
    headers = {} if date is None else {"date": date}
    answer = {"Arn": "arn:me", "ResponseMetadata": {"HTTPHeaders": headers}}
    who, clock = checks.credentials_and_clock(client(get_caller_identity=lambda: answer), lambda: NOW)
    assert (who.kind, clock.kind) == ("good", "unknown")
    assert clock.text.startswith("clock: could not be checked: ")


# Queues and table


@pytest.mark.parametrize(
    ("attributes", "notes"),
    [
        ({"RedrivePolicy": "{}", "SqsManagedSseEnabled": "true"}, []),
        ({"RedrivePolicy": "{}", "KmsMasterKeyId": "alias/x", "SqsManagedSseEnabled": "false"}, []),
        ({"SqsManagedSseEnabled": "true"}, ["dead-letter"]),
        ({"RedrivePolicy": "{}"}, ["not encrypted"]),
        ({"SqsManagedSseEnabled": "false"}, ["dead-letter", "not encrypted"]),
    ],
    ids=range(5),
)
def test_a_queue_is_found_and_what_it_lacks_is_noted(attributes: dict[str, str], notes: list[str]) -> None:
    answer = {"Attributes": {"ApproximateNumberOfMessages": "7", **attributes}}
    first, *others = checks.queues(client(get_queue_attributes=answer), URLS)
    assert first == Finding("good", "queue PM: pm, 7 waiting")
    assert kinds(others) == ["note"] * len(notes)
    assert all(part in finding.text for part, finding in zip(notes, others, strict=True))


def described(partition: str = "PK", sort: str = "SK", kind: str = "S", status: str = "ACTIVE") -> dict[str, Any]:
    return {
        "Table": {
            "TableStatus": status,
            "AttributeDefinitions": [
                {"AttributeName": partition, "AttributeType": kind},
                {"AttributeName": sort, "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": partition, "KeyType": "HASH"},
                {"AttributeName": sort, "KeyType": "RANGE"},
            ],
        }
    }


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        (described(), "good"),
        (described(partition="id"), "bad"),
        (described(sort="PK2"), "bad"),
        (described(kind="N"), "bad"),
        (described(status="CREATING"), "bad"),
        (described(status="UPDATING"), "good"),
        (described(status="DELETING"), "bad"),
        (described(status="INACCESSIBLE_ENCRYPTION_CREDENTIALS"), "bad"),
    ],
    ids=range(8),
)
def test_a_table_has_two_keys_of_text_and_answers(description: dict[str, Any], kind: str) -> None:
    assert kinds(checks.table(client(describe_table=description), "table")) == [kind]


def test_a_table_that_cannot_be_used_yet_is_not_told_to_have_wrong_keys() -> None:
    (finding,) = checks.table(client(describe_table=described(status="CREATING")), "data")
    assert finding == Finding("bad", "table data is CREATING; it can be used while it is ACTIVE or UPDATING")


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ({"TimeToLiveStatus": "ENABLING", "AttributeName": "ttl"}, "good"),
        ({"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}, "bad"),
        ({"TimeToLiveStatus": "DISABLED"}, "bad"),
        ({"TimeToLiveStatus": "DISABLING", "AttributeName": "ttl"}, "bad"),
        ({}, "bad"),
    ],
    ids=range(5),
)
def test_items_expire_or_they_would_cost(description: dict[str, str], kind: str) -> None:
    answer = {"TimeToLiveDescription": description}
    assert kinds(checks.table_expiry(client(describe_time_to_live=answer), "table")) == [kind]


# Rights


class Iam:
    """Simulates policies: everything is allowed but `denied`."""

    def __init__(self, *denied: str) -> None:
        self._denied = denied
        self.asked: dict[str, set[str]] = {}

    def make(self, _service: str) -> "Iam":
        return self

    def simulate_principal_policy(self, **parameters: Any) -> dict[str, Any]:
        results: list[dict[str, str]] = []
        for action in parameters["ActionNames"]:
            self.asked.setdefault(action, set()).update(parameters["ResourceArns"])
            decision = "implicitDeny" if action in self._denied else "allowed"
            results.append({"EvalActionName": action, "EvalDecision": decision, "EvalResourceName": "r"})
        return {"EvaluationResults": results}

    def findings(self, protecting: str = "", **urls: str) -> list[Finding]:
        return list(checks.rights(self.make, "arn:role", {**URLS, **urls}, TABLE_ARN, protecting))


def test_a_task_with_all_rights_is_in_order_and_is_asked_for_its_own_resources_only() -> None:
    iam = Iam()
    assert kinds(iam.findings()) == ["good"]
    assert iam.asked["sqs:SendMessage"] == {"arn:aws:sqs:eu-west-1:123456789012:pm"}
    assert iam.asked["dynamodb:PutItem"] == {TABLE_ARN}
    assert "sqs:DeleteMessage" not in iam.asked
    assert not [action for action in iam.asked if action.startswith("ecs:")]


def test_each_right_that_is_missing_is_named_in_one_finding() -> None:
    (finding,) = Iam("sqs:SendMessage", "dynamodb:Query").findings()
    assert finding == Finding("bad", "rights: the task may not sqs:SendMessage on r; dynamodb:Query on r")


def test_reading_updates_and_protecting_itself_need_rights_where_they_are_used() -> None:
    iam = Iam()
    iam.findings("cluster", UPDATES="https://sqs.cn-north-1.amazonaws.com.cn/123456789012/updates")
    updates = "arn:aws-cn:sqs:cn-north-1:123456789012:updates"
    assert iam.asked["sqs:DeleteMessage"] == iam.asked["sqs:ReceiveMessage"] == {updates}
    assert updates not in iam.asked["sqs:SendMessage"]
    assert iam.asked["ecs:UpdateTaskProtection"] == {"arn:aws:ecs:eu-west-1:123456789012:task/cluster/*"}


@pytest.mark.parametrize(
    ("url", "arn"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/pm", "arn:aws:sqs:eu-west-1:123456789012:pm"),
        ("https://sqs.us-gov-west-1.amazonaws.com/1/pm.fifo", "arn:aws-us-gov:sqs:us-gov-west-1:1:pm.fifo"),
        ("https://sqs-fips.us-gov-east-1.amazonaws.com/1/pm", "arn:aws-us-gov:sqs:us-gov-east-1:1:pm"),
        ("https://cn-north-1.queue.amazonaws.com.cn/1/pm", "arn:aws-cn:sqs:cn-north-1:1:pm"),
        ("https://sqs.cn-northwest-1.api.amazonwebservices.com.cn/1/pm", "arn:aws-cn:sqs:cn-northwest-1:1:pm"),
        ("https://queue.amazonaws.com/1/pm", "arn:aws:sqs:us-east-1:1:pm"),
        ("https://eu-west-2.queue.amazonaws.com/1/pm", "arn:aws:sqs:eu-west-2:1:pm"),
        ("https://sqs.eu-west-1.api.aws/1/pm", "arn:aws:sqs:eu-west-1:1:pm"),
        ("https://vpce-0a1-xyz.sqs.eu-central-1.vpce.amazonaws.com/1/pm", "arn:aws:sqs:eu-central-1:1:pm"),
        ("http://127.0.0.1:4566/000000000000/pm", "arn:aws:sqs:eu-west-1:000000000000:pm"),
        ("http://localhost:4566/queue/eu-west-1/000000000000/pm", "arn:aws:sqs:eu-west-1:000000000000:pm"),
    ],
)
def test_whatever_the_url_looks_like_it_is_the_queue_that_is_asked_for(url: str, arn: str) -> None:
    iam = Iam()
    iam.findings(PM=url)
    assert iam.asked["sqs:SendMessage"] == {arn}


# Load balancer and task


def balancer(idle_s: int = 60, delay_s: int = 60, *states: str, **environment: str) -> Iterator[Finding]:
    def attributes(name: str, value: int) -> dict[str, Any]:
        return {"Attributes": [{"Key": name, "Value": str(value)}, {"Key": "other", "Value": "x"}]}

    health = {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}} for state in states]}
    elb = client(
        describe_load_balancer_attributes=attributes("idle_timeout.timeout_seconds", idle_s),
        describe_target_group_attributes=attributes("deregistration_delay.timeout_seconds", delay_s),
        describe_target_health=health,
    )
    return checks.balancer(elb, {"LoadBalancerArn": "lb", "TargetGroupArn": "tg"}, settings(**environment))


@pytest.mark.parametrize(("idle_s", "kind"), [(51, "good"), (50, "bad"), (49, "bad")])
def test_two_pings_fit_into_the_idle_timeout(idle_s: int, kind: str) -> None:
    assert next(balancer(idle_s, PING_INTERVAL_S="25")).kind == kind


@pytest.mark.parametrize(("delay_s", "kind"), [(31, "good"), (30, "bad")])
def test_the_drain_ends_before_the_load_balancer_cuts_off(delay_s: int, kind: str) -> None:
    _, drain, _ = balancer(60, delay_s, DRAIN_SECONDS="30")
    assert drain.kind == kind


@pytest.mark.parametrize(
    ("states", "kind"),
    [(("healthy",), "good"), (("draining", "healthy"), "good"), (("initial", "unhealthy"), "bad"), ((), "bad")],
)
def test_somebody_has_to_be_healthy(states: tuple[str, ...], kind: str) -> None:
    *_, targets = balancer(60, 60, *states)
    assert targets.kind == kind
    assert (", ".join(states) or "none") in targets.text


@pytest.mark.parametrize(
    ("container", "kind"),
    [({"stopTimeout": 20 + FLUSH_S + 1}, "good"), ({"stopTimeout": 20 + FLUSH_S}, "bad"), ({}, "bad")],
    ids=["longer", "as long", "the default of ECS"],
)
def test_ecs_waits_for_the_drain_and_the_flush(container: dict[str, int], kind: str) -> None:
    assert kinds(checks.task(container, settings(DRAIN_SECONDS="20"))) == [kind]
