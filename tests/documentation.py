"""The pages of the documentation, as text: where they are, and the blocks of code in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
#: Every page of the site.
PAGES: Final = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def read_page(name: str) -> str:
    """Return the text of one page: `reference/guard` is docs/reference/guard.md."""
    return (DOCS / f"{name}.md").read_text("utf-8")


def find_blocks(text: str, language: str) -> list[str]:
    """Return the blocks of code in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def name_page(path: Path) -> str:
    """Return the name of a page, for the id of a test."""
    return path.relative_to(ROOT).with_suffix("").as_posix().removeprefix("docs/")
