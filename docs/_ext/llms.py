"""llms.txt beside the pages: each page with its title and first sentence, and the text of each page as Markdown.

See https://llmstxt.org: a program that reads the documentation for a user starts here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from settings_tables import format_entries, read_notes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_ROOT: Final = Path(__file__).parents[2]
_SECTIONS: Final = ("tutorials", "how-to", "reference", "explanation", "project")
_NOTES: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)|[`*]")


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the files when the pages are written."""
    if error is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    for name in app.env.found_docs:
        target = out / f"{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(expand(Path(app.env.doc2path(name)).read_text("utf-8")), "utf-8")
    (out / "llms.txt").write_text("\n".join(list_pages(app)) + "\n", "utf-8")


def expand(text: str) -> str:
    """Return a page with what its directives stand for: the file that it includes, the settings that it lists."""
    text = re.sub(r"^```{include} (?:\.\./)*(\S+)\n(?::.*\n)*```$", _include, text, flags=re.MULTILINE)
    return re.sub(r"^```{settings-list} (\S+)\n:prefix: (\S+)\n```$", _list_settings, text, flags=re.MULTILINE)


def _include(found: re.Match[str]) -> str:
    folders = (_ROOT, _ROOT / "docs" / "project")
    return next((each / found[1]).read_text("utf-8") for each in folders if (each / found[1]).is_file())


def _list_settings(found: re.Match[str]) -> str:
    prefix = found[2]
    return "\n".join(format_entries(import_module(found[1]).TABLE, prefix, read_notes()[prefix]))


def list_pages(app: Sphinx) -> Iterator[str]:
    """Yield the lines of llms.txt."""
    yield f"# {app.config.project}"
    yield ""
    yield f"> {describe(Path(app.env.doc2path('index')).read_text('utf-8'), sentences=3)}"
    for section in _SECTIONS:
        yield ""
        yield f"## {app.env.titles[f'{section}/index'].astext()}"
        yield ""
        for name in sorted(app.env.found_docs):
            if name.startswith(f"{section}/") and not name.endswith("/index"):
                text = expand(Path(app.env.doc2path(name)).read_text("utf-8"))
                yield f"- [{app.env.titles[name].astext()}]({name}.md): {describe(text)}"


def describe(text: str, sentences: int = 1) -> str:
    """Return the first sentences of a page, without marks."""
    paragraphs = (each for each in re.split(r"\n\s*\n", text) if re.match(r"\w|`(?!``)|\*\*", each.strip()))
    plain = " ".join(_NOTES.sub(lambda found: found[1] or "", next(paragraphs, "")).split())
    return " ".join(re.split(r"(?<=\.)\s+(?=[A-Z])", plain)[:sentences])


def setup(app: Sphinx) -> dict[str, bool]:
    """Write at the end of the build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
