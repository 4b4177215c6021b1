"""Numbers that stand in different files and only work together."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tests.infra.account import REPOSITORY, TEMPLATE, Account
from tests.infra.calls import calls_in_source
from tests.infra.deployed import Deployed
from websocket_handler import edges, life
from websocket_handler.adapters.aws import ecs_protection
from websocket_handler.adapters.aws.emf import NAMESPACE, SERVICE
from websocket_handler.cli.doctor import task_settings
from websocket_handler.config import Settings
from websocket_handler.delivery import follower, scale_in
from websocket_handler.net import drain
from websocket_handler.telemetry.counters import SUMMARIES, Counters, Gauges
from websocket_handler.telemetry.metrics import metrics_of

FARGATE_STOP_TIMEOUT_MAX_S = 120
CLOSING_S = 5
"""For what follows the flush: closing sockets and clients, ending the process."""


@pytest.fixture(scope="module")
def deployed(account: Account) -> Deployed:
    """An environment for this module."""
    return Deployed(account, "numbers", ImageTag="abc-1", Alarms="false")


@pytest.fixture(scope="module")
def container(deployed: Deployed) -> dict[str, Any]:
    """The container of the deployed task."""
    (container,) = deployed.task_definition()["containerDefinitions"]
    return dict(container)


@pytest.fixture(scope="module")
def settings(container: dict[str, Any]) -> Settings:
    """What the gateway makes of the task's environment."""
    return task_settings(container)


def test_every_variable_of_the_task_is_a_setting(container: dict[str, Any]) -> None:
    """A variable that nobody reads would be a mistake that nobody sees."""
    known = {field.name.upper() for field in msgspec.structs.fields(Settings)}
    given = {item["name"] for item in container["environment"]}
    assert given <= known


def test_pings_come_well_within_the_idle_timeout(deployed: Deployed, settings: Settings) -> None:
    """A quiet connection survives two lost pings."""
    idle_s = int(deployed.attributes("LoadBalancer")["idle_timeout.timeout_seconds"])
    assert 3 * settings.ping_interval_s < idle_s


def test_a_drain_ends_before_the_task_is_killed(container: dict[str, Any], settings: Settings) -> None:
    """Hand-over, flush and closing fit into the stop timeout, which Fargate takes."""
    assert settings.drain_seconds + life.FLUSH_MARGIN_S + CLOSING_S < container["stopTimeout"]
    assert container["stopTimeout"] <= FARGATE_STOP_TIMEOUT_MAX_S


def test_clients_come_back_while_the_drain_still_runs(settings: Settings) -> None:
    """What a client is told to wait is short beside the drain, so that it reaches the new task."""
    assert settings.drain_seconds > drain.AFTER_MS_MAX / 1000


def test_clients_come_back_before_the_old_connection_is_closed(settings: Settings) -> None:
    """After the longest wait that a client is told, it still has as long to open its next connection."""
    assert drain.moving_s(settings.drain_seconds) >= 2 * drain.AFTER_MS_MAX / 1000


def test_clients_are_handed_over_while_their_target_deregisters(deployed: Deployed, settings: Settings) -> None:
    """The node sees the deregistration and is done before it ends; still, a deployment does not take minutes."""
    delay_s = int(deployed.attributes("TargetGroup")["deregistration_delay.timeout_seconds"])
    assert edges.TARGET_INTERVAL_S + settings.drain_seconds < delay_s <= 60


def test_a_new_task_has_time_to_become_healthy(deployed: Deployed, container: dict[str, Any]) -> None:
    """The grace period covers the checks that a healthy task has to pass."""
    elb = deployed.account.client("elbv2")
    (group,) = elb.describe_target_groups(TargetGroupArns=[deployed.outputs["TargetGroupArn"]])["TargetGroups"]
    passing_s = group["HealthCheckIntervalSeconds"] * group["HealthyThresholdCount"]
    grace_s = deployed.service()["healthCheckGracePeriodSeconds"]
    assert passing_s + container["healthCheck"]["startPeriod"] <= grace_s


def test_an_outage_of_a_dependency_does_not_replace_the_task_at_once(deployed: Deployed) -> None:
    """`/ready` fails while a dependency is down; a throttled minute must not cost all connections."""
    elb = deployed.account.client("elbv2")
    (group,) = elb.describe_target_groups(TargetGroupArns=[deployed.outputs["TargetGroupArn"]])["TargetGroups"]
    assert group["HealthCheckIntervalSeconds"] * group["UnhealthyThresholdCount"] >= 120


