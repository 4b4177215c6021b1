"""Arguments that several commands have in common."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from websocket_handler.cli.grammar import Number

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def stack_options(command: Decorated) -> Decorated:
    """The options that say in which account and region the stack is, and what its name is."""
    for name, metavar, text in (
        ("--profile", "PROFILE", "AWS profile (default: that of AWS_PROFILE)"),
        ("--region", "REGION", "AWS region (default: that of AWS_REGION or the profile)"),
        ("--stack-name", "NAME", "name of the stack (default: the one that has the environment)"),
    ):
        command = click.option(name, metavar=metavar, help=text)(command)
    return command


class Positive(Number):
    """A number above 0, and at most `most` units."""

    def __init__(self, most: float, unit: str) -> None:
        super().__init__(float)
        self._most = most
        self._unit = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not 0 < number <= self._most:
            self.fail(f"must be more than 0 and at most {self._most} {self._unit}", param, ctx)
        return number
