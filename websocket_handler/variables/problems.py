"""PURE: what is wrong with the settings, told all at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one variable. `value` is what may be shown of it; `example` is a value that is allowed."""

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
    """The settings cannot be used; `problems` has one entry per variable, the text one line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
