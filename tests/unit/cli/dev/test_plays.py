"""What demo agents say."""

from random import Random

import pytest

from websocket_handler.cli.dev.plays import NEXT_AGENT, SUBJECT_CHARACTERS_MAX, play, subject_of


@pytest.mark.parametrize("agent", ["pm", "dev", "qa", "ops"])
def test_the_same_task_gets_the_same_updates_and_the_first_one_accepts_it(agent: str) -> None:
    updates = play(agent, {"text": "Build it"}, Random(7))
    assert updates == play(agent, {"text": "Build it"}, Random(7))
    assert (updates[0].type, updates[0].text) == (f"{agent}_accepted", "Accepted: Build it")
    assert len({update.type for update in updates}) > 2
    assert NEXT_AGENT.get(agent) != agent


def test_a_task_without_a_text_is_about_its_json_and_a_long_one_is_cut() -> None:
    assert subject_of({"n": [1]}) == '{"n": [1]}'
    assert subject_of(" two\n lines ") == "two lines"
    assert len(subject_of("x" * 1000)) == SUBJECT_CHARACTERS_MAX
