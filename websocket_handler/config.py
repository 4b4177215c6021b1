"""All settings: from environment variables to one typed value, checked, documented, and nothing read anywhere
else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal

import msgspec

from websocket_handler.adapters.aws.region import contradictions, region_of, region_told
from websocket_handler.config_rules import related_problems
from websocket_handler.protocol.names import Agent
from websocket_handler.variables.declared import Described, setting, settings_of
from websocket_handler.variables.hosts import read_hosts
from websocket_handler.variables.names import hidden_mode, unknown_names
from websocket_handler.variables.problems import ConfigurationError, Problem
from websocket_handler.variables.quotes import clean
from websocket_handler.variables.shown import HIDDEN, quoted, redacted

__all__ = [
    "HIDDEN",
    "ConfigurationError",
    "Described",
    "Problem",
    "Settings",
    "describe",
    "from_environment",
    "redacted",
]

_QUEUE: Final = "https://sqs.eu-west-1.amazonaws.com/123456789012/"
Switch = Literal["on", "off"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting; the environment variable is the field's name in upper case."""

    sqs_queue_url_pm: Annotated[str, setting("queue of the PM agent", "URL", example=_QUEUE + "agenticai-pm-prod")]
    sqs_queue_url_dev: Annotated[str, setting("queue of the Dev agent", "URL", example=_QUEUE + "agenticai-dev-prod")]
    sqs_queue_url_qa: Annotated[str, setting("queue of the QA agent", "URL", example=_QUEUE + "agenticai-qa-prod")]
    sqs_queue_url_ops: Annotated[str, setting("queue of the Ops agent", "URL", example=_QUEUE + "agenticai-ops-prod")]
    dynamodb_table_name: Annotated[str, setting("table for logs and connection records", example="agenticai-data-prod")]
    sqs_queue_url_updates: Annotated[
        str,
        setting(
            "queue into which agents put updates; empty: no such queue",
            "URL",
            example=_QUEUE + "agenticai-updates-prod",
        ),
    ] = ""
    aws_region: Annotated[
        str, setting("AWS region; empty: as boto3 finds it, else that of the queues' URLs, else us-east-1")
    ] = ""
    aws_endpoint_url: Annotated[
        str,
        setting(
            "endpoint for all AWS calls, for an emulator; empty: AWS itself", "URL", example="http://127.0.0.1:4566"
        ),
    ] = ""
    websocket_host: Annotated[
        str, setting("comma-separated addresses on which the gateway listens; with :: every IPv6 and IPv4 address")
    ] = "0.0.0.0"
    websocket_port: Annotated[int, setting("port on which the gateway listens; 0: any free port", ge=0, le=65535)] = (
        8080
    )
    log_store: Annotated[
        Literal["", "memory", "dynamodb", "valkey"], setting("where the project logs are stored; empty: dynamodb")
    ] = ""
    connection_records: Annotated[
        Switch, setting("on: record in the table who is connected, for other services to read")
    ] = "on"
    backplane: Annotated[
        Literal["", "none", "valkey"],
        setting("how nodes tell each other what they publish; empty: valkey with LOG_STORE=valkey, else none"),
    ] = ""
    valkey_url: Annotated[
        str,
        setting(
            "server for LOG_STORE=valkey and BACKPLANE=valkey: redis:// or, with TLS, rediss://; ?sentinel=NAME",
            "URL",
            is_secret=True,
            example="rediss://gateway:password@cache.example:6379",
        ),
    ] = ""
    valkey_commit: Annotated[
        Literal["auto", "primary", "replica"],
        setting("who has to have a publication before anybody sees it; auto: a replica while the server has one"),
    ] = "auto"
    rebalance: Annotated[
        Literal["off", "auto"],
        setting("auto: after another node has started, a node with more clients than its share moves the surplus"),
    ] = "off"
    forward_body: Annotated[
        Literal["envelope", "data"], setting("body of a task: envelope adds sender and ids, data is data only")
    ] = "envelope"
    auth_mode: Annotated[
        Literal["none", "jwt"], setting("how clients authenticate; none: everyone may do everything")
    ] = "none"
    auth_timeout_s: Annotated[
        float, setting("time for a new connection to send `authenticate`", "s", ge=0.1, le=300)
    ] = 10
    jwt_secrets: Annotated[
        str,
        setting(
            "comma-separated secrets for HS256, HS384, HS512", is_secret=True, example="$(openssl rand -base64 48)"
        ),
    ] = ""
    jwt_public_keys: Annotated[
        str, setting("PEM text, or comma-separated paths of PEM files", example="/run/secrets/issuer.pem")
    ] = ""
    jwt_jwks_url: Annotated[
        str,
        setting(
            "JWK set of the issuer; several: one for each JWT_ISSUER, in order",
            "URL",
            example="https://issuer.example/.well-known/jwks.json",
        ),
    ] = ""
    jwt_algorithms: Annotated[
        str,
        setting(
            "comma-separated algorithms that are accepted; empty: HS256 for secrets, RS256,ES256,EdDSA for keys",
            example="RS256,ES256",
        ),
    ] = ""
    jwt_issuer: Annotated[
        str,
        setting(
            "required `iss` of a token; empty: any; several: each has its own JWK set", example="https://issuer.example"
        ),
    ] = ""
    jwt_audience: Annotated[
        str, setting("required `aud` of a token; empty: only tokens without `aud`", example="gateway")
    ] = ""
    jwt_leeway_s: Annotated[float, setting("how much the issuer's clock may differ", "s", ge=0, le=300)] = 5
    allow_token_in_query: Annotated[Switch, setting("on: accept ?access_token=; proxies may log URLs")] = "off"  # noqa: S105
    allowed_origins: Annotated[
        str,
        setting(
            "comma-separated origins of web pages that come in beside this host's own, or *",
            example="https://app.example.com",
        ),
    ] = ""
    trusted_proxy_hops: Annotated[
        int, setting("number of proxies in front that append to X-Forwarded-For", "", ge=0, le=10)
    ] = 0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], setting("log events of this level and above")
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "json", "console"], setting("console: text for people; auto: console on a terminal, else json")
    ] = "auto"
    node_id: Annotated[str, setting("name of this node; empty: a random name", example="gateway-1")] = ""
    ping_interval_s: Annotated[
        float, setting("time between pings; a client that answers none is closed after two", "s", ge=1, le=3600)
    ] = 25
    drain_seconds: Annotated[float, setting("time to hand clients over at SIGTERM", "s", ge=0, le=110)] = 20
    slow_client_timeout_s: Annotated[
        float, setting("time without progress after which a slow client is closed", "s", ge=1, le=3600)
    ] = 60
    outbox_bytes: Annotated[int, setting("size of the outbox of one client", "bytes", ge=16_384, le=67_108_864)] = (
        262_144
    )
    max_message_bytes: Annotated[int, setting("size of one message", "bytes", ge=1024, le=1_048_576)] = 65_536
    max_connections: Annotated[int, setting("clients on this node; 0: no limit", "", ge=0)] = 10_000
    connections_per_address: Annotated[
        int, setting("clients, streams and polls of one address (IPv6: one /64); 0: no limit", "", ge=0)
    ] = 0
    connections_per_user: Annotated[int, setting("clients, streams and polls of one user; 0: no limit", "", ge=0)] = 0
    handshakes_per_second: Annotated[float, setting("handshakes on this node; 0: no limit", "1/s", ge=0)] = 0
    memory_limit_bytes: Annotated[
        int,
        setting(
            "memory above which the node refuses new clients; 0: no limit; -1: nine tenths of the container",
            "bytes",
            ge=-1,
        ),
    ] = -1
    max_subscriptions: Annotated[int, setting("projects that one client may follow; 0: no limit", "", ge=0)] = 256
    max_projects: Annotated[int, setting("projects that are open on this node", "", ge=1)] = 10_000
    head_bytes: Annotated[
        int, setting("size of a request head: request line and headers", "bytes", ge=1024, le=1_048_576)
    ] = 32_768
    handshake_timeout_s: Annotated[
        float, setting("time for a request head, and for a request body", "s", ge=0.1, le=300)
    ] = 10
    commands_per_second: Annotated[
        float, setting("commands of one client, its publications apart; 0: no limit", "1/s", ge=0)
    ] = 100
    bytes_per_second: Annotated[
        float, setting("bytes of the commands of one client, its publications apart; 0: no limit", "bytes/s", ge=0)
    ] = 0
    publishes_per_second: Annotated[
        float,
        setting(
            "publications of one client that may publish; 0: no limit; -1: ten times COMMANDS_PER_SECOND", "1/s", ge=-1
        ),
    ] = -1
    publish_bytes_per_second: Annotated[
        float,
        setting("bytes of these publications; 0: no limit; -1: ten times BYTES_PER_SECOND", "bytes/s", ge=-1),
    ] = -1
    history_messages: Annotated[int, setting("publications in memory per project", "", ge=1, le=1_000_000)] = 1000
    history_bytes: Annotated[int, setting("size of the publications in memory per project", "bytes", ge=1024)] = (
        1_048_576
    )
    history_seconds: Annotated[float, setting("how long publications are retained", "s", ge=1, le=31_536_000)] = 86_400
    history_total_bytes: Annotated[
        int, setting("size of the publications in memory in total", "bytes", ge=1_048_576)
    ] = 134_217_728
    run_snapshot_bytes: Annotated[
        int, setting("size of the snapshot of a project's runs; at most OUTBOX_BYTES", "bytes", ge=4096, le=393_216)
    ] = 262_144
    forward_timeout_s: Annotated[float, setting("time after which a forward fails", "s", ge=1, le=600)] = 30
    commit_linger_ms: Annotated[
        float,
        setting(
            "after a write to a project's log, time in which the next one gathers publications; 0: none",
            "ms",
            ge=0,
            le=500,
        ),
    ] = 0
    forward_linger_ms: Annotated[
        float,
        setting(
            "after a request to an agent's queue, time in which the next one gathers forwards; 0: none",
            "ms",
            ge=0,
            le=500,
        ),
    ] = 0
    run_lease_s: Annotated[
        float,
        setting(
            "time without an event after which a run has stalled; a quarter of it later it is ended; 0: never",
            "s",
            ge=0,
            le=86_400,
        ),
    ] = 60
    metrics: Annotated[Literal["emf", "off"], setting("emf: write metrics for CloudWatch to stdout")] = "off"
    metrics_interval_s: Annotated[float, setting("time between metric lines", "s", ge=1, le=3600)] = 60
    environment: Annotated[str, setting("name of the environment, as a dimension of the metrics")] = "local"
    target_group_arn: Annotated[str, setting("ALB target group to watch for deregistration; empty: do not watch")] = ""
    target_address: Annotated[str, setting("address of this ECS task in the target group; empty: ask ECS")] = ""
    ecs_container_metadata_uri_v4: Annotated[str, setting("address of the ECS metadata; ECS sets it")] = ""
    scale_in_protection_connections: Annotated[
        int, setting("with this many clients or more, protect this ECS task from scale-in; 0: off", "", ge=0)
    ] = 0
    ecs_agent_uri: Annotated[str, setting("address of the ECS agent; ECS sets it")] = ""
    console: Annotated[
        Literal["full", "read", "off"],
        setting("full: serve the console page at /; read: without its actions; the API stays as it is"),
    ] = "full"
    compression: Annotated[Switch, setting("on: permessage-deflate with clients that offer it")] = "off"
    native_send: Annotated[Switch, setting("on: fan-out through the compiled loop, if it was built")] = "on"
    diag_echo: Annotated[Literal["0", "1"], setting("1: echo every message at /__echo, for conformance suites")] = "0"

    @property
    def listen_hosts(self) -> tuple[str, ...]:
        """The addresses and names on which the gateway listens."""
        return read_hosts(self.websocket_host)

    @property
    def has_backplane(self) -> bool:
        """True if nodes tell each other what they publish."""
        return self.backplane == "valkey" or (not self.backplane and self.log_store == "valkey")

    @property
    def queue_urls(self) -> dict[Agent, str]:
        """The agents' queues."""
        return {
            Agent.PM: self.sqs_queue_url_pm,
            Agent.DEV: self.sqs_queue_url_dev,
            Agent.QA: self.sqs_queue_url_qa,
            Agent.OPS: self.sqs_queue_url_ops,
        }


