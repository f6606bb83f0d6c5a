"""The pages of every part: home, which is the tour where it can be, Swagger UI, and where to look."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated

from .parts import Parts
from .problems import add_resource

__all__: list[str] = []

_log = logging.getLogger(__name__)
#: The documentation, after `make docs`.
_MANUAL: Final = Path(__file__).parent.parent / "docs" / "_build" / "html"


def includeme(config: Configurator) -> None:
    """Add the pages of the parts that run."""
    parts: Parts = config.registry["example_app.parts"]
    config.include(".languages")
    config.include("pyramid_jinja2")
    config.commit()
    config.get_jinja2_environment().filters["pretty"] = _write_pretty
    config.include(".assets")
    add_resource(config, "home", "/", "GET", "HEAD")
    config.scan(".views.home")
    if parts.guard:
        config.include(".documents")
        add_resource(config, "docs", "/docs", "GET", "HEAD")
        add_resource(config, "signed_in", "/docs/oauth2-redirect", "GET", "HEAD")
        config.scan(".views.docs")
    config.registry["example_app.manual"] = _MANUAL.joinpath("index.html").is_file()
    if config.registry["example_app.manual"]:
        config.add_static_view("manual", str(_MANUAL), exact_path=True)
    if parts.tour:
        add_resource(config, "tour", "/tour/{step}", "GET", "HEAD", "POST")
        config.scan(".tour.views")
    config.add_subscriber(_tell_where_to_look, ApplicationCreated)


def _tell_where_to_look(event: ApplicationCreated) -> None:
    parts: Parts = event.app.registry["example_app.parts"]
    if parts.tour:
        _log.info(
            "Open %s in a browser for the tour, and %s/docs for Swagger UI.", parts.issuer, parts.issuer.rstrip("/")
        )
    elif parts.guard:
        _log.info("Open the address below in a browser. Swagger UI is at /docs. Tokens come from %s.", parts.issuer)
    else:
        _log.info("Open %s in a browser to sign in.", parts.issuer)


def _write_pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
