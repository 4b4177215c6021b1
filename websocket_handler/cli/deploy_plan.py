"""One deployment, decided but not begun."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What is deployed where. `has_build`: the image `tag` has to be built first."""

    environment: str
    tag: str
    commit: str
    now: datetime
    has_build: bool