def test_protection_from_scale_in_outlives_renewals_that_fail() -> None:
    """Two of them, with their calls at their longest. A minute and two days are the ends that ECS takes."""
    longest_s = scale_in.LOOK_INTERVAL_S + 2 * ecs_protection.TIMEOUT_S
    assert 3 * (scale_in.RENEW_AFTER_S + longest_s) <= 60 * scale_in.PROTECTION_MINUTES
    assert 1 <= scale_in.PROTECTION_MINUTES <= 2880


def test_protection_from_scale_in_holds_up_no_deployment(deployed: Deployed) -> None:
    """The old task learns of the new one when that starts, and has released its protection sooner than a deployment
    waits for a deregistration anyway."""
    delay_s = int(deployed.attributes("TargetGroup")["deregistration_delay.timeout_seconds"])
    noticed_s = follower.ANNOUNCE_INTERVAL_S + scale_in.LOOK_INTERVAL_S
    assert noticed_s + 2 * ecs_protection.TIMEOUT_S < delay_s


def test_protection_from_scale_in_ends_within_the_drain(settings: Settings) -> None:
    """Its release comes after two calls that may be under way, and beside the hand-over."""
    assert settings.drain_seconds > 3 * ecs_protection.TIMEOUT_S


def test_scale_in_protects_half_of_what_auto_scaling_aims_at() -> None:
    """Far above it no task could ever go, far below it every scale-in would move many clients."""
    text = TEMPLATE.read_text(encoding="utf-8")
    protected, aimed, most = (
        int(re.findall(rf"^  {name}:\n    Type: Number\n    Default: (\d+)$", text, re.MULTILINE)[0])
        for name in ("ProtectedConnections", "ConnectionsPerTask", "MaxConnections")
    )
    assert protected == aimed / 2
    assert aimed <= most


def test_the_task_watches_its_own_target(deployed: Deployed, settings: Settings) -> None:
    """It is told the target group; its address comes from ECS."""
    assert settings.target_group_arn == deployed.outputs["TargetGroupArn"]


def test_the_task_has_descriptors_for_its_connections(container: dict[str, Any], settings: Settings) -> None:
    """One per connection, and some for AWS."""
    (limit,) = container["ulimits"]
    assert settings.max_connections + 1000 < limit["hardLimit"]


def test_retained_history_fits_into_the_memory(deployed: Deployed, settings: Settings) -> None:
    """A third of the memory at most: connections and the process need the rest."""
    assert settings.history_total_bytes * 3 <= int(deployed.task_definition()["memory"]) * 1024 * 1024


def test_the_image_and_the_task_agree() -> None:
    """User, port and health check are written in two files."""
    dockerfile = (REPOSITORY / "websocket_handler" / "Dockerfile").read_text(encoding="utf-8")
    template = (REPOSITORY / "template.yaml").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert 'User: "10001:10001"' in template
    assert re.search(r"^EXPOSE 8080$", dockerfile, re.MULTILINE)
    check = "socket.create_connection(('127.0.0.1', {}), 3).close()"
    assert "or 8080; " + check.format("int(port)") in dockerfile
    assert "import socket; " + check.format(8080) in template
    assert "--interval=30s --timeout=5s" in dockerfile


def test_the_image_keeps_the_sdk_of_every_service_that_is_called() -> None:
    """The others are taken out to make it small."""
    dockerfile = (REPOSITORY / "websocket_handler" / "Dockerfile").read_text(encoding="utf-8")
    kept = set(re.findall(r"! -name (\w+)", dockerfile))
    assert kept == {"sts", *(call.partition(".")[0] for call in calls_in_source())}


def test_alarms_follow_the_metrics_that_are_written() -> None:
    """A name that nobody emits would never alarm."""
    template = (REPOSITORY / "template.yaml").read_text(encoding="utf-8")
    written = {metric.pushed_as for table in (Gauges, Counters) for metric in metrics_of(table) if metric.pushed_as}
    written |= {summary.pushed_as for summary in SUMMARIES}
    alarmed = set(re.findall(r"Namespace: AgenticAI/WebSocket\n\s+MetricName: (\w+)\n", template))
    assert alarmed >= {"ActiveConnections", "ForwardsFailed", "Errors"}
    assert alarmed <= written
    assert "Dimensions: [{Name: Service, Value: websocket-handler}" in template
    assert (NAMESPACE, SERVICE) == ("AgenticAI/WebSocket", "websocket-handler")


def test_the_drain_alarm_reads_an_event_that_is_logged() -> None:
    """`node.drained` with the field `left`."""
    template = (REPOSITORY / "template.yaml").read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "websocket_handler").rglob("*.py"))
    assert '$.event = "node.drained"' in template
    assert re.search(r'emit\("node\.drained",[^)]*left=', source)
