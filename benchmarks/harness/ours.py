"""Our server under test: ``python -m benchmarks.harness.ours OPTIONS``, each way of guarding at a path."""

from __future__ import annotations

import json
import sys
from typing import Any

import waitress
from pyramid.config import Configurator

from .wsgi import NoopPolicy, WSGIApplication, add_view, build

__all__: list[str] = []


def _build_guarded(settings: dict[str, str]) -> WSGIApplication:
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    for mode in ("local", "remote"):
        add_view(config, f"/{mode}", token_check=mode, permission="read")
    return config.make_wsgi_app()  # type: ignore[no-any-return]


def _serve() -> None:
    options = json.loads(sys.argv[1])
    guarded = _build_guarded(options["settings"])
    unguarded = {"/open": build(), "/noop": build(NoopPolicy())}

    def serve(environ: Any, start_response: Any) -> Any:
        other = unguarded.get(environ["PATH_INFO"])
        if other is None:
            return guarded(environ, start_response)
        environ["PATH_INFO"] = "/customers"
        return other(environ, start_response)

    waitress.serve(serve, host="127.0.0.1", port=options["port"], threads=options["threads"], connection_limit=1000)


if __name__ == "__main__":
    _serve()
