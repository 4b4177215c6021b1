"""All settings: from environment variables to one typed value, checked, documented, and nothing read anywhere
else."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, get_type_hints

import msgspec
from msgspec import Meta

from websocket_handler.access.origins import read_origins
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogStore
from websocket_handler.adapters.aws.region import contradictions, region_of, region_told
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.protocol.names import Agent
from websocket_handler.variables import values as texts
from websocket_handler.variables.hosts import read_hosts
from websocket_handler.variables.names import hidden_mode, unknown_names
from websocket_handler.variables.problems import ConfigurationError, Problem
from websocket_handler.variables.quotes import clean
from websocket_handler.variables.shown import HIDDEN, quoted, redacted
from websocket_handler.variables.urls import check_queue_url, check_url, guess_url

__all__ = ["HIDDEN", "ConfigurationError", "Problem", "Settings", "describe", "from_environment", "redacted"]

WRITE_MARGIN_BYTES: Final = 1024
"""What a publication's frame and splice add to the publisher's object, generously."""
OBJECT_BYTES_MAX: Final = {
    "dynamodb": DynamoDbLogStore.limits.object_bytes,
    "memory": MemoryLogStore.limits.object_bytes,
}
"""The largest object that each log store takes."""
_TABLE: Final = re.compile(r"(arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/)?[A-Za-z0-9_.-]{3,255}")


def _setting(
    description: str,
    unit: str = "",
    *,
    ge: float | None = None,
    le: float | None = None,
    is_secret: bool = False,
    example: str = "",
) -> Meta:
    """`example` is needed where the default is empty or missing."""
    extra = {"unit": unit, "is_secret": is_secret, "example": example}
    return Meta(description=description, extra=extra, ge=ge, le=le)


_QUEUE: Final = "https://sqs.eu-west-1.amazonaws.com/123456789012/"


Switch = Literal["on", "off"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting; the environment variable is the field's name in upper case."""

    sqs_queue_url_pm: Annotated[str, _setting("queue of the PM agent", "URL", example=_QUEUE + "agenticai-pm-prod")]
    sqs_queue_url_dev: Annotated[str, _setting("queue of the Dev agent", "URL", example=_QUEUE + "agenticai-dev-prod")]
    sqs_queue_url_qa: Annotated[str, _setting("queue of the QA agent", "URL", example=_QUEUE + "agenticai-qa-prod")]
    sqs_queue_url_ops: Annotated[str, _setting("queue of the Ops agent", "URL", example=_QUEUE + "agenticai-ops-prod")]
    dynamodb_table_name: Annotated[
        str, _setting("table for logs and connection records", example="agenticai-data-prod")
    ]
    sqs_queue_url_updates: Annotated[
        str,
        _setting(
            "queue into which agents put updates; empty: no such queue",
            "URL",
            example=_QUEUE + "agenticai-updates-prod",
        ),
    ] = ""
    aws_region: Annotated[
        str, _setting("AWS region; empty: as boto3 finds it, else that of the queues' URLs, else us-east-1")
    ] = ""
    aws_endpoint_url: Annotated[
        str,
        _setting(
            "endpoint for all AWS calls, for an emulator; empty: AWS itself", "URL", example="http://127.0.0.1:4566"
        ),
    ] = ""
    websocket_host: Annotated[
        str, _setting("comma-separated addresses on which the gateway listens; with :: every IPv6 and IPv4 address")
    ] = "0.0.0.0"
    websocket_port: Annotated[int, _setting("port on which the gateway listens; 0: any free port", ge=0, le=65535)] = (
        8080
    )
    log_store: Annotated[
        Literal["", "memory", "dynamodb"], _setting("where the project logs are stored; empty: dynamodb")
    ] = ""
    forward_body: Annotated[
        Literal["envelope", "data"], _setting("body of a task: envelope adds sender and ids, data is data only")
    ] = "envelope"
    auth_mode: Annotated[
        Literal["none", "jwt"], _setting("how clients authenticate; none: everyone may do everything")
    ] = "none"
    auth_timeout_s: Annotated[
        float, _setting("time for a new connection to send `authenticate`", "s", ge=0.1, le=300)
    ] = 10
    jwt_secrets: Annotated[
        str,
        _setting(
            "comma-separated secrets for HS256, HS384, HS512", is_secret=True, example="$(openssl rand -base64 48)"
        ),
    ] = ""
    jwt_public_keys: Annotated[
        str, _setting("PEM text, or comma-separated paths of PEM files", example="/run/secrets/issuer.pem")
    ] = ""
    jwt_jwks_url: Annotated[
        str,
        _setting(
            "JWK set of the issuer; several: one for each JWT_ISSUER, in order",
            "URL",
            example="https://issuer.example/.well-known/jwks.json",
        ),
    ] = ""
    jwt_algorithms: Annotated[
        str,
        _setting(
            "comma-separated algorithms that are accepted; empty: HS256 for secrets, RS256,ES256,EdDSA for keys",
            example="RS256,ES256",
        ),
    ] = ""
    jwt_issuer: Annotated[
        str,
        _setting(
            "required `iss` of a token; empty: any; several: each has its own JWK set", example="https://issuer.example"
        ),
    ] = ""
    jwt_audience: Annotated[
        str, _setting("required `aud` of a token; empty: only tokens without `aud`", example="gateway")
    ] = ""
    jwt_leeway_s: Annotated[float, _setting("how much the issuer's clock may differ", "s", ge=0, le=300)] = 5
    allow_token_in_query: Annotated[Switch, _setting("on: accept ?access_token=; proxies may log URLs")] = "off"  # noqa: S105
    allowed_origins: Annotated[
        str,
        _setting(
            "comma-separated origins of web pages that come in beside this host's own, or *",
            example="https://app.example.com",
        ),
    ] = ""
    trusted_proxy_hops: Annotated[
        int, _setting("number of proxies in front that append to X-Forwarded-For", "", ge=0, le=10)
    ] = 0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], _setting("log events of this level and above")
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "json", "console"], _setting("console: text for people; auto: console on a terminal, else json")
    ] = "auto"
    node_id: Annotated[str, _setting("name of this node; empty: a random name", example="gateway-1")] = ""
    ping_interval_s: Annotated[
        float, _setting("time between pings; a client that answers none is closed after two", "s", ge=1, le=3600)
    ] = 25
    drain_seconds: Annotated[float, _setting("time to hand clients over at SIGTERM", "s", ge=0, le=110)] = 20
    slow_client_timeout_s: Annotated[
        float, _setting("time without progress after which a slow client is closed", "s", ge=1, le=3600)
    ] = 60
    outbox_bytes: Annotated[int, _setting("size of the outbox of one client", "bytes", ge=16_384, le=67_108_864)] = (
        262_144
    )
    max_message_bytes: Annotated[int, _setting("size of one message", "bytes", ge=1024, le=1_048_576)] = 65_536
    max_connections: Annotated[int, _setting("clients on this node; 0: no limit", "", ge=0)] = 10_000
    connections_per_address: Annotated[
        int, _setting("clients, streams and polls of one address (IPv6: one /64); 0: no limit", "", ge=0)
    ] = 0
    connections_per_user: Annotated[int, _setting("clients, streams and polls of one user; 0: no limit", "", ge=0)] = 0
    handshakes_per_second: Annotated[float, _setting("handshakes on this node; 0: no limit", "1/s", ge=0)] = 0
    memory_limit_bytes: Annotated[
        int,
        _setting(
            "memory above which the node refuses new clients; 0: no limit; -1: nine tenths of the container",
            "bytes",
            ge=-1,
        ),
    ] = -1
    max_subscriptions: Annotated[int, _setting("projects that one client may follow; 0: no limit", "", ge=0)] = 256
    max_projects: Annotated[int, _setting("projects that are open on this node", "", ge=1)] = 10_000
    head_bytes: Annotated[
        int, _setting("size of a request head: request line and headers", "bytes", ge=1024, le=1_048_576)
    ] = 32_768
    handshake_timeout_s: Annotated[
        float, _setting("time for a request head, and for a request body", "s", ge=0.1, le=300)
    ] = 10
    commands_per_second: Annotated[
        float, _setting("commands of one client, its publications apart; 0: no limit", "1/s", ge=0)
    ] = 100
    bytes_per_second: Annotated[
        float, _setting("bytes of the commands of one client, its publications apart; 0: no limit", "bytes/s", ge=0)
    ] = 0
    publishes_per_second: Annotated[
        float,
        _setting(
            "publications of one client that may publish; 0: no limit; -1: ten times COMMANDS_PER_SECOND", "1/s", ge=-1
        ),
    ] = -1
    publish_bytes_per_second: Annotated[
        float,
        _setting("bytes of these publications; 0: no limit; -1: ten times BYTES_PER_SECOND", "bytes/s", ge=-1),
    ] = -1
    history_messages: Annotated[int, _setting("publications in memory per project", "", ge=1, le=1_000_000)] = 1000
    history_bytes: Annotated[int, _setting("size of the publications in memory per project", "bytes", ge=1024)] = (
        1_048_576
    )
    history_seconds: Annotated[float, _setting("how long publications are retained", "s", ge=1, le=31_536_000)] = 86_400
    history_total_bytes: Annotated[
        int, _setting("size of the publications in memory in total", "bytes", ge=1_048_576)
    ] = 134_217_728
    forward_timeout_s: Annotated[float, _setting("time after which a forward fails", "s", ge=1, le=600)] = 30
    metrics: Annotated[Literal["emf", "off"], _setting("emf: write metrics for CloudWatch to stdout")] = "off"
    metrics_interval_s: Annotated[float, _setting("time between metric lines", "s", ge=1, le=3600)] = 60
    environment: Annotated[str, _setting("name of the environment, as a dimension of the metrics")] = "local"
    target_group_arn: Annotated[str, _setting("ALB target group to watch for deregistration; empty: do not watch")] = ""
    target_address: Annotated[str, _setting("address of this ECS task in the target group; empty: ask ECS")] = ""
    ecs_container_metadata_uri_v4: Annotated[str, _setting("address of the ECS metadata; ECS sets it")] = ""
    scale_in_protection_connections: Annotated[
        int, _setting("with this many clients or more, protect this ECS task from scale-in; 0: off", "", ge=0)
    ] = 0
    ecs_agent_uri: Annotated[str, _setting("address of the ECS agent; ECS sets it")] = ""
    console: Annotated[Switch, _setting("on: serve the console page at /")] = "on"
    compression: Annotated[Switch, _setting("on: permessage-deflate with clients that offer it")] = "off"
    native_send: Annotated[Switch, _setting("on: fan-out through the compiled loop, if it was built")] = "on"
    diag_echo: Annotated[Literal["0", "1"], _setting("1: echo every message at /__echo, for conformance suites")] = "0"

    @property
    def listen_hosts(self) -> tuple[str, ...]:
        """The addresses and names on which the gateway listens."""
        return read_hosts(self.websocket_host)

    @property
    def queue_urls(self) -> dict[Agent, str]:
        """The agents' queues."""
        return {
            Agent.PM: self.sqs_queue_url_pm,
            Agent.DEV: self.sqs_queue_url_dev,
            Agent.QA: self.sqs_queue_url_qa,
            Agent.OPS: self.sqs_queue_url_ops,
        }


