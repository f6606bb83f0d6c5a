"""One process of a server that issues tokens without a pause: `python -m tests.server.issuing`.

It reads its task as JSON, says `ready`, issues tokens from several threads until it reads a line, and then prints a list of
[when it was asked for, when it was answered, the token].
"""

from __future__ import annotations

import json
import sys
import threading
import time

from pyramid.config import Configurator
from webtest import TestApp

__all__: list[str] = []


def main() -> None:
    task = json.loads(sys.stdin.readline())
    config = Configurator(settings=task["settings"])
    config.include("pyramid_oauthguard.server")
    app = config.make_wsgi_app()
    answers: list[tuple[float, float, str]] = []
    done = threading.Event()

    def issue() -> None:
        client = TestApp(app)
        while not done.is_set():
            asked_at = time.time()
            answer = client.post("/oauth/token", task["form"], headers=task["headers"], status="*")
            token = answer.json.get("access_token") or f"{answer.status} {answer.text}"
            answers.append((asked_at, time.time(), token))

    threads = [threading.Thread(target=issue) for _ in range(task["threads"])]
    for thread in threads:
        thread.start()
    print("ready", flush=True)  # noqa: T201  # the protocol
    sys.stdin.readline()
    done.set()
    for thread in threads:
        thread.join()
    print(json.dumps(answers), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
