"""Prepares what is measured: compiles the C programs, and installs the peers that are missing.

A peer that cannot be installed stays in the tables, with the reason.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
BUILD = BENCH / "build"
PEER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
INSTALL_TIMEOUT_S = 300.0

SOURCES = {
    "load": (
        "load/main.c",
        "load/wire.c",
        "load/protocols.c",
        "load/connections.c",
        "load/scenarios.c",
        "load/publishing.c",
    ),
    "limit": ("limit/limit.c", "limit/sha1.c"),
    "sink": ("sink/sink.c",),
}
DEBIAN_PACKAGES = {
    "nchan": ("nginx-light", "libnginx-mod-nchan"),
    "nats": ("nats-server",),
    "mosquitto": ("mosquitto",),
}


class Unavailable(Exception):
    """A program or a peer cannot be installed here. The text is the reason."""


def compile_programs() -> None:
    """Compile the load generator, the limit and the sink. Raises Unavailable."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unavailable("gcc is needed: apt-get install gcc libc6-dev")
    BUILD.mkdir(exist_ok=True)
    for name, sources in SOURCES.items():
        paths = [str(BENCH / source) for source in sources]
        _run([compiler, "-O2", "-std=c11", "-Wall", "-Wextra", "-o", str(BUILD / name), *paths])


def install_debian(peer: str) -> None:
    """Install a peer's Debian packages unless they are there. Its service is not started. Raises Unavailable."""
    if is_debian_peer_installed(peer):
        return
    packages = DEBIAN_PACKAGES[peer]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Unavailable(f"not installed, and it takes root on Debian: apt-get install {' '.join(packages)}")
    print(f"installing {' '.join(packages)} through apt", flush=True)
    environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    _run(["apt-get", "update", "-qq"], environment)
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], environment)


def is_debian_peer_installed(peer: str) -> bool:
    """True if a Debian peer can be started."""
    if peer == "nchan":
        return NCHAN_MODULE.exists() and program("nginx") is not None
    return program({"nats": "nats-server"}.get(peer, peer)) is not None


def program(name: str) -> str | None:
    """A daemon's path; Debian keeps them outside the path of ordinary users."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def install_node() -> None:
    """Install the Node peers. Raises Unavailable."""
    if all((BENCH / "node_modules" / name).exists() for name in ("ws", "socket.io", "redis")):
        return
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    print("installing bench/package-lock.json through npm", flush=True)
    _run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", str(BENCH)])


def install_python() -> None:
    """Install the Python peers in an environment of their own. Raises Unavailable."""
    requirements = ROOT / "requirements" / "bench.txt"
    stamp = ROOT / ".venv-bench" / ".installed"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return
    print("installing requirements/bench.txt into .venv-bench", flush=True)
    if not PEER_PYTHON.exists():
        _run([sys.executable, "-m", "venv", str(ROOT / ".venv-bench")])
    pip = [str(PEER_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    _run([*pip, "-r", str(requirements)])
    stamp.write_text(requirements.read_text())


def _run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    try:
        finished = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise Unavailable(f"{command[0]}: {fault}") from fault
    if finished.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {(finished.stderr or finished.stdout).strip()[-300:]}")