_HINTS: Final = get_type_hints(Settings, include_extras=True)
_FIELDS: Final = msgspec.structs.fields(Settings)
VARIABLES: Final = tuple(field.name.upper() for field in _FIELDS)


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, its settings without white space and quotes around them."""
    own = {variable: clean(environment[variable]) for variable in VARIABLES if variable in environment}
    return {**environment, **own}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises ConfigurationError with every problem at once."""
    environment = cleaned(environment)
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for field in _FIELDS:
        variable, hint = field.name.upper(), _HINTS[field.name]
        text = environment.get(variable, "")
        if text:
            try:
                values[field.name] = texts.convert(text, hint)
            except ValueError as error:
                problems.append(_problem(environment, variable, str(error), texts.guess(text, hint) or None))
        elif field.required:
            problems.append(_problem(environment, variable, f"is required: {_description(field.name)}"))
    problems += [
        _problem(environment, *found) for found in (*_related_problems(values), *hidden_mode(environment, VARIABLES))
    ]
    problems += [
        Problem(name, reason, quoted(environment.get(name, ""))) for name, reason in contradictions(environment)
    ]
    values["aws_region"] = region_of(environment)
    if problems:
        raise ConfigurationError(problems)
    return Settings(**values)  # type: ignore[arg-type]


