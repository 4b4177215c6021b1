"""What the linters say of the template, the image, the scripts and the compose file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.infra.account import REPOSITORY, TEMPLATE

SERVICE = REPOSITORY / "websocket_handler"
TOOLS = Path(sys.executable).parent
CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"


def output_of(*command: str | Path) -> str:
    """What a tool of this environment has to say; it must also end well."""
    name, *arguments = map(str, command)
    done = subprocess.run(
        [str(TOOLS / name), *arguments], cwd=SERVICE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_template_is_clean_for_cfn_lint() -> None:
    """Warnings included."""
    assert output_of("cfn-lint", TEMPLATE) == ""


@pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not in .venv-checkov: make infra-test installs it")
def test_template_and_dockerfile_follow_the_policies_of_checkov() -> None:
    """Nothing fails; what is left out is so at its resource, with a reason that can be read."""
    command = [str(CHECKOV), "-f", "../template.yaml", "-f", "Dockerfile", "--skip-download", "-o", "json"]
    done = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, timeout=300, check=False)
    reports = {report["check_type"]: report for report in json.loads(done.stdout)}
    assert set(reports) == {"cloudformation", "dockerfile"}
    for report in reports.values():
        failed = [(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]]
        assert failed == []
        assert report["summary"]["passed"] > 20
        assert report["summary"]["parsing_errors"] == 0
    skipped = reports["cloudformation"]["results"]["skipped_checks"]
    assert all(len(check["check_result"]["suppress_comment"].split()) >= 5 for check in skipped)


def test_the_dockerfile_is_clean_for_hadolint() -> None:
    """Without exceptions."""
    assert output_of("hadolint", "Dockerfile") == ""


def test_the_shell_script_is_clean_for_shellcheck() -> None:
    """Without exceptions."""
    assert output_of("shellcheck", "deploy.sh") == ""


def test_the_compose_file_follows_its_schema() -> None:
    """That of the Compose specification."""
    assert "ok" in output_of("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_the_compose_file_is_understood_by_version_1() -> None:
    """`docker-compose`, as the documentation writes it."""
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("docker-compose is not installed")
    subprocess.run([tool, "-f", "docker-compose.yml", "config", "-q"], cwd=SERVICE, check=True, timeout=60)


def test_the_local_system_is_isolated() -> None:
    """The emulator is reached from inside only, the gateway from this machine only."""
    document = yaml.safe_load((SERVICE / "docker-compose.yml").read_text(encoding="utf-8"))
    services, networks = document["services"], document["networks"]
    assert networks["backend"]["internal"] is True
    assert services["emulator"]["networks"] == ["backend"]
    assert "ports" not in services["emulator"]
    assert all(port.startswith("127.0.0.1:") for port in services["gateway"]["ports"])
    assert services["gateway"]["read_only"] is True
    assert all("healthcheck" in service for service in services.values())


def test_the_powershell_script_parses() -> None:
    """No PowerShell runs here: this finds what a parser finds, not what running would."""
    tree_sitter = pytest.importorskip("tree_sitter")
    tree_sitter_powershell = pytest.importorskip("tree_sitter_powershell")
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    root = parser.parse((SERVICE / "deploy.ps1").read_bytes()).root_node
    assert not root.has_error, root


def test_the_two_wrappers_ask_for_the_same() -> None:
    """Bash and PowerShell: the same module, the same Python, the same things that may be missing."""
    texts = [(SERVICE / name).read_text(encoding="utf-8") for name in ("deploy.sh", "deploy.ps1")]
    for shared in (
        "-m websocket_handler.cli.deploy",
        "Python 3.11 or newer: install it, or name it in PYTHON",
        "the AWS SDK: $python -m pip install -r $folder/requirements.txt",
        "sys.version_info < (3, 11)",
        "--help",
        "PYTHONPATH",
    ):
        assert all(shared in text for text in texts), shared


def test_the_script_says_what_is_missing(tmp_path: Path) -> None:
    """A machine without Python, and a Python without the SDK."""
    script = str(SERVICE / "deploy.sh")
    absent = subprocess.run(
        ["/bin/bash", script, "prod"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": "no-such-python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert absent.returncode == 2
    assert "Python 3.11 or newer" in absent.stderr
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -IS "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    without_sdk = subprocess.run(
        ["/bin/bash", script, "prod"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(bare)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert without_sdk.returncode == 2
    assert "the AWS SDK" in without_sdk.stderr
