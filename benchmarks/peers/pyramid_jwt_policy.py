"""Pyramid with pyramid_jwt, whose one key is in its settings, and an ACL."""

import json
import sys

import waitress
from pyramid.authorization import ACLAuthorizationPolicy, Allow
from pyramid.config import Configurator

OPTIONS = json.loads(sys.argv[1])
CUSTOMERS = {"customers": [{"id": 1, "name": "Ada", "balance": "12.50"}]}


class Resource:
    """Whose ACL asks for the scope."""

    __acl__ = ((Allow, "scope:customer_api", "read"),)

    def __init__(self, request):
        pass


def find_principals(userid, request):
    return [f"scope:{name}" for name in request.jwt_claims["scope"].split()]


config = Configurator()
config.include("pyramid_jwt")
config.set_authorization_policy(ACLAuthorizationPolicy())
config.set_jwt_authentication_policy(
    private_key="unused",
    public_key=OPTIONS["public_key"],
    algorithm="RS256",
    auth_type="Bearer",
    audience=OPTIONS["audience"],
    callback=find_principals,
)
for name, options in {"open": {}, "local": {"permission": "read"}}.items():
    config.add_route(name, f"/{name}", factory=Resource)
    config.add_view(lambda request: CUSTOMERS, route_name=name, renderer="json", **options)

waitress.serve(
    config.make_wsgi_app(),
    host="127.0.0.1",
    port=OPTIONS["port"],
    threads=OPTIONS["threads"],
    connection_limit=1000,
)
