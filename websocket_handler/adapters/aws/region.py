"""Which region requests are sent to and signed for, and who says so.

In this order: `AWS_REGION`, then what boto3 would find by itself (`AWS_DEFAULT_REGION`, the profile's `region` in the
shared files), then the region that the queues' URLs name, then us-east-1. boto3 does not read `AWS_REGION`; here it is
what a program hands over as `region_name`, which comes first in boto3 too.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

DEFAULT: Final = "us-east-1"
_LABEL: Final = re.compile(r"(?![0-9]+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
"""What the SDK takes for the name of a region."""
_SUFFIXES: Final = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "localhost.localstack.cloud",
)
_EMULATORS: Final = ("localhost.localstack.cloud",)
"""Those of them that are no hosts of AWS."""
_HOST: Final = re.compile(
    r"(?:.*\.)?(?P<region>[a-z]+(?:-[a-z]+)+-[0-9]+)\.(?:queue\.|vpce\.)?"
    rf"(?:{'|'.join(map(re.escape, _SUFFIXES))})"
)
"""`sqs.eu-west-1.amazonaws.com`, the older `eu-west-1.queue.amazonaws.com`, and endpoints inside of a VPC."""
_FIRST_REGION_HOSTS: Final = frozenset({"queue.amazonaws.com", "sqs.amazonaws.com"})
"""Hosts from the time when there was one region."""
_ADDRESSES: Final = (
    *(f"SQS_QUEUE_URL_{queue}" for queue in ("PM", "DEV", "QA", "OPS", "UPDATES")),
    "DYNAMODB_TABLE_NAME",
    "TARGET_GROUP_ARN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_DYNAMODB",
)
"""Variables whose value may name a region."""
_ARN: Final = re.compile(r"arn:[^:]*:[^:]*:(?P<region>[^:]+):.*")


def _plain(text: str) -> str:
    """A text for a message on one line: ASCII, escaped."""
    return ascii(text)[1:-1]


class RegionError(ValueError):
    """There is no such profile. `variable` names it."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(_plain(reason))
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Region:
    """A region, and where it was found."""

    name: str
    source: str


def find_region(environment: Mapping[str, str]) -> Region:
    """The region to use. Raises RegionError."""
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if name := environment.get(variable, "").strip():
            return Region(name, variable)
    if found := _of_profile(environment):
        return found
    for variable, name in _named(environment).items():
        return Region(name, variable)
    return Region(DEFAULT, "no setting names one")


def region_of(environment: Mapping[str, str]) -> str | None:
    """The name of the region; None if nobody can tell."""
    try:
        return find_region(environment).name
    except RegionError:
        return None


def region_told(environment: Mapping[str, str]) -> str:
    """Where the region is from, or why there is none, to follow the word `now`."""
    try:
        return f"from: {find_region(environment).source}"
    except RegionError as error:
        return f"unknown: {error}"


def region_in(address: str) -> str:
    """The region that a URL or an ARN of AWS names; empty if it names none."""
    if arn := _ARN.fullmatch(address):
        return arn["region"]
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:  # brackets without an address
        return ""
    if host in _FIRST_REGION_HOSTS:
        return DEFAULT
    found = _HOST.fullmatch(host)
    return found["region"] if found else ""


def is_of_aws(url: str) -> bool:
    """True for the URL of an endpoint of AWS itself, also inside of a VPC; False for that of an emulator."""
    return bool(region_in(url)) and not (urlsplit(url).hostname or "").endswith(_EMULATORS)


def _named(environment: Mapping[str, str]) -> dict[str, str]:
    """The regions that addresses among the settings name, by variable. The queues come first."""
    found = {variable: region_in(environment.get(variable, "").strip()) for variable in _ADDRESSES}
    return {variable: name for variable, name in found.items() if name}


def contradictions(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Why there is no region, or what does not fit it: variables, and what is wrong with them. AWS refuses a signature
    for another region than the one that is asked."""
    try:
        region = find_region(environment)
    except RegionError as error:
        return [(error.variable, str(error))]
    found, shown = [], _plain(region.name)
    if _LABEL.fullmatch(region.name) is None:
        variable = "AWS_DEFAULT_REGION" if region.source == "AWS_DEFAULT_REGION" else "AWS_REGION"
        found = [(variable, f"must be the name of a region; {region.source} names {region.name!a}")]
    return found + [
        (variable, f"names the region {name}, but {region.source} names {shown}: set AWS_REGION, or correct one")
        for variable, name in _named(environment).items()
        if name != region.name
    ]


def _of_profile(environment: Mapping[str, str]) -> Region | None:
    """What the shared files say. The credentials file comes first, as with boto3."""
    name = environment.get("AWS_DEFAULT_PROFILE") or environment.get("AWS_PROFILE")
    profiles: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    for variable, default in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        path = environment.get(variable) or f"~/.aws/{default}"
        found = _read(variable, _full(path, environment))
        if found is None:
            return None  # the SDK reads it, too, and tells what is wrong with it
        for profile, values in found.items():
            profiles.setdefault(profile, {}).update(values)
            if "region" in values:
                sources[profile] = path
    if name and name not in profiles:
        variable = "AWS_DEFAULT_PROFILE" if environment.get("AWS_DEFAULT_PROFILE") else "AWS_PROFILE"
        raise RegionError(variable, f"there is no profile {name!r} in the configuration files of AWS")
    profile = name or "default"
    region = str(profiles.get(profile, {}).get("region", "")).strip()
    return Region(region, _plain(f"profile {profile} in {sources[profile]}")) if region else None


def _full(path: str, environment: Mapping[str, str]) -> str:
    home = environment.get("HOME")
    if home and (path == "~" or path.startswith("~/")):
        path = home + path[1:]
    return os.path.expanduser(os.path.expandvars(path))


def _read(variable: str, path: str) -> dict[str, dict[str, Any]] | None:
    """The profiles of one file, as the SDK reads it; None if it cannot be read."""
    if not os.path.isfile(path):
        return {}
    from botocore.configloader import load_config, raw_config_parse  # noqa: PLC0415 - loads only where there is a file
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        if variable == "AWS_CONFIG_FILE":
            profiles: dict[str, dict[str, Any]] = load_config(path)["profiles"]
            return profiles
        parsed: dict[str, dict[str, Any]] = raw_config_parse(path)
    except (BotoCoreError, OSError):
        return None
    return parsed
