"""One process of a server that others race: `python -m tests.server.racing`, told what to do on its standard input.

It says `ready` once it serves, waits for a line with a moment, and sends its requests then, each from a thread.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from pyramid.config import Configurator
from webtest import TestApp

from tests.server.flows import People

__all__: list[str] = []


def main() -> None:
    task = json.loads(sys.stdin.readline())
    config = Configurator(settings=task["settings"])
    config.include("pyramid_oauthguard.server")
    config.set_resource_owner(People())
    app = config.make_wsgi_app()
    answers: list[object] = []

    def send() -> None:
        browser = TestApp(app)
        time.sleep(max(0.0, moment - time.time()))
        answer = browser.post("/oauth/token", task["form"], headers=task["headers"], status="*")
        answers.append([answer.status_int, answer.json])

    print("ready", flush=True)  # noqa: T201  # the protocol
    moment = float(sys.stdin.readline())
    threads = [threading.Thread(target=send) for _ in range(task["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(answers), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
