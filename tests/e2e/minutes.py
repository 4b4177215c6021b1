"""How long a newcomer waits: `make first-minutes`, or `python -m tests.e2e.minutes`. It prints seconds.

Three ways in: a wheel and two commands until an update is seen in the console; a clone and `make run` until it says
that it runs; the tutorial's agent until the project has its result. Nothing is there before: no packages, no cache of
pip, an empty home.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.e2e.browser import running_browser
from tests.support.documents import ROOT
from tests.support.newcomers_shell import bare_environment
from tests.support.proxies import free_port

TIMEOUT_S: Final = 900.0
LIMITS_S: Final = {"wheel to live update": 60.0, "clone to make run": 120.0, "agent of one's own": 300.0}
SHOWN: Final = "document.querySelectorAll('[data-offset]').length > 0"


def run(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What a command prints. Raises CalledProcessError."""
    return subprocess.check_output(
        ["bash", "-c", command], cwd=folder, env=dict(environment), text=True, timeout=TIMEOUT_S
    )


@contextmanager
def serving(command: str, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """A command that serves, for the length of a `with` block: what it has printed when it runs."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C goes to everything that it started
    ) as process:
        try:
            assert process.stdout is not None
            told = ""
            while "To let yours work as dev" not in told:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"{command} ended: {told}")
                told += line
            yield told
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=TIMEOUT_S)


async def seen_in_console(address: str, forward: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Open the console, send a task, and wait until an update of it is on the page."""
    async with running_browser() as browser:
        page = await browser.new_page()
        await page.go_to(f"http://{address}/?project_id=proj_123")
        await page.until("document.querySelector('#state')?.dataset.state === 'live'")
        await asyncio.to_thread(run, forward, folder, environment)
        await page.until(SHOWN)


def wheel_to_update(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, float]]:
    """`pip install` and `websocket-handler dev`. The wheel is built before, and the browser is there."""
    run(f'"{sys.executable}" -m pip wheel -q --no-deps -w "{folder}/wheel" "{ROOT}"', folder, environment)
    run(f'"{sys.executable}" -m venv venv', folder, environment)
    began = time.monotonic()
    run("venv/bin/pip install -q --disable-pip-version-check wheel/*.whl", folder, environment)
    yield "pip install", time.monotonic() - began
    with serving("venv/bin/websocket-handler dev", folder, environment) as told:
        yield "dev runs", time.monotonic() - began
        address = re.findall(r"^Open +http://(\S+)/$", told, re.MULTILINE)[0]
        forward = f'venv/bin/websocket-handler forward pm \'{{"text":"x"}}\' --project proj_123 --url ws://{address}/ws'
        asyncio.run(seen_in_console(address, forward, folder, environment))
        yield "wheel to live update", time.monotonic() - began


def clone_to_run(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, float]]:
    """`git clone`, then the README's `make run`; then the tutorial's agent."""
    clone = folder / "clone"
    began = time.monotonic()
    run(f'git clone -q "{ROOT}" clone', folder, environment)
    with serving("make run", clone, environment):
        yield "clone to make run", time.monotonic() - began
    began = time.monotonic()
    run(".venv/bin/python -m pip install -q --disable-pip-version-check clients/python", clone, environment)
    own_agent(clone, environment)
    yield "agent of one's own", time.monotonic() - began


def own_agent(clone: Path, environment: dict[str, str]) -> None:
    """The tutorial's agent takes the task of the tutorial's program. Raises AssertionError unless a result comes."""
    with serving('make run ARGS="--without dev"', clone, environment) as told:
        exports = "\n".join(line for line in told.splitlines() if line.startswith(("export ", "unset ")))
        address = re.findall(r"^Open +http://(\S+)/$", told, re.MULTILINE)[0]
        agent = f"{exports}\nexec .venv/bin/python clients/python/examples/agent.py"
        with subprocess.Popen(["bash", "-c", agent], cwd=clone, env=environment) as working:
            try:
                follow = (
                    f'WEBSOCKET_HANDLER_WS_URL="ws://{address}/ws" .venv/bin/python clients/python/examples/follow.py'
                )
                assert "dev_result" in run(follow, clone, environment)
            finally:
                working.send_signal(signal.SIGTERM)


def main() -> int:
    """Print the seconds. Returns 1 if one is over its limit."""
    over = []
    for way in (wheel_to_update, clone_to_run):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            environment = {
                **bare_environment(folder),
                "PIP_CACHE_DIR": f"{name}/cache",
                "WEBSOCKET_PORT": str(free_port()),
            }
            for what, seconds in way(folder, environment):
                limit = LIMITS_S.get(what)
                sys.stdout.write(f"{what}: {seconds:.1f} s" + (f" (at most {limit:g})\n" if limit else "\n"))
                sys.stdout.flush()
                if limit is not None and seconds > limit:
                    over.append(what)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
