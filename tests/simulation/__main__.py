"""`python -m tests.simulation --seeds 1000` runs schedules; `--seed N --trace` runs one of them again and prints all
that happens."""

import sys

from tests.simulation.command import Simulation, run_command
from tests.simulation.planted import PLANTS
from tests.simulation.world import run_seed

ONE_NODE = Simulation("python -m tests.simulation", run_seed, PLANTS)

if __name__ == "__main__":
    sys.exit(run_command(ONE_NODE, __doc__))
