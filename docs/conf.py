"""The documentation. `make docs` builds it; warnings are errors."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE / "_ext"))

project = "pyramid_oauthguard"
author = "The pyramid_oauthguard maintainers"
copyright = f"2026, {author}"
release = version_of(project)
version = release

extensions = ["myst_parser", "settings_tables", "interfaces", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
# Types in signatures are classes of other distributions, or are not public.
nitpick_ignore_regex = [("py:class", r"(\w+\.)+\w+.*|Request|Callable\[\[\]")]

autodoc_member_order = "bysource"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_show_sourcelink = False
