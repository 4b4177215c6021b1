"""The shell commands that the documents tell people to type, and why some of them are not run by a test."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FENCE: Final = re.compile(r"^ *```(\S*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL: Final = "bash"
COMMENT: Final = re.compile(r"(^|\s+)# .*$", re.MULTILINE)

ACCOUNT: Final = "needs an AWS account"
IN_DOCKER: Final = "needs an image in Docker; make image-test builds and runs the image"
BY_CI: Final = "CI runs this target itself"
NOT_RUN: Final = {
    "sam build && sam deploy --guided": f"{ACCOUNT}; tests/infra/test_sam.py runs both against an emulator",
    "sam build": f"{ACCOUNT}; tests/infra/test_sam.py runs it against an emulator",
    "sam deploy --guided": f"{ACCOUNT}; tests/infra/test_sam.py runs it against an emulator",
    "sam deploy --parameter-overrides HealthCheckPath=/health": ACCOUNT,
    "sam deploy --parameter-overrides Backplane=valkey DesiredCount=2 AutoScaling=true AutoScalingMaxTasks=4": ACCOUNT,
    "cd websocket_handler && ./deploy.sh prod": f"{ACCOUNT}; tests/infra/test_deploy.py runs it against an emulator",
    "./deploy.sh prod": f"{ACCOUNT}; tests/infra/test_deploy.py runs it against an emulator",
    "./deploy.sh prod --image-tag TAG": f"{ACCOUNT}; tests/infra/test_deploy.py runs it against an emulator",
    "websocket-handler doctor prod": f"{ACCOUNT}; tests/infra/test_doctor.py runs it against an emulator",
    "aws ecr describe-images --repository-name agenticai-websocket-prod "
    "--query 'sort_by(imageDetails,&imagePushedAt)[].imageTags'": ACCOUNT,
    "aws ecs update-task-protection --cluster agenticai-cluster-prod --tasks TASK --no-protection-enabled": ACCOUNT,
    "aws logs tail /ecs/agenticai-websocket-prod --follow": ACCOUNT,
    "aws ecs describe-services --cluster agenticai-cluster-prod --services agenticai-websocket-prod": ACCOUNT,
    'aws sns publish --topic-arn "$TOPIC" --message \'{"type": "qa_results", "passed": true}\' '
    """--message-attributes '{"ProjectId": {"DataType": "String", "StringValue": "proj_123"}}'""": ACCOUNT,
    """aws events put-events --entries '[{"Source": "team.qa", "DetailType": "QA results", """
    """"Detail": "{\\"project_id\\": \\"proj_123\\", \\"passed\\": true}"}]'""": ACCOUNT,
    "docker run --rm --entrypoint cat IMAGE /app/sbom.cdx.json": IN_DOCKER,
    "make check": BY_CI,
    "make test PROCESSES=0": "CI runs this target itself, in two processes",
    "PYTHON=python3.13 make test-core": "CI runs it for each Python that the machine has",
    "make simulation SEEDS=10000": "runs for an hour; make test runs the same schedules with fewer seeds",
    "make cluster-proofs KILLS=50 FAILOVERS=20": "hurts three nodes for a quarter of an hour, twice; run it by hand",
    "make storm-cluster": "its bounds are times of 10,000 clients, for an idle machine; make test kills a node of few",
    'websocket-handler rebalance https://gateway.example --seconds 60 --token "$TOKEN"': "there is no such host; "
    "tests/integration/cli/test_rebalance.py runs it",
    "make simulation-snapshots SEEDS=10000": "runs for half an hour; make test runs it with fewer seeds",
    "make simulation-cluster SEEDS=10000": "runs for an hour or two; make test runs them with fewer seeds",
    "make agui CASES=100000": "runs for many minutes; make test tries the same laws with fewer cases",
    "make sdk-test": "make test runs the same, in tests/e2e/test_typescript_client.py",
    "make sdk-cuts CUTS=1000": "runs for some minutes; CI runs it with a hundred cuts",
    "make sdk-package": BY_CI,
    "make sdk-runtimes": "fetches four run-times, and runs for some minutes",
    "make sdk-python": "installs the package on each Python of the machine; make test builds and uses the wheel, too",
    "make sdk-python-cuts CUTS=1000": "runs for some minutes; make test runs it with a hundred cuts",
    "make sdk-python-langgraph": BY_CI,
    "make sbom": "CI runs its tests: make sbom-test",
    ".venv-sbom/bin/python -m supply_chain.check_sbom FILE websocket_handler/requirements.txt": (
        "FILE stands for a bill of materials; tests/supply_chain/test_check_sbom.py runs the command"
    ),
    "websocket-handler verify ws://127.0.0.1:8080 --duration 10 --clients 20": (
        "needs a gateway that runs; tests/integration/cli/verify runs it against several"
    ),
    "websocket-handler verify wss://gateway.example --publish-url https://internal.example "
    '--project-prefix team-a- --token "$TOKEN" --json': "gateway.example stands for a deployment",
    "pip install .": "tests/supply_chain/test_wheel.py builds the wheel, installs it, and runs dev and clients from it",
    "websocket-handler dev": "serves until Ctrl-C; tests/e2e/test_dev.py runs it",
    "websocket-handler tail proj_123 --since 10m --count 1": (
        "needs a gateway that runs; tests/integration/cli/client runs it against one"
    ),
    'websocket-handler forward pm \'{"text":"Build a login page"}\' --project proj_123 --wait': (
        "needs an agent that works; tests/integration/cli/client runs it with one"
    ),
    "make lock": "asks the package index for newer versions",
    "LOG_STORE=valkey VALKEY_URL=rediss://gateway:PASSWORD@cache.example:6379 python -m websocket_handler": (
        "cache.example stands for a server; tests/integration/test_two_nodes.py starts nodes like this"
    ),
}
"""The commands that no test runs as they stand, each with the reason. Everything else in a document is run."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document. Its commands have one line each, without comments."""

    document: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """What a person types, one command after the other. A command may continue on the next line."""
        found, waiting = [], ""
        for line in self.text.splitlines():
            waiting = f"{waiting}\n{line.strip()}" if waiting else COMMENT.sub("", line).strip()
            if not waiting.endswith("\\") and _is_whole(waiting):
                found.append(" ".join(re.sub(r"\\\n|\n", " ", COMMENT.sub("", waiting)).split()))
                waiting = ""
        assert not waiting, f"{self.document}: {waiting!r} does not end"
        return [command for command in found if command]


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:  # the quotation continues on the next line
        return False
    return True


def documents() -> list[str]:
    """Every document of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, check=True).stdout
    return sorted(name for name in listed.decode().split("\0") if name and (ROOT / name).exists())


def blocks(document: str) -> Iterator[Block]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    yield from (Block(document, match[1], match[2]) for match in FENCE.finditer(text))


def shell_commands(document: str) -> list[str]:
    """All commands of a document, in order."""
    return [command for block in blocks(document) if block.language == SHELL for command in block.commands]
