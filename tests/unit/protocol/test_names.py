"""Names that cross the wire."""

import pytest

from tests.support.spec_files import vectors
from websocket_handler.protocol.names import Agent, agent_named


def test_every_agent_answers_to_its_own_name() -> None:
    assert {agent_named(agent.value) for agent in Agent} == set(Agent)


def test_every_agent_name_of_the_vectors_in_any_case() -> None:
    seen = set()
    for vector in vectors("commands-valid"):
        if "agent" in vector["parsed"]:
            name = vector["parsed"]["type"]
            seen.add(name.lower())
            for form in (name, name.upper(), name.lower(), name.title()):
                found = agent_named(form)
                assert found is not None
                assert found.value == vector["parsed"]["agent"]
    assert len(seen) == 12


@pytest.mark.parametrize("name", ["", "pmx", "pm ", " pm", "PM\n", "\u212am", "developer", "pm\0"])
def test_other_names_are_no_agents(name: str) -> None:
    assert agent_named(name) is None
