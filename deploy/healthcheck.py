"""Ends with 0 if the application answers, for HEALTHCHECK of Docker."""

import os
import sys
import urllib.request

PATH = "/oauthguard/health/ready"
port = os.environ.get("BIND", "0.0.0.0:8000").rpartition(":")[2]
try:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}", timeout=5) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(str(error))