_SETTINGS: Final = settings_of(Settings)
VARIABLES: Final = tuple(one.variable for one in _SETTINGS)


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, its settings without white space and quotes around them."""
    own = {variable: clean(environment[variable]) for variable in VARIABLES if variable in environment}
    return {**environment, **own}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises ConfigurationError with every problem at once."""
    environment = cleaned(environment)
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for one in _SETTINGS:
        text = environment.get(one.variable, "")
        if text:
            try:
                values[one.name] = one.convert(text)
            except ValueError as error:
                problems.append(one.problem(text, str(error), one.guess(text)))
        elif one.is_required:
            problems.append(one.problem(text, f"is required: {one.description}"))
    known = {one.variable: one for one in _SETTINGS}
    for variable, reason, *guess in (*related_problems(values), *hidden_mode(environment, VARIABLES)):
        problems.append(known[variable].problem(environment.get(variable, ""), reason, *guess))
    problems += [
        Problem(name, reason, quoted(environment.get(name, ""))) for name, reason in contradictions(environment)
    ]
    values["aws_region"] = region_of(environment)
    if problems:
        raise ConfigurationError(problems)
    return Settings(**values)  # type: ignore[arg-type]


def unknown_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like a setting and are none, each with the setting that may be meant, or an empty text."""
    return unknown_names(environment, VARIABLES)


def shared_queues(settings: Settings) -> dict[str, str]:
    """What is wrong if the updates queue is the queue of an agent, too: by that agent's variable."""
    reason = "SQS_QUEUE_URL_UPDATES names this queue, too: the gateway would publish this agent's tasks and delete them"
    updates = settings.sqs_queue_url_updates.rstrip("/")
    return {
        f"SQS_QUEUE_URL_{agent.value.upper()}": reason
        for agent, url in settings.queue_urls.items()
        if updates and url.rstrip("/") == updates
    }


def describe(environment: Mapping[str, str]) -> list[Described]:
    """All settings as they stand in `environment`, secrets redacted, and the region that follows from them."""
    environment = cleaned(environment)
    rows = [one.described(environment.get(one.variable, "")) for one in _SETTINGS]
    return [_with_region(row, environment) if row.variable == "AWS_REGION" else row for row in rows]


def _with_region(row: Described, environment: Mapping[str, str]) -> Described:
    """The row of the region with the one in use, and with who named it."""
    description = f"{row.description}. Now {region_told(environment)}"
    return replace(row, value=region_of(environment) or "", description=description)
