"""A panel of pyramid_debugtoolbar: what became of the access token of a request, step by step.

An application turns it on with ``debugtoolbar.includes = pyramid_oauthguard.toolbar``. Without that, no code of this package runs.
"""

from __future__ import annotations

from typing import Any

__all__ = ["includeme"]


def includeme(config: Any) -> None:
    """Add the panel to the toolbar, and observe the guard of the application that the toolbar is for.

    :param config: the configurator of the toolbar's own application, which ``debugtoolbar.includes`` gives.
    """
    from .observing import observe_guard
    from .panel import GuardPanel

    config.add_debugtoolbar_panel(GuardPanel)
    config.inject_parent_action(observe_guard)
