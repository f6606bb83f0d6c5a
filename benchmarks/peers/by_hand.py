"""The policies one writes by hand in Pyramid: verify each time, remember verdicts in dogpile, ask the issuer each time."""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import jwt
import requests
import waitress
from dogpile.cache import make_region
from joserfc import jwk
from joserfc import jwt as jose
from joserfc.errors import JoseError
from pyramid.authorization import ACLHelper, Authenticated, Everyone

from ..harness.measure import Options, compare
from ..harness.wsgi import NoopPolicy, build, prepare

OPTIONS = SimpleNamespace()  # what the server was told
ERRORS = (JoseError, jwt.InvalidTokenError, ValueError, KeyError)


class Policy:
    """An ISecurityPolicy around a function that gives the claims of a token or raises."""

    def __init__(self, verify):
        self._verify = verify
        self._acl = ACLHelper()

    def identity(self, request):
        header = request.headers.get("Authorization", "")
        if not header.startswith("Bearer "):
            return None
        try:
            return self._verify(header[7:])
        except ERRORS:
            return None

    def authenticated_userid(self, request):
        identity = self.identity(request)
        return identity and identity["sub"]

    def permits(self, request, context, permission):
        principals = [Everyone]
        identity = self.identity(request)
        if identity is not None:
            principals += [Authenticated, identity["sub"]]
            principals += [f"scope:{scope}" for scope in identity["scope"].split()]
        return self._acl.permits(context, principals, permission)


class JoserfcEachTime:
    """joserfc with a key set that was imported once."""

    def __init__(self):
        self.keys = None
        self.registry = jose.JWTClaimsRegistry(
            iss={"essential": True, "value": OPTIONS.issuer},
            aud={"essential": True, "value": OPTIONS.audience},
            exp={"essential": True},
        )

    def __call__(self, raw):
        if self.keys is None:
            self.keys = jwk.KeySet.import_key_set(requests.get(OPTIONS.jwks_uri, timeout=5).json())
        token = jose.decode(raw, self.keys, algorithms=["RS256"])
        self.registry.validate(token.claims)
        return token.claims


class PyJWTEachTime:
    """PyJWT with its client for key sets."""

    def __init__(self):
        self.client = jwt.PyJWKClient(OPTIONS.jwks_uri)

    def __call__(self, raw):
        key = self.client.get_signing_key_from_jwt(raw)
        return jwt.decode(raw, key, algorithms=["RS256"], audience=OPTIONS.audience, issuer=OPTIONS.issuer)


class IntrospectEachTime:
    """requests, with a session that keeps its connections."""

    def __init__(self):
        self.session = requests.Session()

    def __call__(self, raw):
        answer = self.session.post(
            OPTIONS.introspection_endpoint, data={"token": raw}, auth=(OPTIONS.user, OPTIONS.password), timeout=5
        ).json()
        if not answer["active"]:
            raise ValueError("inactive")
        return answer


class Remembered:
    """A verdict in dogpile's memory for five minutes, never past the token's end."""

    def __init__(self, verify):
        self.verify = verify
        self.region = make_region().configure("dogpile.cache.memory", expiration_time=300)

    def __call__(self, raw):
        claims = self.region.get_or_create(raw, lambda: self.verify(raw))
        if claims["exp"] <= time.time():
            raise ValueError("expired")
        return claims


#: By the path that the server gives each.
POLICIES = {
    "local": JoserfcEachTime,
    "pyjwt": PyJWTEachTime,
    "remembered": lambda: Remembered(JoserfcEachTime()),
    "remote": IntrospectEachTime,
    "remote_remembered": lambda: Remembered(IntrospectEachTime()),
}


def serve():
    applications = {f"/{name}": build(Policy(make())) for name, make in POLICIES.items()}
    applications["/open"] = build()

    def application(environ, start_response):
        found = applications[environ["PATH_INFO"]]
        environ["PATH_INFO"] = "/customers"
        return found(environ, start_response)

    waitress.serve(application, host="127.0.0.1", port=OPTIONS.port, threads=OPTIONS.threads, connection_limit=1000)


def measure():
    """Print, as JSON, what a request in process costs under each policy over a no-op one."""
    options = Options(pairs=OPTIONS.pairs, seconds=OPTIONS.seconds)
    base = prepare(build(NoopPolicy()), OPTIONS.tokens)
    found = {}
    for name in OPTIONS.policies:
        subject = prepare(build(Policy(POLICIES[name]())), OPTIONS.tokens)
        found[name] = asdict(compare(subject, base, options))
    print(json.dumps(found))


def measure_scopes():
    """Print, as JSON, what a request with the second token costs over one with the first."""
    application = build(Policy(POLICIES["remembered"]()))
    few, many = (prepare(application, [token]) for token in OPTIONS.scopes)
    print(json.dumps(asdict(compare(many, few, Options(pairs=OPTIONS.pairs, seconds=OPTIONS.seconds)))))


def flood():
    """Print, as JSON, how the process grows when so many tokens' claims are remembered."""
    page = resource.getpagesize()

    def find_memory():
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e6

    claims = json.dumps({"iss": "https://issuer.test", "aud": "https://api.test", "exp": 4_000_000_000})
    remembered = Remembered(
        lambda raw: {**json.loads(claims), "sub": raw[:20], "jti": raw[20:32], "scope": "customer_api"}
    )
    begun, curve = find_memory(), []
    for number in range(1, OPTIONS.flood + 1):
        remembered(f"{number:012d}" + "x" * 480)  # as long as an Ed25519 token
        if number % max(1, OPTIONS.flood // 50) == 0:
            curve.append((number, round(find_memory() - begun, 1)))
    print(json.dumps(curve))


if __name__ == "__main__":
    vars(OPTIONS).update(json.loads(sys.argv[1]))
    wanted = {"policies": measure, "scopes": measure_scopes, "flood": flood}
    next((run for name, run in wanted.items() if hasattr(OPTIONS, name)), serve)()
