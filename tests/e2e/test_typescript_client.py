"""The TypeScript client: its own tests, run by node's test runner."""

import subprocess

from tests.support.gateway import REPOSITORY
from tests.support.patience import PATIENCE_S

CLIENT = REPOSITORY / "clients" / "typescript"


def test_types_and_tests_of_the_client() -> None:
    for script in ("types", "test"):
        done = subprocess.run(
            ["npm", "run", "--silent", script],
            cwd=CLIENT,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
