"""The environment for an agent of one's own."""

from websocket_handler.cli.dev.welcome import Words, exports, welcome

ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "SQS_QUEUE_URL_DEV": "http://127.0.0.1:4566/0/dev",
    "PATH": "/bin",
}


def test_only_what_leads_to_the_queues_is_printed_and_what_overrules_it_is_unset() -> None:
    lines = exports(ENVIRONMENT).splitlines()
    assert lines[0] == "unset AWS_PROFILE AWS_SESSION_TOKEN"
    assert {line.partition("=")[0].removeprefix("export ") for line in lines[1:]} == set(ENVIRONMENT) - {"PATH"}


def test_a_table_and_a_way_past_a_proxy_are_printed_where_there_are_some() -> None:
    more = {"DYNAMODB_TABLE_NAME": "table", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "a b", "no_proxy": "a"}
    text = exports({**ENVIRONMENT, **more})
    assert "export DYNAMODB_TABLE_NAME=table" in text
    assert "export NO_PROXY='a b'" in text


def test_the_text_has_the_words_of_its_kind() -> None:
    text = welcome(Words("dev", "these queues", "dev --without dev"), 1.5, "h:1", [], ENVIRONMENT, "More.")
    for part in (
        "dev runs (started in 1.5 s)",
        "http://h:1/",
        "leads to these queues",
        "dev --without dev",
        "\nMore.\n",
    ):
        assert part in text
