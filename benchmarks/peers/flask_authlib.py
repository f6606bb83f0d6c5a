"""Flask with Authlib's ResourceProtector: its RFC 9068 validator and its introspection validator, as documented."""

import json
import sys

import requests
import waitress
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask

OPTIONS = json.loads(sys.argv[1])
CUSTOMERS = {"customers": [{"id": 1, "name": "Ada", "balance": "12.50"}]}

app = Flask(__name__)
cache = {}


class LocalValidator(JWTBearerTokenValidator):
    """Keeps the key set from its first use on."""

    def get_jwks(self):
        if "jwks" not in cache:
            cache["jwks"] = requests.get(OPTIONS["jwks_uri"], timeout=5).json()
        return cache["jwks"]


class RemoteValidator(IntrospectTokenValidator):
    """Asks each time."""

    def introspect_token(self, token_string):
        answer = requests.post(
            OPTIONS["introspection_endpoint"],
            data={"token": token_string},
            auth=(OPTIONS["user"], OPTIONS["password"]),
            timeout=5,
        )
        answer.raise_for_status()
        return answer.json()


local, remote = ResourceProtector(), ResourceProtector()
local.register_token_validator(LocalValidator(issuer=OPTIONS["issuer"], resource_server=OPTIONS["audience"]))
remote.register_token_validator(RemoteValidator())


@app.get("/open")
def show_open():
    return CUSTOMERS


@app.get("/local")
@local("customer_api")
def show_local():
    return CUSTOMERS


@app.get("/remote")
@remote("customer_api")
def show_remote():
    return CUSTOMERS


waitress.serve(app, host="127.0.0.1", port=OPTIONS["port"], threads=OPTIONS["threads"], connection_limit=1000)
