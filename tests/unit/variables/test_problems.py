"""What is wrong with the settings, as lines for a person."""

import pytest

from websocket_handler.variables.problems import ConfigurationError, Problem


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("X", "is required"), "X: is required"),
        (Problem("X", "must be a number", "'a'"), "X: must be a number, not 'a'"),
        (Problem("X", "is no URL", "'a'"), "X: is no URL; it is 'a'"),
        (Problem("X", "must be a number", "'a'", "7"), "X: must be a number, not 'a'. Example: X=7"),
        (Problem("X", "is required", example="7"), "X: is required. Example: X=7"),
    ],
    ids=range(5),
)
def test_a_problem_is_one_sentence_with_what_may_be_shown_and_an_example(problem: Problem, line: str) -> None:
    assert str(problem) == line


def test_all_problems_are_told_at_once_one_on_each_line() -> None:
    problems = [Problem("B", "is required"), Problem("A", "must be on", "'x'", "on")]
    error = ConfigurationError(problems)
    assert error.problems == problems
    assert str(error) == "B: is required\nA: must be on, not 'x'. Example: A=on"
