"""PURE: what is wrong with the settings. All of it is reported at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one variable. `value` is the part of its value that may be shown; `example` is an allowed
    value."""

    variable: str
    reason: str
    value: str = ""
    example: str = ""

    def __str__(self) -> str:
        joined = ", not" if self.reason.startswith("must") else "; it is"
        found = f"{joined} {self.value}" if self.value else ""
        example = f". Example: {self.variable}={self.example}" if self.example else ""
        return f"{self.variable}: {self.reason}{found}{example}"


class ConfigurationError(Exception):
    """The settings cannot be used. `problems` has one entry per variable, and the text has one line for each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
