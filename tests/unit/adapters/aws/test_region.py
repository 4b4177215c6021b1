"""The region: what boto3 would use, in its order, and what addresses say about it."""

from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ProfileNotFound

from websocket_handler.adapters.aws.region import (
    DEFAULT,
    RegionError,
    contradictions,
    find_region,
    is_of_aws,
    region_in,
)

CONFIG = """\
[default]
region = eu-west-1
s3 =
    addressing_style = path
[profile dev]
region = ap-south-1
[profile empty]
output = json
[profile "two words"]
region = sa-east-1
"""
CREDENTIALS = """\
[default]
aws_access_key_id = x
[dev]
region = ca-central-1
[keys]
region = af-south-1
"""
URL = "https://sqs.eu-west-3.amazonaws.com/1/q"
FILES = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "the default region": {"AWS_DEFAULT_REGION": "eu-north-1"},
    "the default region before the files": {"AWS_DEFAULT_REGION": "eu-north-1", **FILES},
    "the config file": {"AWS_CONFIG_FILE": "config"},
    "both files": FILES,
    "a profile": {"AWS_PROFILE": "dev", "AWS_CONFIG_FILE": "config"},
    "a profile in both files": {"AWS_PROFILE": "dev", **FILES},
    "a profile of the credentials file": {"AWS_PROFILE": "keys", **FILES},
    "a profile without a region": {"AWS_PROFILE": "empty", **FILES},
    "a profile with a space": {"AWS_PROFILE": "two words", **FILES},
    "the older name of the profile": {"AWS_DEFAULT_PROFILE": "dev", "AWS_CONFIG_FILE": "config"},
    "both names of the profile": {"AWS_PROFILE": "empty", "AWS_DEFAULT_PROFILE": "dev", "AWS_CONFIG_FILE": "config"},
    "a file that is not there": {"AWS_CONFIG_FILE": "nowhere"},
    "a file that is not there, and a region": {"AWS_CONFIG_FILE": "nowhere", "AWS_DEFAULT_REGION": "eu-north-1"},
    "the home": {"HOME": "home"},
    "a path in the home": {"HOME": "home", "AWS_CONFIG_FILE": "~/other"},
    "a path with a variable": {"HOME": "home", "AWS_CONFIG_FILE": "$HOME/other"},
    "the profile default by name": {"AWS_PROFILE": "default", **FILES},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files, and no variable of this machine."""
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", *FILES):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "credentials").write_text(CREDENTIALS)
    (tmp_path / "home" / ".aws").mkdir(parents=True)
    (tmp_path / "home" / ".aws" / "config").write_text("[default]\nregion = us-west-1\n")
    (tmp_path / "home" / "other").write_text("[default]\nregion = us-west-2\n")
    return tmp_path


def placed(environment: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment with the paths of this test, in force for boto3 too."""
    found = {"HOME": str(folder)}
    for variable, value in environment.items():
        is_relative = variable == "HOME" or (variable in FILES and value[0] not in "~$")
        found[variable] = str(folder / value) if is_relative else value
    for variable, value in found.items():
        monkeypatch.setenv(variable, value)
    return found


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_it_is_what_boto3_would_use(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = placed(ENVIRONMENTS[name], folder, monkeypatch)

    found = find_region(environment)

    assert found.name == (boto3.Session().region_name or DEFAULT)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_our_own_variable_comes_first_as_a_program_that_names_the_region(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = placed(ENVIRONMENTS[name], folder, monkeypatch)

    found = find_region({**environment, "AWS_REGION": "me-south-1", "SQS_QUEUE_URL_PM": URL})

    assert (found.name, found.source) == ("me-south-1", "AWS_REGION")
    assert boto3.Session(region_name="me-south-1").region_name == "me-south-1"


def test_boto3_itself_does_not_read_our_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it does one day, the order has to be looked at again. ECS and Lambda set this variable."""
    placed({"AWS_REGION": "me-south-1"}, folder, monkeypatch)
    assert boto3.Session().region_name is None


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "AWS_DEFAULT_REGION"),
        ({"AWS_CONFIG_FILE": "config"}, "profile default in {folder}/config"),
        ({"AWS_PROFILE": "dev", **FILES}, "profile dev in {folder}/credentials"),
        ({}, "SQS_QUEUE_URL_QA"),
    ],
)
def test_the_source_is_told(
    environment: dict[str, str], source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_region({**placed(environment, folder, monkeypatch), "SQS_QUEUE_URL_QA": URL})
    assert found.source == source.format(folder=folder)


def test_an_address_names_it_where_nothing_else_does(folder: Path) -> None:
    table = "arn:aws:dynamodb:eu-west-2:1:table/state"
    found = find_region({"HOME": str(folder), "DYNAMODB_TABLE_NAME": table, "SQS_QUEUE_URL_DEV": URL})
    assert (found.name, found.source) == ("eu-west-3", "SQS_QUEUE_URL_DEV")


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_that_is_not_there_is_a_fault(variable: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = placed({variable: "nobody", **FILES}, folder, monkeypatch)

    with pytest.raises(RegionError, match="nobody") as caught:
        find_region(environment)

    assert caught.value.variable == variable
    with pytest.raises(ProfileNotFound):
        boto3.Session()


@pytest.mark.parametrize("variable", FILES)
def test_a_file_that_cannot_be_read_names_none(variable: str, folder: Path) -> None:
    """The SDK reads it as well, and its error is told where its first client is opened."""
    (folder / "broken").write_text("region = eu-west-1\n")
    environment = {"HOME": str(folder), variable: str(folder / "broken"), "AWS_PROFILE": "dev"}
    assert find_region(environment).name == DEFAULT


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/pm", "eu-west-1"),
        ("https://SQS.EU-WEST-1.amazonaws.com/123456789012/pm.fifo", "eu-west-1"),
        ("http://sqs.us-gov-west-1.amazonaws.com/1/pm", "us-gov-west-1"),
        ("https://sqs-fips.us-gov-east-1.amazonaws.com/1/pm", "us-gov-east-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/pm", "cn-north-1"),
        ("https://eu-west-1.queue.amazonaws.com/1/pm", "eu-west-1"),
        ("https://cn-north-1.queue.amazonaws.com.cn/1/pm", "cn-north-1"),
        ("https://queue.amazonaws.com/1/pm", "us-east-1"),
        ("https://vpce-0a1-xyz.sqs.eu-central-1.vpce.amazonaws.com/1/pm", "eu-central-1"),
        ("https://vpce-0a1-xyz-eu-west-1a.sqs.eu-central-1.vpce.amazonaws.com/1/pm", "eu-central-1"),
        ("http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000000/pm", "eu-west-1"),
        ("https://111122223333.ddb.ap-east-1.amazonaws.com", "ap-east-1"),
        ("arn:aws:dynamodb:eu-west-1:123456789012:table/state", "eu-west-1"),
        ("arn:aws-cn:elasticloadbalancing:cn-north-1:1:targetgroup/g/1", "cn-north-1"),
        ("arn:aws:s3:::bucket", ""),
        ("table", ""),
        ("", ""),
        ("http://127.0.0.1:4566/1/eu-west-1", ""),
        ("http://[::1]:4566/1/pm", ""),
        ("http://[/", ""),
        ("https://sqs.eu-west-1.amazonaws.com.example.org/1/pm", ""),
        ("https://sqs.example/1/pm", ""),
        ("https://sqs.eu-west-1.example.com/1/pm", ""),
    ],
)
def test_addresses_name_regions(address: str, region: str) -> None:
    assert region_in(address) == region


@pytest.mark.parametrize(
    ("url", "is_aws"),
    [
        ("https://sqs.eu-west-1.amazonaws.com", True),
        ("https://vpce-0a1-xyz.sqs.eu-central-1.vpce.amazonaws.com", True),
        ("https://sqs-fips.us-gov-east-1.amazonaws.com", True),
        ("https://queue.amazonaws.com", True),
        ("http://sqs.eu-west-1.localhost.localstack.cloud:4566", False),
        ("http://127.0.0.1:4566", False),
        ("http://emulator:5000", False),
        ("", False),
    ],
)
def test_an_emulator_is_told_from_aws(url: str, is_aws: bool) -> None:
    """`doctor` sends messages through every queue by itself only where that is nobody's production."""
    assert is_of_aws(url) is is_aws


def test_every_endpoint_that_the_sdk_makes_names_its_region() -> None:
    """In each partition, for SQS and DynamoDB, with FIPS and with dual stack."""
    session = botocore.session.Session()
    session.set_credentials("x", "x")
    found: dict[str, str] = {}
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("sqs", partition)[:2]:
            for fips, dual_stack in [(False, False), (True, False), (False, True)]:
                if dual_stack and "iso" in partition:
                    continue
                config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual_stack)
                for service in ("sqs", "dynamodb"):
                    client = session.create_client(service, region_name=region, config=config)
                    found[client.meta.endpoint_url] = region
    assert len(found) > 30
    assert {url: region_in(url) for url in found} == found


@pytest.mark.parametrize("name", ["eu-west-1", "local", "r2"])
def test_names_of_regions(name: str) -> None:
    assert contradictions({"AWS_REGION": name}) == []


@pytest.mark.parametrize("name", ["eu_west_1", "EU (Ireland)", "12", "-eu", "eu-", "eu-\nwest-1", "a" * 64])
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_other_words(name: str, variable: str) -> None:
    [(found, reason)] = contradictions({variable: name})
    assert (found, reason) == (variable, f"must be the name of a region; {variable} names {name!r}")
