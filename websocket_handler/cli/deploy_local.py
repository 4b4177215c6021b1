"""`python -m websocket_handler.cli.deploy_local`: the queues and the table of a system on one machine.

The command creates the queues and the table that the gateway's settings name, in the emulator at `AWS_ENDPOINT_URL`.
It does not change what exists.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from websocket_handler import config
from websocket_handler.cli import EXIT_FAILED, EXIT_USAGE
from websocket_handler.cli.aws import QUICK
from websocket_handler.cli.faults import explain
from websocket_handler.cli.run import run_command

RECEIVES_BEFORE_DEAD_LETTER: Final = 5


def create(environment: Mapping[str, str]) -> list[str]:
    """Create what is missing: the queues with their dead-letter queues, and the table. Returns one line for each
    queue and the table. Raises ConfigurationError, and botocore's errors."""
    from botocore.config import Config  # noqa: PLC0415 - the SDK loads only where it is used
    from botocore.session import Session  # noqa: PLC0415

    settings = config.from_environment(environment)
    if not settings.aws_endpoint_url:
        problem = config.Problem("AWS_ENDPOINT_URL", "is required: this command is for an emulator, never for AWS")
        raise config.ConfigurationError([problem])
    session = Session()
    patience = Config(
        connect_timeout=QUICK.connect_s, read_timeout=QUICK.read_s, retries={"total_max_attempts": QUICK.attempts}
    )
    where = {"region_name": settings.aws_region, "endpoint_url": settings.aws_endpoint_url, "config": patience}
    sqs, dynamodb = session.create_client("sqs", **where), session.create_client("dynamodb", **where)
    urls = [*settings.queue_urls.values(), settings.sqs_queue_url_updates]
    names = [url.rpartition("/")[2] for url in urls if url]
    for name in names:
        create_queue(sqs, name)
    create_table(dynamodb, settings.dynamodb_table_name)
    return [*(f"queue {name}" for name in names), f"table {settings.dynamodb_table_name}"]


def create_queue(sqs: Any, name: str) -> str:
    """Create a queue and its dead-letter queue where they are missing. A name that ends in `.fifo` makes both of them
    FIFO queues. Returns the queue's URL. Raises botocore's errors."""
    base, dot, fifo = name.partition(".fifo")
    attributes = {"FifoQueue": "true"} if dot else {}
    dead = sqs.create_queue(QueueName=f"{base}-dead-letters{dot}{fifo}", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES_BEFORE_DEAD_LETTER})
    url: str = sqs.create_queue(QueueName=name, Attributes={**attributes, "RedrivePolicy": redrive})["QueueUrl"]
    return url


def create_table(dynamodb: Any, name: str) -> None:
    """Create the table, with its keys and its expiry, where it is missing. Raises botocore's errors."""
    keys = {"PK": "HASH", "SK": "RANGE"}
    try:
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[{"AttributeName": key, "KeyType": role} for key, role in keys.items()],
        )
    except dynamodb.exceptions.ResourceInUseException:
        return
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})


def main() -> int:
    """Run the command. Returns the exit code: 1 when the emulator refuses, 2 when the settings cannot be used."""
    try:
        lines = create(os.environ)
    except config.ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except (ModuleNotFoundError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - an answer that cannot be read raises anything
        sys.stderr.write(f"emulator: {explain(error)}\n")
        return EXIT_FAILED
    sys.stdout.write("".join(f"ready: {line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
