"""Builds the documentation site in `dist/site`: `make docs`.

The pages stay where readers of the repository look for them. The generator wants one folder, so every page, and each
file that a page links to, is copied there under its own path: links hold in both places. Beside each page the site has
its Markdown, and `llms.txt` names all of them for programs that read.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
GATHERED: Final = ROOT / ".run" / "site"
SITE: Final = ROOT / "dist" / "site"
DECISIONS: Final = "docs/decisions"
LINK: Final = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)\s]*)?\)")
"""A link to a file. Others go to another host or to a place on the same page."""
PICTURE: Final = re.compile(r'<(?:img|source)\b[^>]*\bsrc(?:set)?="(?![a-z]+:)([^"\s]+)"')
"""A picture that is HTML, because it has one file for light and one for dark pages."""
TITLE: Final = re.compile(r"^# (.+)$", re.MULTILINE)
FIRST_SENTENCE: Final = re.compile(r"\A# [^\n]+\n\n([^-*|`#<>\s].*?[.:])(?:\s|\Z)", re.DOTALL)
"""The first sentence of a page that begins with a paragraph."""
FENCE: Final = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """The paths of all pages: every Markdown file of the repository."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
    return sorted(subprocess.check_output(command, cwd=ROOT, text=True).split())  # noqa: S603 - a fixed command


def decisions() -> str:
    """The page that lists the decisions. It is made for the site; a forge shows the folder instead."""
    lines = [page for page in pages() if page.startswith(f"{DECISIONS}/")]
    titles = [(Path(page).name, TITLE.search((ROOT / page).read_text(encoding="utf-8"))) for page in lines]
    listed = "".join(f"* [{title[1]}]({name})\n" for name, title in titles if title)
    return f"# Decisions\n\nWhat we chose, what we compared and measured, what it costs, how to undo it.\n\n{listed}"


def linked(page: str) -> set[str]:
    """The files to which a page links, by their paths. A link to a folder is one to the page in it."""
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    found = {((ROOT / page).parent / target).resolve() for target in LINK.findall(text) + PICTURE.findall(text)}
    return {str(path.relative_to(ROOT)) for path in found if not path.is_dir()}


def gather() -> None:
    """Copy the pages, and what they link to, to the folder that the generator reads. Raises FileNotFoundError if a
    page links to nothing."""
    shutil.rmtree(GATHERED, ignore_errors=True)
    names = pages()
    for name in sorted({*names, *(file for page in names for file in linked(page))}):
        (GATHERED / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, GATHERED / name)
    (GATHERED / DECISIONS / "README.md").write_text(decisions(), encoding="utf-8")


def about(page: str) -> str:
    """The line of `llms.txt` about a page: its title, its Markdown, and its first sentence."""
    text = (ROOT / page).read_text(encoding="utf-8")
    title, sentence = TITLE.search(text), FIRST_SENTENCE.search(text)
    said = f": {' '.join(sentence[1].split())}" if sentence else ""
    return f"- [{title[1] if title else page}]({page}){said}\n"


def finish() -> None:
    """Put the Markdown of each page, and `llms.txt`, into the finished site."""
    for name in pages():
        (SITE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, SITE / name)
    first, *others = sorted(pages(), key=lambda page: (page != "README.md", page))
    lines = "".join(map(about, others))
    summary = about(first).partition(": ")[2]
    (SITE / "llms.txt").write_text(f"# websocket_handler\n\n> {summary}\n## Pages\n\n{lines}", encoding="utf-8")


if __name__ == "__main__":
    {"gather": gather, "finish": finish}[sys.argv[1]]()
