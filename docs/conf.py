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

extensions = ["myst_parser", "settings_tables", "flows", "interfaces", "llms", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
# Types in signatures are classes of other distributions, or are not public.
nitpick_ignore_regex = [("py:class", r"(\w+\.)+\w+.*|Request|Callable\[\[\]")]

autodoc_member_order = "bysource"

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = project
html_short_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
