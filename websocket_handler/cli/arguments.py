"""Arguments that several commands have in common."""

import argparse
from collections.abc import Callable


def add_stack_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say in which account and region the stack is, and what its name is."""
    parser.add_argument("--stack-name", help="name of the stack (default: the one that has the environment)")
    parser.add_argument("--region", help="AWS region (default: that of AWS_REGION or the profile)")
    parser.add_argument("--profile", help="AWS profile (default: that of AWS_PROFILE)")


def positive(most: int, unit: str) -> Callable[[str], float]:
    """The type of an argument that is a number above 0, and at most `most` units."""

    def number(text: str) -> float:
        value = float(text)
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"must be more than 0 and at most {most} {unit}")
        return value

    return number
