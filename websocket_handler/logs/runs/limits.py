"""How much the fold of one project keeps. At each maximum there is a typed answer: a `Rule` or a `Reason`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FoldLimits:
    """The maxima of one fold. A fold that reaches one goes on with the next event."""

    open_runs: int = 16
    """Runs that have started and not ended."""
    open_things: int = 32
    """Messages, tool calls, reasoning, steps and subagents that are open at once in one run."""
    id_bytes: int = 256
    """Length of an id, of a step's name and of a tool's name."""
    messages: int = 1000
    message_bytes: int = 131_072
    """One message as JSON."""
    messages_bytes: int = 262_144
    """All messages as JSON. Where they exceed it, the oldest finished ones are dropped."""
    state_bytes: int = 65_536
    """The state as JSON."""
    patch_operations: int = 256
    """Operations of one JSON Patch."""
    interrupts: int = 64
    interrupts_bytes: int = 32_768
    """All open interrupts as JSON."""
    decisions: int = 64
    """Answers to interrupts that are remembered. The oldest ones are forgotten."""
    ended_runs: int = 16
    """Ended runs whose outcome is kept. The oldest ones are forgotten."""
    models: int = 16
    """Pairs of provider and model whose tokens are counted."""
