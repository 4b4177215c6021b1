"""The template, deployed into a test account and looked at through the AWS API."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.infra.account import Account
from tests.infra.deployed import Deployed

AGENTS = ("pm", "dev", "qa", "ops")
QUEUES = (*AGENTS, "updates")
EXISTING_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tokens-AbCdEf"  # noqa: S105 - an ARN
TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"


@pytest.fixture(scope="module")
def plain(account: Account) -> Deployed:
    """The smallest environment: every switch off."""
    return Deployed(account, "plain", ImageTag="abc-1", Alarms="false")


@pytest.fixture(scope="module")
def full(account: Account) -> Deployed:
    """The largest environment: every switch on."""
    certificate = account.client("acm").request_certificate(DomainName="ws.example.com")["CertificateArn"]
    return Deployed(
        account,
        "full",
        ImageTag="abc-1",
        CertificateArn=certificate,
        DomainName="ws.example.com",
        CpuArchitecture="ARM64",
        AutoScaling="true",
        Alarms="true",
        AlarmTopicArn=TOPIC,
        Waf="true",
        PrivateSubnets="true",
        ContainerInsights="enabled",
        AccessLogsBucket="our-access-logs",
        QueueKmsKeyArn="arn:aws:kms:us-east-1:123456789012:key/1234",
        Backplane="valkey",
        AutoScalingMaxTasks="4",
    )


@pytest.fixture(scope="module")
def existing(account: Account) -> Deployed:
    """An environment that brings its own queues and table."""
    arns = {f"{name.capitalize()}QueueArn": f"arn:aws:sqs:eu-west-1:210987654321:{name}.fifo" for name in QUEUES}
    return Deployed(account, "existing", ImageTag="abc-1", TableName="shared", **arns)


def test_the_outputs_have_the_documented_names(plain: Deployed) -> None:
    """Tools and people look for these."""
    documented = {"WebSocketEndpoint", "ECSClusterName", "WebSocketServiceName", "WebSocketRepositoryUri"}
    assert documented <= plain.outputs.keys()
    assert plain.outputs["ECSClusterName"] == "agenticai-cluster-plain"
    assert plain.outputs["WebSocketServiceName"] == "agenticai-websocket-plain"
    assert plain.outputs["WebSocketRepositoryUri"].endswith("/agenticai-websocket-plain")
    assert plain.outputs["WebSocketUrl"] == f"ws://{plain.outputs['WebSocketEndpoint']}/ws"
    for name in QUEUES:
        assert plain.outputs[f"{name.capitalize()}QueueUrl"].endswith(f"/agenticai-{name}-plain")


def test_the_network_has_two_public_subnets_in_two_zones(plain: Deployed) -> None:
    """And a way out to the internet."""
    ec2 = plain.account.client("ec2")
    vpc = plain.resource("Vpc")
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"] == "10.0.0.0/16"
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert len(subnets) == 2
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    tables = ec2.describe_route_tables(RouteTableIds=[plain.resource("PublicRouteTable")])["RouteTables"]
    assert any(route.get("GatewayId", "").startswith("igw-") for route in tables[0]["Routes"])
    assert {"PublicSubnetARoutes", "PublicSubnetBRoutes"} <= plain.resources()


@pytest.mark.parametrize("environment", ["plain", "full"])
def test_only_the_load_balancer_reaches_the_tasks(environment: str, request: pytest.FixtureRequest) -> None:
    """Tasks take nothing but port 8080 from the load balancer, which takes only its listeners' ports."""
    deployed: Deployed = request.getfixturevalue(environment)
    ec2 = deployed.account.client("ec2")
    balancer_group, task_group = deployed.groups()
    groups = ec2.describe_security_groups(GroupIds=[balancer_group, task_group])["SecurityGroups"]
    by_id = {group["GroupId"]: group for group in groups}
    (task_rule,) = by_id[task_group]["IpPermissions"]
    assert (task_rule["FromPort"], task_rule["ToPort"]) == (8080, 8080)
    assert [pair["GroupId"] for pair in task_rule["UserIdGroupPairs"]] == [balancer_group]
    assert not task_rule["IpRanges"]
    ports = {rule["FromPort"] for rule in by_id[balancer_group]["IpPermissions"]}
    assert ports == ({80} if environment == "plain" else {80, 443})
    reached = [rule for rule in by_id[balancer_group]["IpPermissionsEgress"] if rule["UserIdGroupPairs"]]
    assert [(rule["FromPort"], rule["UserIdGroupPairs"][0]["GroupId"]) for rule in reached] == [(8080, task_group)]


