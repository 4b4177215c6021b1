"""Records of connections, and the items of the table that they become."""

from typing import Any
from uuid import uuid4

from demo.resources import TABLE_NAME
from tests.support.clock import BEGIN
from websocket_handler.ports.state_store import ConnectionRecord


def record(connection_id: str, *projects: str, since: float = BEGIN) -> ConnectionRecord:
    return ConnectionRecord(connection_id, "node-1", BEGIN, dict.fromkeys(projects, since))


def new_id() -> str:
    return uuid4().hex


def items(dynamodb: Any, partition: str) -> dict[str, dict[str, Any]]:
    answer = dynamodb.query(
        TableName=TABLE_NAME,
        KeyConditionExpression="PK = :key",
        ExpressionAttributeValues={":key": {"S": partition}},
        ConsistentRead=True,
    )
    return {item["SK"]["S"]: item for item in answer["Items"]}