def _problem(environment: Mapping[str, str], variable: str, reason: str, guess: str | None = None) -> Problem:
    """A problem with the value as it may be shown, and with the best example that there is."""
    meta, text = _meta(variable.lower()), environment.get(variable, "")
    field = next(field for field in _FIELDS if field.name == variable.lower())
    if guess is None:
        guess = ("" if field.required else str(field.default)) or (meta.extra or {})["example"]
    if text.startswith("tcp://") and variable.endswith("_PORT"):
        reason += " (Kubernetes sets it for a service of this name: give the pod enableServiceLinks: false)"
    return Problem(variable, reason, _shown(meta, text), guess)


def _shown(meta: Meta, text: str) -> str:
    is_hidden = (meta.extra or {}).get("is_secret") or "-----BEGIN" in text
    return HIDDEN if text and is_hidden else quoted(text) if text else ""


def unknown_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like a setting and are none, each with the setting that may be meant, or an empty text."""
    return unknown_names(environment, VARIABLES)


Found = tuple[str, str] | tuple[str, str, str | None]
"""A variable, what is wrong with it, and a value that may have been meant."""


def _related_problems(values: Mapping[str, object]) -> Iterator[Found]:
    """Rules that the type of one variable does not tell."""
    for name, value in values.items():
        if name.startswith("sqs_queue_url") or name == "aws_endpoint_url":
            try:
                (check_url if name == "aws_endpoint_url" else check_queue_url)(str(value))
            except ValueError as error:
                yield name.upper(), str(error), guess_url(str(value)) or None
    outbox = int(str(values.get("outbox_bytes", 262_144)))
    message = int(str(values.get("max_message_bytes", 65_536)))
    least = 2 * (message + WRITE_MARGIN_BYTES)
    if outbox < least:
        yield "OUTBOX_BYTES", f"must be at least {least}, the size of two messages", str(least)
    store = str(values.get("log_store") or "dynamodb")
    object_bytes_max = OBJECT_BYTES_MAX.get(store, message)
    if message > object_bytes_max:
        reason = f"must be at most {object_bytes_max} with LOG_STORE={store}"
        yield "MAX_MESSAGE_BYTES", reason, str(object_bytes_max)
    if not _TABLE.fullmatch(str(values.get("dynamodb_table_name", "table"))):
        yield "DYNAMODB_TABLE_NAME", "must be 3 to 255 letters, digits, '_', '-' and '.', or the ARN of a table"
    try:
        read_hosts(str(values.get("websocket_host", "0.0.0.0")))
    except ValueError as error:
        yield "WEBSOCKET_HOST", str(error)
    for name in ("allowed_origins", "jwt_secrets", "jwt_algorithms", "jwt_issuer"):
        if values.get(name) and not str(values[name]).strip(", "):
            yield name.upper(), "has no entry beside its commas"
    try:
        read_origins(str(values.get("allowed_origins", "")))
    except ValueError as error:
        yield "ALLOWED_ORIGINS", str(error)
    if values.get("auth_mode") == "jwt":
        yield from _jwt_problems(values)


def _jwt_problems(values: Mapping[str, object]) -> Iterator[Found]:
    from websocket_handler.adapters.jwt import setup  # noqa: PLC0415 - cryptography loads only where it is used

    for problem in setup.find_problems(setup.JwtSettings.of(values)):
        # AUTH_MODE gets no example: it would be the default, which lets everybody in.
        yield problem.variable, problem.reason, "" if problem.variable == "AUTH_MODE" else None


def _meta(name: str) -> Meta:
    metadata: tuple[object, ...] = _HINTS[name].__metadata__
    return next(item for item in metadata if isinstance(item, Meta))


def _description(name: str) -> str:
    return _meta(name).description or ""


@dataclass(frozen=True, slots=True)
class Described:
    """One setting, for `websocket-handler config` and the documentation."""

    variable: str
    value: str
    default: str
    unit: str
    limits: str
    description: str


def describe(environment: Mapping[str, str]) -> list[Described]:
    """All settings as they stand in `environment`, secrets redacted, and the region that follows from them."""
    environment = cleaned(environment)
    rows: list[Described] = []
    for field in _FIELDS:
        meta, hint = _meta(field.name), _HINTS[field.name]
        default = "required" if field.required else str(field.default)
        value = environment.get(field.name.upper(), "") or ("" if field.required else default)
        limits = " to ".join(str(limit) for limit in (meta.ge, meta.le) if limit is not None)
        if meta.ge is not None and meta.le is None:
            limits = f"at least {meta.ge}"
        choices = texts.choices(hint)
        if choices:
            limits = " | ".join(choice for choice in choices if choice)
            with suppress(ValueError):
                value = str(texts.convert(value, hint)) if value else value
        extra = meta.extra or {}
        if value and (extra.get("is_secret") or "-----BEGIN" in value):
            value = HIDDEN
        unit = str(extra.get("unit", ""))
        rows.append(Described(field.name.upper(), redacted(value), default, unit, limits, meta.description or ""))
    return [_with_region(row, environment) if row.variable == "AWS_REGION" else row for row in rows]


def _with_region(row: Described, environment: Mapping[str, str]) -> Described:
    """The row of the region with the one in use, and with who named it."""
    description = f"{row.description}. Now {region_told(environment)}"
    return replace(row, value=region_of(environment) or "", description=description)
