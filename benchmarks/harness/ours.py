"""Our server under test: ``python -m benchmarks.harness.ours OPTIONS``, each way of guarding at a path."""

from __future__ import annotations

import json
import sys

import waitress

from .guarded import build_guarded
from .wsgi import NoopPolicy, build

__all__: list[str] = []


def _serve() -> None:
    options = json.loads(sys.argv[1])
    guarded = build_guarded(options["settings"])
    remote = build_guarded(options["settings"], token_check="remote", permission="read")
    applications = {
        "/open": build(),
        "/noop": build(NoopPolicy()),
        "/local": guarded,
        "/remote": remote,
    }

    def serve(environ, start_response):  # type: ignore[no-untyped-def]  # WSGI
        application = applications[environ["PATH_INFO"]]
        environ["PATH_INFO"] = "/customers"
        return application(environ, start_response)

    waitress.serve(serve, host="127.0.0.1", port=options["port"], threads=options["threads"], connection_limit=1000)


if __name__ == "__main__":
    _serve()
