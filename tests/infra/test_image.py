"""The image, built and run with the limits of the smallest task."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from supply_chain.lock import normalised
from tests.infra import container as containers
from tests.infra.account import REPOSITORY, Account
from tests.infra.container import Container, Memory, podman
from tests.infra.deployed import Deployed
from tests.support.tokens import SECRET, token

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(containers.reason_not_to()), reason=containers.reason_not_to() or "can run"),
]
CONNECTIONS = 1000
CONNECTS_AT_ONCE = 50
START_TIMEOUT_S = 120.0
BASE_PART_MB = 80
"""What the image may add to its base."""


@pytest.fixture(scope="module")
def build_s() -> float:
    """Builds the image once; how long that took."""
    return containers.build()


@dataclass
class Served:
    """A running container and where it answers."""

    container: Container
    port: int

    def get(self, path: str) -> tuple[int, bytes]:
        """A GET's status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def served(account: Account, build_s: float) -> Iterator[Served]:
    """The container with the environment and the secret of a deployed task, ready."""
    deployed = Deployed(account, "image", ImageTag="abc-1", Alarms="false")
    (definition,) = deployed.task_definition()["containerDefinitions"]
    task = {item["name"]: item["value"] for item in definition["environment"]}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    credentials = {name: value for name, value in account.environment.items() if name.startswith("AWS_")}
    local = {"WEBSOCKET_HOST": "127.0.0.1", "WEBSOCKET_PORT": str(port), "DRAIN_SECONDS": "5"}
    environment = {**credentials, **task, **local, "TARGET_GROUP_ARN": "", "JWT_SECRETS": SECRET}
    environment = {name: value for name, value in environment.items() if value}
    with containers.running(environment) as container:
        made = Served(container, port)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            assert time.monotonic() < deadline, podman("logs", container.container_id)
            try:
                if made.get("/ready")[0] == 200:
                    break
            except OSError:
                assert container.inspect("{{.State.Running}}") == "true", podman("logs", container.container_id)
            time.sleep(0.1)
        yield made


def test_the_image_is_small_and_says_what_it_is(build_s: float) -> None:
    """Labels, user, command and health check; little more than its base."""
    (image,) = json.loads(podman("image", "inspect", containers.IMAGE))
    (base,) = json.loads(podman("image", "inspect", containers.BASE))
    added_mb = (image["Size"] - base["Size"]) / 1e6
    print(f"\nimage {image['Size'] / 1e6:.0f} MB, {added_mb:.0f} MB over its base, built in {build_s:.1f} s")  # noqa: T201
    assert added_mb < BASE_PART_MB
    settings = image["Config"]
    assert settings["User"] == "10001:10001"
    assert settings["Cmd"] == ["python", "-m", "websocket_handler", "serve"]
    assert image["Healthcheck"]["Test"][:2] == ["CMD", "python"], "no shell is needed"
    assert settings["Labels"]["org.opencontainers.image.version"] == "image-test"
    assert settings["Labels"]["org.opencontainers.image.licenses"] == "MIT"


def test_nothing_but_the_gateway_is_in_the_image(build_s: float) -> None:
    """No scripts of deployment, no emulator, no tests, no build tools' leftovers."""
    listing = podman(
        "run", "--rm", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096", "--network", "none",
        containers.IMAGE, "python", "-c",
        "import os; print('\\n'.join(os.path.join(d, f) for r in ('/app', '/opt/packages') for d, _, fs in os.walk(r) "
        "for f in fs))",
    )  # fmt: skip
    files = listing.splitlines()
    assert "/app/websocket_handler/__main__.py" in files
    assert not [
        name for name in files if name.endswith(("deploy.sh", "deploy.ps1", "Dockerfile", "docker-compose.yml"))
    ]
    assert not [name for name in files if name.startswith(("/opt/packages/moto/", "/opt/packages/boto3/"))]
    assert not [name for name in files if "/tests/" in name]


