"""The compose file, brought up for real: `docker-compose` talks to podman's socket, as it would to Docker's.

Two things of Docker are played here. Networks are netavark's, because they resolve the services' names. And nothing
but systemd would run health checks by their interval, so a thread asks for them; each check itself is the file's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.infra import container as containers
from tests.infra.account import REPOSITORY

SERVICE: Final = REPOSITORY / "websocket_handler"
EMULATOR: Final = "docker.io/motoserver/moto:5.2.5"
EMULATOR_STAND_IN: Final = "localhost/moto:image-test"
PROGRAMS: Final = Path("/usr/lib/podman")
START_TIMEOUT_S: Final = 300
CHECK_INTERVAL_S: Final = 1.0
CONFIGURATION: Final = f"""
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
helper_binaries_dir = ["{PROGRAMS}", "/usr/libexec/podman"]
[network]
network_backend = "netavark"
"""
STAND_IN: Final = f"""
FROM {containers.BASE}
RUN pip install --no-cache-dir --root-user-action=ignore 'moto[server,sqs,dynamodb]==5.2.5'
ENTRYPOINT ["moto_server", "-H", "0.0.0.0"]
"""


def reason_not_to() -> str:
    """Why this machine cannot bring it up; empty when it can."""
    if reason := containers.reason_not_to():
        return reason
    absent = [str(PROGRAMS / name) for name in ("netavark", "aardvark-dns") if not (PROGRAMS / name).exists()]
    absent += [] if shutil.which("docker-compose") else ["docker-compose"]
    return f"not installed: {', '.join(absent)}" if absent else ""


def emulator_image() -> str:
    """Moto's own image where it is at hand; else the same release of Moto on the base that the gateway has."""
    if not subprocess.run(["podman", "image", "exists", EMULATOR], check=False).returncode:
        return EMULATOR
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(STAND_IN, encoding="utf-8")
        subprocess.run(
            ["buildah", "bud", "--format", "docker", "--isolation", "chroot", "--pull=never",
             "--tag", EMULATOR_STAND_IN, folder],
            check=True, capture_output=True, timeout=600,
        )  # fmt: skip
    return EMULATOR_STAND_IN


class LocalSystem:
    """A project of `docker-compose`. `port` is where the gateway is published on this machine."""

    def __init__(self, folder: Path, name: str, port: int) -> None:
        self.name = name
        self.port = port
        configuration, self._socket = folder / "containers.conf", folder / "podman.socket"
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(configuration),
            "DOCKER_HOST": f"unix://{self._socket}",
            "EMULATOR_IMAGE": emulator_image(),
            "WEBSOCKET_PORT": str(port),
        }
        self._over = threading.Event()

    def compose(self, *arguments: str) -> str:
        """Run `docker-compose` as the documentation does; what it printed."""
        return self._run("docker-compose", "--project-name", self.name, *arguments)

    def podman(self, *arguments: str) -> str:
        """Ask the engine."""
        return self._run("podman", *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=SERVICE, env=self._environment, capture_output=True, text=True, timeout=START_TIMEOUT_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self.podman("ps", "--all", "--quiet", "--filter", f"name={self.name}_{service}_1")

    def state(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service."""
        state: dict[str, Any] = json.loads(
            self.podman("inspect", "--format", "{{json .State}}", self.container(service))
        )
        return state

    def python(self, service: str, code: str) -> str:
        """Run code in a service's container; what it printed."""
        return self.podman("exec", self.container(service), "python", "-c", code)

    @contextmanager
    def engine(self) -> Iterator[None]:
        """Podman's socket, and the health checks by their clock."""
        command = ["podman", "system", "service", "--time=0", f"unix://{self._socket}"]
        engine = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        checks = threading.Thread(target=self._check_health)
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not self._socket.exists():
                assert engine.poll() is None, "podman's service ended"
                assert time.monotonic() < deadline, "podman's service did not start"
                time.sleep(0.05)
            checks.start()
            yield
        finally:
            self._over.set()
            if checks.is_alive():
                checks.join()
            engine.terminate()
            engine.wait(30)

    def _check_health(self) -> None:
        """A check that fails is its own business: the engine counts it."""
        label = f"label=com.docker.compose.project={self.name}"
        while not self._over.wait(CHECK_INTERVAL_S):
            for container in self.podman("ps", "--quiet", "--filter", label).split():
                subprocess.run(
                    ["podman", "healthcheck", "run", container],
                    env=self._environment, capture_output=True, check=False, timeout=60,
                )  # fmt: skip
