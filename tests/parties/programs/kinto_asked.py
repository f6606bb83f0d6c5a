"""Kinto in memory, with the settings of its argument (JSON). For each line of standard input, a JSON list of tokens, it prints the
status and the user that Kinto has for each of them.
"""

import json
import sys

from kinto import main
from kinto.core.testing import BaseWebTest
from webtest import TestApp

app = TestApp(main({}, None, **{**BaseWebTest.get_app_settings(), **json.loads(sys.argv[1])}))
print("ready", flush=True)  # noqa: T201  # the protocol
for line in sys.stdin:
    found = []
    for token in json.loads(line):
        answer = app.get("/v1/", headers={"Authorization": f"Bearer {token}"}, status="*")
        found.append([answer.status_int, answer.json.get("user", {})])
    print(json.dumps(found), flush=True)  # noqa: T201
