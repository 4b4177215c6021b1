"""The wheel: one for every Python from 3.11 on, with the compiled loop in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.patience import PATIENCE_S

ROOT: Final = Path(__file__).resolve().parents[2]
VERSIONS: Final = ("python3.11", "python3.12", "python3.13", "python3.14")
LOADED: Final = """
import socket
from array import array
from websocket_handler.net import _send
ours, theirs = socket.socketpair()
assert _send.send_to_all(array("i", [ours.fileno()]), b"hello", array("i", [0, 0])) == 0
assert theirs.recv(9) == b"hello"
print(_send.__file__)
"""
"""Loads the compiled loop, and sends through it. No other module of the gateway is needed for that."""

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here: the loop is not built")


def run(*command: str | Path, **environment: str) -> str:
    """What a command prints. It has to succeed."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a fresh copy: what an earlier build left behind is not in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    built = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "websocket_handler", source / "websocket_handler", ignore=built)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, source)
    (made,) = folder.glob("*.whl")
    return made


@needs_compiler
def test_the_wheel_is_for_this_and_every_later_python(wheel: Path) -> None:
    """Its name and its own record say so, and its only binary is built against the stable ABI."""
    assert wheel.name.split("-")[2:4] == ["cp311", "abi3"]
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        (record,) = (content.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL"))
    assert "Tag: cp311-abi3-" in record
    assert [name for name in names if name.endswith(".so")] == ["websocket_handler/net/_send.abi3.so"]


def installed(wheel: Path, folder: Path) -> dict[str, str]:
    """Unpack the wheel into a folder. Returns the environment of a Python that finds it there, first."""
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder)
    run(sys.executable, "-m", "pip", "install", *options, wheel)
    return {"PATH": os.defpath, "PYTHONPATH": str(folder), "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}


def sqs(url: str, operation: str, **given: object) -> dict[str, Any]:
    """What an agent gets of SQS, as every SDK asks for it."""
    headers = {"X-Amz-Target": f"AmazonSQS.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    request = urllib.request.Request(url, json.dumps(given).encode(), headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
        return found


def test_dev_runs_from_the_wheel_alone_with_an_agent_of_ones_own(wheel: Path, tmp_path: Path) -> None:
    """A task reaches the agent through SQS, and its update a client over a WebSocket: that of `tail`."""
    environment = {**installed(wheel, tmp_path), "WEBSOCKET_PORT": "0"}
    program = (sys.executable, "-m", "websocket_handler")
    command = [*program, "dev", "--without", "dev"]
    with subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, text=True) as dev:
        try:
            assert dev.stdout is not None
            told = ""
            while "To let yours work as dev" not in told:
                line = dev.stdout.readline()
                assert line, told
                told += line
            exported = dict(re.findall(r"^export (\w+)=(.*)$", told, re.MULTILINE))
            address = re.findall(r"^Open +http://(\S+)/$", told, re.MULTILINE)[0]
            client = {**environment, "WEBSOCKET_HANDLER_URL": f"ws://{address}"}
            task_id = run(*program, "forward", "dev", '{"text":"x"}', "--project", "p", **client)
            url = exported["AWS_ENDPOINT_URL"]
            queue = exported["SQS_QUEUE_URL_DEV"]
            [message] = sqs(url, "ReceiveMessage", QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
            assert json.loads(message["Body"])["message_id"] == task_id
            body = json.dumps({"project_id": "p", "type": "mine", "task_id": task_id})
            sqs(url, "SendMessage", QueueUrl=exported["SQS_QUEUE_URL_UPDATES"], MessageBody=body)
            sqs(url, "DeleteMessage", QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            update = run(*program, "tail", "p", "--since", "start", "--count", "1", "--json", **client)
            assert json.loads(update)["task_id"] == task_id
            dev.send_signal(signal.SIGINT)
            assert dev.stdout.read().rstrip().endswith("Its queues and logs are gone.")
            assert dev.wait(PATIENCE_S) == 0
        finally:
            if dev.poll() is None:
                dev.kill()


def test_an_installed_wheel_says_that_it_cannot_build_the_image(wheel: Path, tmp_path: Path) -> None:
    """It contains only what runs. The dry run says so, and so does the deployment before it asks anybody."""
    environment = installed(wheel, tmp_path)
    for more in ((), ("--dry-run",)):
        command = [sys.executable, "-m", "websocket_handler", "deploy", "prod", *more]
        done = subprocess.run(
            command, env=environment, cwd="/", capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert f"{tmp_path}/websocket_handler cannot be built: there is no Dockerfile" in done.stdout
        assert "Deploy from the source folder" in done.stdout


@needs_compiler
@pytest.mark.parametrize("version", VERSIONS)
def test_each_python_installs_the_wheel_and_loads_its_loop(wheel: Path, version: str, tmp_path: Path) -> None:
    """The interpreter's own rules for tags let it in, and the loop finds every symbol it needs."""
    found = subprocess.run([ROOT / ".ci" / "find-python", version], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no {version} on this machine")
    python = found.stdout.strip()
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--target", tmp_path)
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel)
    loaded = run(python, "-c", LOADED, PYTHONPATH=str(tmp_path), LD_BIND_NOW="1")
    assert loaded == str(tmp_path / "websocket_handler" / "net" / "_send.abi3.so")
