"""The application of test_processes, for gunicorn: its settings come from the environment."""

from __future__ import annotations

import json
import os
from typing import Any

from pyramid.config import Configurator

from tests.metrics.counted import Root


def build() -> Any:
    config = Configurator(settings=json.loads(os.environ["API_SETTINGS"]), root_factory=Root)
    config.include("pyramid_oauthguard")
    config.include("pyramid_oauthguard.metrics")
    config.add_route("who", "/who")
    config.add_view(lambda request: {"process": os.getpid()}, route_name="who", renderer="json", token_check="local")
    return config.make_wsgi_app()
