"""The image, built and run for real without a container engine's daemon: buildah, podman and runc, as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.infra.account import REPOSITORY

CONTEXT: Final = REPOSITORY / "websocket_handler"
BASE: Final = "docker.io/library/python:3.11-slim"
IMAGE: Final = "localhost/websocket-handler:image-test"
MEMORY_BYTES: Final = 512 * 1024 * 1024
LIMITS: Final = (
    "--memory", "512m", "--memory-swap", "512m", "--cpus", "0.25", "--read-only", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096",
    "--init", "--stop-timeout", "60",
)  # fmt: skip


def reason_not_to() -> str:
    """Why this machine cannot run the image; empty when it can."""
    if os.geteuid() != 0:
        return "building and running an image with limits needs root here"
    absent = [tool for tool in ("buildah", "podman", "runc") if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if subprocess.run(["podman", "image", "exists", BASE], check=False, capture_output=True).returncode:
        return f"the base image {BASE} is not in the local store: podman pull {BASE}"
    return ""


def podman(*arguments: str, timeout_s: float = 120) -> str:
    """Run podman; its output. Raises CalledProcessError."""
    command = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout_s)
    return done.stdout.strip()


def build() -> float:
    """Build the image from nothing; how long it took, in seconds."""
    started_at = time.monotonic()
    subprocess.run(
        ["buildah", "bud", "--format", "docker", "--isolation", "chroot", "--pull=never", "--no-cache",
         "--build-arg", "VERSION=image-test", "--tag", IMAGE, str(CONTEXT)],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    return time.monotonic() - started_at


@dataclass(frozen=True)
class Memory:
    """Bytes: of the processes, and all that counts against the limit and cannot be taken back at once (sockets)."""

    processes: int
    charged: int

    def __str__(self) -> str:
        return f"{self.processes / 1e6:.0f} MB of processes, {self.charged / 1e6:.0f} MB in all"


class Container:
    """A running container, as the kernel sees it."""

    def __init__(self, container_id: str) -> None:
        self.container_id = container_id

    def inspect(self, template: str) -> str:
        """A fact that the engine knows."""
        return podman("inspect", "--format", template, self.container_id)

    def control_group(self, controller: str) -> Path:
        """The folder of the container's control group."""
        process = self.inspect("{{.State.Pid}}")
        for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
            _number, names, path = line.split(":", 2)
            if controller in names.split(",") or not names:
                folder = Path("/sys/fs/cgroup") / (controller if names else "") / path.lstrip("/")
                if names or not Path("/sys/fs/cgroup", controller).exists():
                    return folder
        raise LookupError(f"no control group for {controller}")

    def memory(self) -> Memory:
        """What the container uses now."""
        folder = self.control_group("memory")
        text = (folder / "memory.stat").read_text()
        stat = {name: int(value) for name, value in (line.split() for line in text.splitlines())}
        is_first = "total_rss" in stat  # the first version of control groups
        usage = int((folder / ("memory.usage_in_bytes" if is_first else "memory.current")).read_text())
        cache = stat["total_inactive_file"] if is_first else stat["inactive_file"]
        return Memory(stat["total_rss"] if is_first else stat["anon"], usage - cache)

    def limits(self) -> Mapping[str, Any]:
        """Memory in bytes and processor share as the kernel enforces them."""
        memory, processor = self.control_group("memory"), self.control_group("cpu")
        if (memory / "memory.limit_in_bytes").exists():
            quota = int((processor / "cpu.cfs_quota_us").read_text()) / int(
                (processor / "cpu.cfs_period_us").read_text()
            )
            return {"memory": int((memory / "memory.limit_in_bytes").read_text()), "processor": quota}
        quota_us, period_us = (processor / "cpu.max").read_text().split()
        return {"memory": int((memory / "memory.max").read_text()), "processor": int(quota_us) / int(period_us)}


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[Container]:
    """The image with a Fargate task's limits, on this machine's network; removed at the end."""
    variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    container = Container(podman("run", "--detach", "--network", "host", *LIMITS, *variables, IMAGE))
    try:
        yield container
    finally:
        podman("rm", "--force", container.container_id)
