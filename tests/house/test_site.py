"""The documentation site has every page, its links lead somewhere, and what is written from code is up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from tests.house.files import ROOT
from tests.support.documents import blocks
from tests.support.proxies import HAPROXY, NGINX
from tests.support.scripts import load_script

SITE: Final = load_script(ROOT / "docs" / "site.py")
MADE: Final = f"{SITE.DECISIONS}/README.md"
"""The page that is made for the site."""


def leaves(tree: Any) -> Iterator[str]:
    """The pages of a navigation."""
    for branch in tree if isinstance(tree, list) else tree.values():
        yield from [branch] if isinstance(branch, str) else leaves(branch)


def test_every_page_is_in_the_navigation() -> None:
    """The generator does not say that a page is missing there, or that one is there which does not exist."""
    shown = list(leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    expected = {page for page in SITE.pages() if not page.startswith(SITE.DECISIONS)}
    assert sorted(shown) == sorted({*expected, MADE})


def test_every_page_has_one_title() -> None:
    texts = {page: SITE.FENCE.sub("", (ROOT / page).read_text(encoding="utf-8")) for page in SITE.pages()}
    assert {page for page, text in texts.items() if len(SITE.TITLE.findall(text)) != 1} == set()


def test_every_link_leads_to_a_file() -> None:
    links = [(page, link) for page in SITE.pages() for link in SITE.linked(page)]
    assert len(links) > 50
    assert [link for link in links if not (ROOT / link[1]).is_file()] == []


def test_both_pictures_of_the_readme_come_to_the_site() -> None:
    assert {f"docs/pictures/console-{scheme}.png" for scheme in ("light", "dark")} <= SITE.linked("README.md")


def test_the_list_of_decisions_has_all_of_them() -> None:
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", SITE.decisions())
    assert listed == sorted(path.name for path in (ROOT / SITE.DECISIONS).glob("*.md"))


def test_blocks_in_lists_are_indented_as_the_generator_wants_it() -> None:
    """Markdown in Python ends a numbered list at a block that is indented by three spaces; a forge takes four, too."""
    found = [
        (page, number)
        for page in SITE.pages()
        for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1)
        if re.match(r"^(?: {1,3}| {5,7})```", line)
    ]
    assert found == []


def test_what_llms_txt_says_about_a_page() -> None:
    assert SITE.about("docs/limits.md") == "- [Limits](docs/limits.md): Every limit of a node, in one place.\n"
    assert SITE.about("docs/faq.md") == "- [Questions](docs/faq.md)\n"


@pytest.mark.parametrize("name", ["settings", "commands", "http_api", "codes"])
def test_a_page_of_the_reference_is_up_to_date(name: str) -> None:
    """Change a setting, a command, the HTTP API or a code, and run `make reference`: nobody edits the pages."""
    page = (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")
    assert page == load_script(ROOT / "docs" / "reference" / f"{name}.py").page()


def said(configuration: str) -> list[str]:
    """The directives of a configuration, with the reader's own ports."""
    ports = configuration.replace("127.0.0.1:8080", "127.0.0.1:{gateway}").replace(
        "listen 80;", "listen 127.0.0.1:{port};"
    )
    ports = ports.replace("bind :80", "bind 127.0.0.1:{port}").replace("{{", "{").replace("}}", "}")
    return [" ".join(line.split()) for line in ports.splitlines() if line.strip()]


@pytest.mark.parametrize(("language", "tested"), [("nginx", NGINX), ("haproxy", HAPROXY)])
def test_the_configurations_of_proxies_are_those_that_are_tested(language: str, tested: str) -> None:
    """`make proxies` runs the end-to-end suite through them."""
    (shown,) = (said(block.text) for block in blocks("docs/proxies.md") if block.language == language)
    assert len(shown) > 10
    assert [line for line in shown if line not in said(tested)] == []
