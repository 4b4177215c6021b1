"""The AWS calls that the adapters make, as their source says."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from botocore import xform_name
from botocore.session import Session

from tests.infra.account import REPOSITORY

ADAPTERS = REPOSITORY / "websocket_handler" / "adapters" / "aws"


IAM_NAMES = {"elbv2": "elasticloadbalancing"}
"""Services whose rights have another name than their client."""


@cache
def operations() -> dict[str, str]:
    """Every operation of the gateway's services: `service.method` to `service:Operation`, as IAM names it."""
    session = Session()
    return {
        f"{service}.{xform_name(operation)}": f"{IAM_NAMES.get(service, service)}:{operation}"
        for service in ("sqs", "dynamodb", "elbv2")
        for operation in session.get_service_model(service).operation_names
    }


def right_for(operation: str) -> str:
    """The right that an operation needs: SQS batch calls share that of the single call."""
    return operation.removesuffix("Batch") if operation.startswith("sqs:") else operation


def calls_in_source() -> dict[str, str]:
    """The operations that the adapters name: `service.method` to `service:Operation`."""
    texts = {text for path in ADAPTERS.glob("*.py") for text in texts_in(path)}
    return {name: operation for name, operation in operations().items() if name.partition(".")[2] in texts}


def texts_in(path: Path) -> set[str]:
    """The text constants of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
