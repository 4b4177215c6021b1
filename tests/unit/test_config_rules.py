"""The rules beyond the types of the settings, each asked with the few values that it joins."""

from typing import Any

import pytest

from websocket_handler.config_rules import OBJECT_BYTES_MAX, WRITE_MARGIN_BYTES, related_problems


def variables(**values: Any) -> dict[str, list[Any]]:
    """What is wrong, by variable: the reason, and the value that may have been meant."""
    return {variable: rest for variable, *rest in related_problems(values)}


def test_the_defaults_agree_with_each_other() -> None:
    assert variables() == {}


def test_an_outbox_takes_two_of_the_largest_messages_and_not_one_byte_less() -> None:
    least = 2 * (32_768 + WRITE_MARGIN_BYTES)
    assert variables(outbox_bytes=least, max_message_bytes=32_768) == {}
    too_small = variables(outbox_bytes=least - 1, max_message_bytes=32_768)
    assert too_small == {"OUTBOX_BYTES": [f"must be at least {least}, the size of two messages", str(least)]}


@pytest.mark.parametrize("store", OBJECT_BYTES_MAX)
def test_a_message_is_as_large_as_its_log_store_takes_and_not_one_byte_larger(store: str) -> None:
    most = OBJECT_BYTES_MAX[store]
    server = {"valkey_url": "redis://localhost"} if store == "valkey" else {}
    room = {"outbox_bytes": 4 * most, "log_store": store, **server}
    assert variables(max_message_bytes=most, **room) == {}
    assert variables(max_message_bytes=most + 1, **room)["MAX_MESSAGE_BYTES"][1] == str(most)


@pytest.mark.parametrize("name", ["publishes_per_second", "publish_bytes_per_second"])
def test_only_minus_one_stands_for_ten_times_the_rate_of_commands(name: str) -> None:
    for value in (-0.5, -0.001, -0.999):
        assert variables(**{name: value})[name.upper()][0] == "must be -1, or at least 0"
    for value in (-1.0, -0.0, 0.0, 0.5):
        assert variables(**{name: value}) == {}


@pytest.mark.parametrize("table", ["ab", "a b", "t" * 256, "arn:aws:dynamodb:eu-west-1:1:table/t"])
def test_a_table_is_a_name_or_an_arn(table: str) -> None:
    assert set(variables(dynamodb_table_name=table)) == {"DYNAMODB_TABLE_NAME"}
    assert variables(dynamodb_table_name="arn:aws:dynamodb:eu-west-1:123456789012:table/data") == {}


@pytest.mark.parametrize(
    "group",
    [
        "gateway",
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/gateway/1",
        "arn:aws:sqs:eu-west-1:123456789012:gateway",
    ],
)
def test_a_target_group_is_named_by_its_arn(group: str) -> None:
    told = variables(target_group_arn=group)
    assert told["TARGET_GROUP_ARN"][0] == "must be the ARN of a target group"
    assert variables(target_group_arn=told["TARGET_GROUP_ARN"][1]) == {}
    china = "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:targetgroup/agenticai-ws-prod/0123456789abcdef"
    assert variables(target_group_arn=china) == {}


def test_an_arn_in_place_of_a_queue_is_told_with_the_url_that_was_meant() -> None:
    told = variables(sqs_queue_url_qa="arn:aws:sqs:eu-west-1:123456789012:qa", aws_endpoint_url="localhost:4566")
    assert told["SQS_QUEUE_URL_QA"][1] == "https://sqs.eu-west-1.amazonaws.com/123456789012/qa"
    assert told["AWS_ENDPOINT_URL"][1] == "http://localhost:4566"


@pytest.mark.parametrize("name", ["allowed_origins", "jwt_secrets", "jwt_algorithms", "jwt_issuer"])
def test_a_list_has_more_than_commas(name: str) -> None:
    assert variables(**{name: " , ,"})[name.upper()][0] == "has no entry beside its commas"
    assert variables(**{name: ""}) == {}


def test_keys_are_looked_at_only_where_tokens_are_asked_for() -> None:
    assert variables(jwt_secrets="short") == {}
    assert set(variables(auth_mode="jwt", jwt_secrets="short")) == {"JWT_SECRETS"}


def test_a_problem_of_the_mode_comes_without_an_example_that_would_open_the_gateway() -> None:
    assert variables(auth_mode="jwt")["AUTH_MODE"][1] == ""
