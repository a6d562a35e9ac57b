"""The pages for people, README and `docs`, and the blocks of code that they show."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Every page, the README first.
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

#: What stands in the title of a block that no test can run.
NOT_RUN = "not run by tests"

_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, the title above it ("" for none), its text."""

    language: str
    title: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language in ("sh", "python") and not self.title.startswith(NOT_RUN)


def name_of(page: Path) -> str:
    """Its place in the repository."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str = "") -> list[Block]:
    """The blocks of a page, of one language where that is given."""
    found = [
        Block(language=kind, title=title, text=text) for kind, title, text in _FENCE.findall(text_of(page))
    ]
    assert len(found) == len(re.findall(r"^```", text_of(page), flags=re.MULTILINE)) // 2, page
    return [block for block in found if language in ("", block.language)]
