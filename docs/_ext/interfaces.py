"""`{interfaces} package.module`: zope interfaces with their docstrings, a name a line. autodoc takes an interface for a value."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sphinx.util.docutils import SphinxDirective
from zope.interface.interface import Method

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


class Interfaces(SphinxDirective):
    """Each interface as a class, with its methods and attributes."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the descriptions as reStructuredText, as docstrings are, and have them parsed within the page."""
        module = import_module(self.arguments[0])
        lines = [line for name in self.content for line in describe(self.arguments[0], name, getattr(module, name))]
        return self.parse_text_to_nodes("\n".join(["````{eval-rst}", *lines, "````"]))


def describe(module: str, name: str, interface: Any) -> Iterator[str]:
    """Yield the lines about one interface."""
    yield f".. py:currentmodule:: {module}"
    yield f".. py:class:: {name}"
    yield from _indent(interface.__doc__, "   ")
    for member in sorted(interface):
        each = interface[member]
        kind = "method" if isinstance(each, Method) else "attribute"
        signature = each.getSignatureString() if isinstance(each, Method) else ""
        yield f"   .. py:{kind}:: {member}{signature}"
        yield from _indent(each.__doc__ or "", "      ")


def _indent(text: str, margin: str) -> Iterator[str]:
    yield ""
    yield from textwrap.indent(inspect.cleandoc(text), margin).splitlines()
    yield ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("interfaces", Interfaces)
    return {"parallel_read_safe": True}
