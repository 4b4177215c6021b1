"""The image tag that `sam deploy --guided` wrote down: which of them is replaced, and that nothing else is."""

from pathlib import Path

import pytest

from websocket_handler.cli.deploy_samconfig import remember_alias

GUIDED = """version = 0.1
[prod.deploy.parameters]
stack_name = "gateway-prod"
parameter_overrides = "Environment=\\"prod\\" ImageTag=\\"\\" VpcId=\\"vpc-1\\""
[staging.deploy.parameters]
parameter_overrides = "Environment=\\"staging\\" ImageTag=\\"abc-1\\""
"""


@pytest.fixture
def samconfig(tmp_path: Path) -> Path:
    path = tmp_path / "samconfig.toml"
    path.write_text(GUIDED, encoding="utf-8")
    return path


def test_the_environments_line_gets_its_alias_and_every_other_byte_stays(samconfig: Path) -> None:
    assert remember_alias(samconfig, "prod")
    assert samconfig.read_text() == GUIDED.replace('prod\\" ImageTag=\\"\\"', 'prod\\" ImageTag=prod')
    assert not remember_alias(samconfig, "prod"), "it is there already"
    assert remember_alias(samconfig, "staging")
    assert "ImageTag=staging" in samconfig.read_text()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('parameter_overrides = "Environment=prod ImageTag=abc-1 X=1"', 'Environment=prod ImageTag=prod X=1"'),
        ('parameter_overrides = "ImageTag=abc-1 Environment=prod"', '"ImageTag=prod Environment=prod"'),
        ('parameter_overrides = ["Environment=prod", "ImageTag=abc-1"]', '["Environment=prod", "ImageTag=prod"]'),
        ("parameter_overrides = 'Environment=prod ImageTag='", "'Environment=prod ImageTag=prod'"),
    ],
)
def test_each_way_to_write_it_is_understood(line: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(line)
    assert remember_alias(path, "prod")
    assert path.read_text().endswith(expected)


@pytest.mark.parametrize(
    "line",
    [
        'parameter_overrides = "Environment=prod2 ImageTag=abc"',
        'parameter_overrides = "Environment=prod-eu ImageTag=abc"',
        'parameter_overrides = "Environment=xprod ImageTag=abc"',
        'parameter_overrides = "MyEnvironment=prod ImageTag=abc"',
        'parameter_overrides = "Environment=prod OtherImageTag=abc"',
        'parameter_overrides = "Environment=prod"',
        'tags = "Environment=prod ImageTag=abc"',
        "",
    ],
)
def test_what_is_about_something_else_stays(line: str, tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(line)
    assert not remember_alias(path, "prod")
    assert path.read_text() == line


def test_an_environments_name_is_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text('parameter_overrides = "Environment=prod ImageTag=abc"')
    assert not remember_alias(path, "p.od")


def test_without_the_file_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert not remember_alias(tmp_path / "absent.toml", "prod")
    assert not remember_alias(tmp_path, "prod"), "a folder is no file"
    assert list(tmp_path.iterdir()) == []
