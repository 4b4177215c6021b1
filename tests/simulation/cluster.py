"""`python -m tests.simulation.cluster --seeds 1000` runs schedules of three nodes over a model of Valkey; `--seed N
--trace` runs one of them again and prints all that happens."""

import sys

from tests.simulation.cluster_world import run_cluster_seed
from tests.simulation.command import Simulation, run_command
from tests.simulation.planted_cluster import PLANTS

CLUSTER = Simulation("python -m tests.simulation.cluster", run_cluster_seed, PLANTS)

if __name__ == "__main__":
    sys.exit(run_command(CLUSTER, __doc__))