def test_without_a_certificate_port_80_forwards(plain: Deployed) -> None:
    """There is one listener, and it leads to the tasks."""
    listeners = plain.listeners()
    assert set(listeners) == {80}
    (action,) = listeners[80]["DefaultActions"]
    assert (action["Type"], action["TargetGroupArn"]) == ("forward", plain.outputs["TargetGroupArn"])


def test_with_a_certificate_443_forwards_and_80_redirects(full: Deployed) -> None:
    """Nothing is served in plain text any more."""
    listeners = full.listeners()
    assert set(listeners) == {80, 443}
    assert listeners[80]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert listeners[443]["DefaultActions"][0]["TargetGroupArn"] == full.outputs["TargetGroupArn"]
    assert "TLS13" in listeners[443]["SslPolicy"]
    assert full.outputs["WebSocketUrl"] == "wss://ws.example.com/ws"


def test_the_target_group_asks_for_readiness(plain: Deployed) -> None:
    """Least outstanding requests suit connections that live long: a new task gets its share."""
    elb = plain.account.client("elbv2")
    (group,) = elb.describe_target_groups(TargetGroupArns=[plain.outputs["TargetGroupArn"]])["TargetGroups"]
    assert (group["HealthCheckPath"], group["TargetType"], group["Port"]) == ("/ready", "ip", 8080)
    attributes = plain.attributes("TargetGroup")
    assert attributes["load_balancing.algorithm.type"] == "least_outstanding_requests"
    assert int(attributes["deregistration_delay.timeout_seconds"]) <= 60


@pytest.mark.parametrize(("environment", "logged"), [("plain", "false"), ("full", "true")])
def test_access_logs_follow_their_bucket(environment: str, logged: str, request: pytest.FixtureRequest) -> None:
    """On with a bucket, off without."""
    attributes = request.getfixturevalue(environment).attributes("LoadBalancer")
    assert attributes["access_logs.s3.enabled"] == logged
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"


@pytest.mark.parametrize(("environment", "architecture"), [("plain", "X86_64"), ("full", "ARM64")])
def test_the_task_is_small_and_locked_down(environment: str, architecture: str, request: pytest.FixtureRequest) -> None:
    """0.25 vCPU and 512 MB; not root, no capabilities, nothing writable."""
    definition = request.getfixturevalue(environment).task_definition()
    assert (definition["cpu"], definition["memory"]) == ("256", "512")
    assert definition["runtimePlatform"]["cpuArchitecture"] == architecture
    (container,) = definition["containerDefinitions"]
    assert container["user"] == "10001:10001"
    assert container["readonlyRootFilesystem"] is True
    assert container["linuxParameters"] == {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True}
    assert container["healthCheck"]["interval"] == 30
    assert container["healthCheck"]["command"][0] == "CMD", "no shell"
    assert container["image"].endswith(f"/agenticai-websocket-{environment}:abc-1")
    assert container["logConfiguration"]["options"]["awslogs-group"] == f"/ecs/agenticai-websocket-{environment}"


@pytest.mark.parametrize(
    ("parameters", "secret"),
    [
        ({}, "arn:aws:secretsmanager:us-east-1:123456789012:secret:agenticai-websocket-{environment}/jwt-AbCdEf"),
        ({"JwtSecretArn": EXISTING_SECRET}, EXISTING_SECRET),
        ({"JwtJwksUrl": "https://issuer.example/jwks.json", "JwtIssuer": "https://issuer.example/"}, None),
        ({"AuthMode": "none"}, None),
    ],
)
def test_tokens_are_checked_unless_it_is_said_otherwise(
    account: Account, parameters: dict[str, str], secret: str | None
) -> None:
    """A secret of our own, an existing one, or an issuer's key set; the load balancer is the one trusted proxy."""
    environment = f"auth{len(str(parameters))}"
    (container,) = Deployed(account, environment, **parameters).task_definition()["containerDefinitions"]
    task = {item["name"]: item["value"] for item in container["environment"]}
    secrets = [(item["name"], item["valueFrom"]) for item in container.get("secrets", [])]

    assert task["AUTH_MODE"] == parameters.get("AuthMode", "jwt")
    assert task["JWT_JWKS_URL"] == parameters.get("JwtJwksUrl", "")
    assert task["TRUSTED_PROXY_HOPS"] == "1"
    assert secrets == ([("JWT_SECRETS", secret.format(environment=environment))] if secret else [])


