"""`python -m tests.unit.logs.runs --cases 100000`: checks the laws of runs on that many made-up stories."""

import argparse
import sys
from random import Random

from tests.unit.logs.runs import laws
from websocket_handler.logs.runs.vocabulary import Generation


def check(seed: int) -> None:
    """All laws on one story. Raises AssertionError."""
    random = Random(seed)
    draws, at = random.randbytes(random.choice((20, 60, 150, 300))), random.randrange(80)
    for is_valid in (True, False):
        laws.a_stored_fold_goes_on_as_if_it_had_not_been(draws, at, is_valid=is_valid, is_tight=random.random() < 0.5)
        laws.a_joiners_list_breaks_no_rule_and_folds_to_the_same(draws, is_valid=is_valid)
        laws.no_client_stops_wherever_it_joins(draws, at, random.choice(list(Generation)), is_valid=is_valid)
    laws.sizes_are_those_of_the_json_and_within_the_limits(draws)
    laws.a_joiner_ends_with_what_the_fold_of_the_log_has(draws, at)


def main() -> int:
    """Returns 1 at the first story that breaks a law, and prints its seed."""
    parser = argparse.ArgumentParser(prog="tests.unit.logs.runs", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    for seed in range(options.seed, options.seed + options.cases):
        try:
            check(seed)
        except AssertionError:
            sys.stderr.write(f"seed {seed} breaks a law\n")
            raise
    sys.stdout.write(f"{options.cases} stories keep all laws\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