def test_the_image_says_what_it_is_made_of(build_s: float, tmp_path: Path) -> None:
    """Its bill of materials, where the label says, is valid, is the lock, and is what lies in the image."""
    (image,) = json.loads(podman("image", "inspect", containers.IMAGE))
    path = image["Config"]["Labels"]["websocket-handler.sbom"]
    look = (
        "import importlib.metadata as m, json, pathlib, sys;"
        "print(json.dumps({'bill': pathlib.Path(sys.argv[1]).read_text(),"
        "'packages': [[d.metadata['Name'], d.version] for d in m.distributions(path=['/opt/packages'])],"
        "'tools': [str(p) for p in pathlib.Path('/').glob('[ao]p[pt]/**/sbom*.py')]}))"
    )
    limits = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096", "--network", "none")
    found = json.loads(podman("run", "--rm", *limits, containers.IMAGE, "python", "-c", look, path))
    bill = json.loads(found["bill"])
    assert bill["metadata"]["component"]["version"] == "image-test"
    assert [(part["name"], part["version"]) for part in bill["components"]] == sorted(
        (normalised(name), version) for name, version in found["packages"]
    )
    assert found["tools"] == []
    (tmp_path / "sbom.cdx.json").write_text(found["bill"])
    checked = subprocess.run(
        [REPOSITORY / ".venv-sbom/bin/python", "-m", "supply_chain.check_sbom", tmp_path / "sbom.cdx.json",
         containers.CONTEXT / "requirements.txt"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_container_runs_within_the_limits_of_its_task(served: Served) -> None:
    """Not root, no rights, nothing writable, a quarter of a processor and 512 MB: as the kernel sees it."""
    limits = served.container.limits()
    assert limits == {"memory": containers.MEMORY_BYTES, "processor": 0.25}
    process = served.container.inspect("{{.State.Pid}}")
    with open(f"/proc/{process}/status", encoding="utf-8") as status:
        facts = dict(line.rstrip().split(":\t", 1) for line in status if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4
    assert int(facts["CapEff"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    with pytest.raises(subprocess.CalledProcessError):
        podman("exec", served.container.container_id, "python", "-c", "open('/app/x', 'w')")


def test_the_health_check_passes_while_the_port_answers(served: Served) -> None:
    kind, *command = json.loads(served.container.inspect("{{json .Config.Healthcheck.Test}}"))
    assert kind == "CMD"
    podman("exec", "--env", f"WEBSOCKET_PORT={served.port}", served.container.container_id, *command)


def test_a_thousand_connections_fit(served: Served) -> None:
    """All of them are served, and the memory stays far below the limit."""
    at_rest = served.container.memory()
    loaded = asyncio.run(_with_connections(served))
    each = (loaded.charged - at_rest.charged) / CONNECTIONS / 1000
    print(f"\nmemory at rest {at_rest}; with {CONNECTIONS} connections {loaded}; {each:.1f} kB each")  # noqa: T201
    assert loaded.charged < containers.MEMORY_BYTES / 2


async def _with_connections(served: Served) -> Memory:
    """Open them all on one project, publish once to each, and look at the memory."""
    url = f"ws://127.0.0.1:{served.port}/ws?project_id=image"
    bearer = {"Authorization": f"Bearer {token(iss=None, aud=None, projects=['image'])}"}
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)
    clients = []

    async def open_one() -> None:
        async with gate:
            client = await connect(
                url, open_timeout=120, compression=None, ping_interval=None, additional_headers=bearer
            )
            clients.append(client)
            while json.loads(await client.recv())["type"] != "subscription_confirmed":
                continue

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(open_one())
        publication = {"action": "publish", "project_id": "image", "message": {"type": "hello"}}
        await clients[0].send(json.dumps(publication))
        for client in clients:
            while json.loads(await client.recv())["type"] != "hello":
                continue
        return await asyncio.to_thread(served.container.memory)
    finally:
        for client in clients:
            client.transport.abort()


def test_sigterm_ends_the_container_cleanly(served: Served) -> None:
    """The last test of this container: told to stop, it drains and ends with code 0."""
    podman("stop", served.container.container_id)
    assert served.container.inspect("{{.State.ExitCode}}") == "0"
    assert "node.stopped" in podman("logs", served.container.container_id)
