"""Made-up runs for the AI SDK: it stops in none of our streams, and shows the same however they come."""

from tests.agui.ai_stories import ai_cases_of, problems, show

SEEDS = range(150)


def test_the_ai_sdk_stops_nowhere_and_shows_the_same_wherever_a_client_comes_from() -> None:
    cases = [case for seed in SEEDS for case in ai_cases_of(seed)]
    assert problems(cases, show(cases)) == []
    assert sum(case.is_exact for case in cases) > len(SEEDS)