def test_the_service_overlaps_tasks_and_rolls_back(plain: Deployed, full: Deployed) -> None:
    """A deployment starts the new task before the old one goes, and a bad one is undone."""
    for deployed in (plain, full):
        service = deployed.service()
        assert (service["desiredCount"], service["launchType"]) == (1, "FARGATE")
        configuration = service["deploymentConfiguration"]
        assert (configuration["minimumHealthyPercent"], configuration["maximumPercent"]) == (100, 200)
        assert configuration["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert "alarms" not in plain.service()["deploymentConfiguration"]
    names = full.service()["deploymentConfiguration"]["alarms"]["alarmNames"]
    assert names == [full.alarms()["target-errors"]["AlarmName"]]


def test_without_an_image_no_task_is_wanted(account: Account) -> None:
    """The first deployment of the stack comes before the first image."""
    deployed = Deployed(account, "fresh")
    assert deployed.service()["desiredCount"] == 0


def test_private_subnets_are_refused_to_an_issuer_that_they_cannot_reach(account: Account) -> None:
    """No task could fetch the issuer's keys; without it, or without private subnets, all is well."""
    issuer = {"JwtJwksUrl": "https://issuer.example/jwks.json", "JwtIssuer": "https://issuer.example/"}
    with pytest.raises(ClientError, match="JwtJwksUrl must be empty with PrivateSubnets"):
        account.deploy("agenticai-cut-off", Environment="cut-off", PrivateSubnets="true", **issuer)
    account.deploy("agenticai-keyed", Environment="keyed", PrivateSubnets="true")


@pytest.mark.parametrize(("path", "parameters"), [("/ready", {}), ("/health", {"HealthCheckPath": "/health"})])
def test_tasks_may_be_kept_through_outages_of_what_they_need(
    account: Account, path: str, parameters: dict[str, str]
) -> None:
    """A switch for the time of a long outage; readiness is what is asked for otherwise."""
    deployed = Deployed(account, f"path-{path[1:]}", **parameters)
    (group,) = account.client("elbv2").describe_target_groups(TargetGroupArns=[deployed.outputs["TargetGroupArn"]])[
        "TargetGroups"
    ]
    assert group["HealthCheckPath"] == path


def protection(deployed: Deployed) -> tuple[str, bool]:
    """The number of connections from which the task protects itself, and its right to do so."""
    (container,) = deployed.task_definition()["containerDefinitions"]
    (value,) = (item["value"] for item in container["environment"] if item["name"].startswith("SCALE_IN_"))
    return value, "ProtectFromScaleIn" in deployed.task_policy()


def test_tasks_protect_themselves_only_where_something_scales_in(
    account: Account, plain: Deployed, full: Deployed
) -> None:
    """With auto-scaling, unless it is turned off; the right to it comes and goes with it."""
    assert protection(plain) == ("0", False)
    assert protection(full) == ("1000", True)
    assert protection(Deployed(account, "bare", AutoScaling="true", ProtectedConnections="0")) == ("0", False)


@pytest.mark.parametrize(
    ("parameters", "word"), [({"DesiredCount": "2"}, "DesiredCount"), ({"AutoScalingMaxTasks": "3"}, "AutoScaling")]
)
def test_more_than_one_steady_task_is_refused(account: Account, parameters: dict[str, str], word: str) -> None:
    """Without a backplane two steady tasks learn of each other's publications late; the refusal names what helps."""
    with pytest.raises(ClientError, match=rf"{word}.* must be .* without Backplane=valkey"):
        account.deploy("agenticai-many", Environment="many", ImageTag="abc", **parameters)


def test_queues_have_dead_letter_queues_and_encryption(plain: Deployed) -> None:
    """A message that fails five times is kept for two weeks, and nothing travels in plain text."""
    for name in QUEUES:
        queue, dead = plain.queue(name), None
        redrive = json.loads(queue["RedrivePolicy"])
        assert int(redrive["maxReceiveCount"]) == 5
        dead = plain.account.client("sqs").get_queue_url(QueueName=redrive["deadLetterTargetArn"].rpartition(":")[2])
        assert dead["QueueUrl"].endswith(f"agenticai-{name}-plain-dead-letters")
        assert queue["SqsManagedSseEnabled"] == "true"
        (statement,) = json.loads(queue["Policy"])["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_a_key_of_your_own_encrypts_the_queues(full: Deployed) -> None:
    """And the gateway may use that key through SQS only."""
    assert full.queue("pm")["KmsMasterKeyId"].endswith(":key/1234")
    statement = full.task_policy()["UseQueueKey"]
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Condition"]["StringEquals"]["kms:ViaService"].startswith("sqs.")


def test_the_table_has_the_keys_of_the_adapters(plain: Deployed) -> None:
    """PK and SK, expiry by `ttl`, and recovery to any point in time."""
    dynamodb = plain.account.client("dynamodb")
    name = plain.outputs["DataTableName"]
    assert name == "agenticai-data-plain"
    table = dynamodb.describe_table(TableName=name)["Table"]
    keys = {item["AttributeName"]: item["KeyType"] for item in table["KeySchema"]}
    assert keys == {"PK": "HASH", "SK": "RANGE"}
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("ttl", "ENABLED")
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_existing_queues_and_table_replace_our_own(existing: Deployed) -> None:
    """Nothing is created beside them, and the task is told where they are."""
    made = existing.resources()
    assert not [name for name in made if "Queue" in name or "DeadLetter" in name or name == "Table"]
    (container,) = existing.task_definition()["containerDefinitions"]
    environment = {item["name"]: item["value"] for item in container["environment"]}
    assert environment["SQS_QUEUE_URL_DEV"] == "https://sqs.eu-west-1.amazonaws.com/210987654321/dev.fifo"
    assert environment["DYNAMODB_TABLE_NAME"] == "shared"
    by_sid = existing.task_policy()
    assert by_sid["HandTasksToAgents"]["Resource"] == [
        f"arn:aws:sqs:eu-west-1:210987654321:{name}.fifo" for name in AGENTS
    ]
    assert by_sid["KeepLogsAndRecords"]["Resource"].endswith(":table/shared")


def test_images_are_scanned_and_the_running_one_is_kept(plain: Deployed) -> None:
    """Tags do not move, but for the environment's alias; the last five images stay, and the one that runs."""
    ecr = plain.account.client("ecr")
    name = "agenticai-websocket-plain"
    (repository,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    first, second = json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
    assert (first["selection"]["tagPatternList"], first["selection"]["countNumber"]) == (["plain"], 1)
    assert (second["selection"]["tagStatus"], second["selection"]["countNumber"]) == ("any", 5)
    assert first["rulePriority"] < second["rulePriority"]


def test_logs_are_kept_for_seven_days(plain: Deployed) -> None:
    """In the documented group."""
    groups = plain.account.client("logs").describe_log_groups(logGroupNamePrefix="/ecs/agenticai-websocket-plain")
    assert [group["retentionInDays"] for group in groups["logGroups"]] == [7]


SWITCHED = {
    "AutoScaling": {"ScalableTarget", "ConnectionsPolicy", "CpuPolicy"},
    "Alarms": {"TargetErrorsAlarm", "SilenceAlarm", "DrainFilter", "DrainAlarm", "Dashboard", "PmDeadLetterAlarm"},
    "Waf": {"WebAcl", "WebAclAssociation"},
    "PrivateSubnets": {"PrivateSubnetA", "PrivateSubnetB", "SqsEndpoint", "LogsEndpoint", "EcrApiEndpoint"},
    "CertificateArn": {"HttpsListener"},
    "Backplane": {"ValkeyCache", "ValkeyUser", "ValkeyUsers", "ValkeyUrl", "ValkeyPassword", "ValkeyFromTasks"},
}


@pytest.mark.parametrize("switch", SWITCHED)
def test_a_switch_brings_its_resources_and_takes_them_away(plain: Deployed, full: Deployed, switch: str) -> None:
    """Off: none of them. On: all of them."""
    assert SWITCHED[switch] <= full.resources()
    assert not SWITCHED[switch] & plain.resources()


def test_scaling_follows_connections_and_cpu_up_to_the_maximum(full: Deployed) -> None:
    """Two policies share one target."""
    scaling = full.account.client("application-autoscaling")
    where = "service/agenticai-cluster-full/agenticai-websocket-full"
    targets = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[where])["ScalableTargets"]
    assert [(target["MinCapacity"], target["MaxCapacity"]) for target in targets] == [(1, 4)]
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=where)["ScalingPolicies"]
    by_name = {policy["PolicyName"]: policy["TargetTrackingScalingPolicyConfiguration"] for policy in policies}
    assert set(by_name) == {"connections-per-task", "cpu"}
    metric = by_name["connections-per-task"]["CustomizedMetricSpecification"]
    assert (metric["Namespace"], metric["MetricName"]) == ("AgenticAI/WebSocket", "ActiveConnections")
    assert all(policy["ScaleInCooldown"] > policy["ScaleOutCooldown"] for policy in by_name.values())


def test_alarms_reach_the_operators_and_name_their_runbook(full: Deployed, plain: Deployed) -> None:
    """Every alarm tells the topic and says where to read on; without the switch there are none."""
    alarms = full.alarms()
    dead_letters = {f"{name}-dead-letters" for name in QUEUES}
    others = {"target-errors", "unhealthy-targets", "silence", "forwards-failed", "errors", "cpu", "memory", "drain"}
    assert set(alarms) == dead_letters | others | {"backplane"}
    assert all(alarm["AlarmActions"] == [TOPIC] for alarm in alarms.values())
    assert all("Runbook: docs/operations/alarms.md#" in alarm["AlarmDescription"] for alarm in alarms.values())
    assert plain.alarms() == {}


def test_the_dashboard_shows_what_operators_ask_for(full: Deployed) -> None:
    """Connections, forwards, errors, processor and memory, targets, drain, dead letters."""
    body = full.account.client("cloudwatch").get_dashboard(DashboardName="agenticai-websocket-full")["DashboardBody"]
    shown = json.dumps(json.loads(body))
    for metric in (
        "ActiveConnections",
        "ForwardsConfirmed",
        "ForwardsFailed",
        "Errors",
        "CPUUtilization",
        "MemoryUtilization",
        "UnHealthyHostCount",
        "ApproximateNumberOfMessagesVisible",
        "Draining",
        "DrainLeftBehind-full",
    ):
        assert f'"{metric}"' in shown


def test_private_tasks_have_no_public_address(full: Deployed, plain: Deployed) -> None:
    """They reach AWS through endpoints; public ones have an address, because nothing else leads out."""
    private, public = (item.service()["networkConfiguration"]["awsvpcConfiguration"] for item in (full, plain))
    assert private["assignPublicIp"] == "DISABLED"
    assert set(private["subnets"]) == {full.resource("PrivateSubnetA"), full.resource("PrivateSubnetB")}
    assert public["assignPublicIp"] == "ENABLED"
    endpoints = full.account.client("ec2").describe_vpc_endpoints(
        Filters=[{"Name": "vpc-id", "Values": [full.resource("Vpc")]}]
    )["VpcEndpoints"]
    services = {endpoint["ServiceName"].rpartition("us-east-1.")[2] for endpoint in endpoints}
    assert services == {"sqs", "logs", "elasticloadbalancing", "secretsmanager", "ecr.api", "ecr.dkr", "s3", "dynamodb"}


def test_each_switch_can_be_turned_on_and_off_on_a_stack_that_lives(account: Account) -> None:
    """On brings its resources, off takes them away, and the rest of the stack stays what it is."""
    deployed = Deployed(account, "moving", ImageTag="abc-1", Alarms="false")
    cloudformation = account.client("cloudformation")
    kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in ("Environment", "ImageTag")]
    switches = {**dict.fromkeys(("AutoScaling", "Alarms", "Waf", "PrivateSubnets"), ("true", "false"))}
    for switch, values in {**switches, "Backplane": ("valkey", "none")}.items():
        for value in values:
            changed = {"Alarms": "false", switch: value}
            cloudformation.update_stack(
                StackName=deployed.name,
                UsePreviousTemplate=True,
                Capabilities=["CAPABILITY_IAM"],
                Parameters=[
                    *kept,
                    *({"ParameterKey": key, "ParameterValue": given} for key, given in changed.items()),
                ],
            )
            assert (SWITCHED[switch] & deployed.resources()) == (SWITCHED[switch] if value == values[0] else set())
