"""The engine knows nothing of AWS: not even its words stand outside the adapters and what puts a node together."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.house.files import PACKAGE, ROOT, relative

FOLDERS: Final = ("protocol", "hub", "ports", "logs", "delivery", "access", "telemetry", "net", "api")
FILES: Final = ("server.py", "assembly.py", "background.py", "life.py")
FREE: Final = (*FOLDERS, *FILES)
"""Folders and files of the package that have to do without."""
WORDS: Final = re.compile(
    r"(?<![a-z])(aws|amazon|arn|boto|botocore|aiobotocore|sqs|fifo|dynamo|dynamodb|ecs|fargate|alb|elb|elbv2|iam"
    r"|cloud.?watch|emf|s3|sns|event.?bridge|lambda function|visibility|redrive|dead.letter)(?![a-z])",
    re.IGNORECASE,
)
ALLOWED: Final = {
    ("websocket_handler/server.py", "sqs"): "`forward_to_sqs` is a method of the original service, which others call",
    ("websocket_handler/api/application.py", "redrive"): "a path, with the word that operators know",
    ("websocket_handler/api/queues.py", "redrive"): "the same path",
    ("websocket_handler/protocol/update.py", "sns"): "a form that an update comes in, as spec/protocol.md has it",
    ("websocket_handler/protocol/update.py", "arn"): "a field of that form",
    ("websocket_handler/protocol/update.py", "event bridge"): "another such form",
}


def words(path: Path) -> Iterator[str]:
    """The words of AWS in a file: in names, texts and comments. Capitals within a name begin a word."""
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", path.read_text())
    yield from (match[1].lower() for match in WORDS.finditer(text))


def test_no_word_of_aws_stands_in_the_engine() -> None:
    free = [ROOT / "websocket_handler" / name for name in FREE]
    assert all(place.exists() for place in free)
    paths = [path for path in PACKAGE if any(path.is_relative_to(place) for place in free)]
    found = {(relative(path), word) for path in paths for word in words(path)}
    assert found - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found == set(), "an exception that nobody needs"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class SqsForwarder:", ["sqs"]),
        ("forward_to_sqs(task)", ["sqs"]),
        ("# an ALB's idle timeout", ["alb"]),
        ("QueueArn = CloudWatch", ["arn", "cloud watch"]),
        ("album, learn, warned, specs", []),
    ],
)
def test_the_words_are_found_where_they_stand(text: str, found: list[str], tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    assert list(words(path)) == found
