"""One process of an application that accepts each token once: a token a line in, the status of its answer out.

python -m tests.guard.once_worker SETTINGS      (as JSON)
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard.testing import bearer


def build(settings: dict[str, Any]) -> TestApp:
    """The application."""
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    config.add_route("pay", "/pay")
    config.add_view(lambda request: {}, route_name="pay", renderer="json", token_require={"once": True})
    return TestApp(config.make_wsgi_app())


def main() -> None:
    """Serve until the input ends."""
    app = build(json.loads(sys.argv[1]))
    print("ready", flush=True)  # noqa: T201  # this is how it talks
    for line in sys.stdin:
        response = app.get("/pay", headers=bearer(line.strip()), status="*")
        print(response.status_int, flush=True)  # noqa: T201  # this is how it talks


if __name__ == "__main__":
    main()
