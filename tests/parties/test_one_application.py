"""Authorization servers of other people and our own, all trusted by one application: their good tokens are accepted, and nothing
that one of them issues or learns helps against another.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote_plus

import pytest

from pyramid_oauthguard.server.clients import get_clients
from tests.guard.guarding import ask
from tests.guard.several import build, find_principals, write
from tests.parties.environments import fetch_token, run_certified, run_mocks, run_toolkit
from tests.server.conftest import basic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.needs("npm")]

ONE, TWO, OTHER = "tenant-one", "tenant-two", "tenant-not-listed"
POOL = "/eu-central-1_EXAMPLE"
HOME = "https://home.example"
AUDIENCES = {
    "op": ("urn:api:certified", "urn:api:certified-opaque"),
    "dot": ("https://api.example/dot",),
    "pool": ("urn:api:pool",),
    "entra": ("api://entra",),
    "home": ("https://api.example/home",),
}
MACHINE = ("machine", "certified-machine-secret")
API = ("api", "certified-api-secret")


class Parties:
    """The five of them, and one application that trusts them all.

    :ivar recorders: by name, those that are asked over HTTP.
    :ivar given: by name, the tokens that they issued.
    """

    def __init__(self, stack: ExitStack, folder: Any) -> None:
        self.op = stack.enter_context(run_certified())
        self.dot, self.clients = stack.enter_context(run_toolkit(folder))
        mocks = stack.enter_context(run_mocks({"pool": POOL, "entra": ""}))
        self.pool, self.entra = mocks["pool"], mocks["entra"]
        self.recorders = {"op": self.op, "dot": self.dot, **mocks}
        self.given: dict[str, list[str]] = {name: [] for name in AUDIENCES}
        self.app = build(
            self._list_settings(folder), configure=lambda config: config.include("pyramid_oauthguard.server")
        )
        self.secret = get_clients(self.app.app.registry).create(
            "Program", client_id="program", grants=["client_credentials"], scopes=["read", "write"]
        ).secret  # fmt: skip

    def _list_settings(self, folder: Any) -> dict[str, Any]:
        settings = write(None, issuers=" ".join(AUDIENCES))
        for name, audiences in AUDIENCES.items():
            settings |= write(name, audience=" ".join(audiences), scopes="read")
        settings |= write("op", issuer=self.op.url, token_prefix="op_")
        settings |= write("op", introspection__client_id=API[0], introspection__client_secret=API[1])
        client_id, secret = self.clients["api"]
        settings |= write("dot", issuer=f"{self.dot.url}/o", token_prefix="dot_")
        settings |= write("dot", introspection__endpoint=f"{self.dot.url}/o/introspect/")
        settings |= write("dot", introspection__client_id=client_id, introspection__client_secret=secret)
        # oauth2-mock-server does not check who asks, and serves its metadata at the root only.
        settings |= write(
            "pool", issuer=self.pool.url + POOL, metadata_url=f"{self.pool.url}/.well-known/openid-configuration"
        )
        settings |= write(
            "pool", jwks_uri=f"{self.pool.url}/jwks", introspection__endpoint=f"{self.pool.url}/introspect"
        )
        settings |= write("pool", introspection__auth_method="none", audience_by_client="true", client_id="shop-app")
        settings |= write("pool", role_claim="cognito:groups")
        settings |= write(
            "entra", issuer=f"{self.entra.url}/{{tid}}/v2.0", issuer_values=f"{ONE} {TWO}", role_claim="roles"
        )
        settings |= write("entra", jwks_uri=f"{self.entra.url}/jwks", introspection__auth_method="none")
        settings |= write("entra", introspection__endpoint=f"{self.entra.url}/introspect")
        settings |= write("home", issuer=HOME)
        server = {"issuer": HOME, "audience": "https://api.example/home https://api.example/other", "limits": "off"}
        server |= {"scopes": "read = Read\nwrite = Write", "signing.algorithm": "ES256"}
        server |= {"sqlalchemy.url": f"sqlite:///{folder}/home.sqlite"}
        return settings | {f"oauthguard.server.{key}": value for key, value in server.items()}

    def _keep(self, name: str, token: str) -> str:
        self.given[name].append(token)
        return token

    def mint_op(self, resource: str = "urn:api:certified", **made: Any) -> str:
        return self._keep(
            "op", fetch_token(f"{self.op.url}/token", MACHINE, made=made, resource=resource, scope="read write")
        )

    def mint_dot(self) -> str:
        return self._keep(
            "dot",
            fetch_token(
                f"{self.dot.url}/o/token/", self.clients["program"], scope="read", resource=AUDIENCES["dot"][0]
            ),
        )

    def mint_pool(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An access token as Amazon Cognito writes it."""
        form = {
            "sub": "ada",
            "client_id": "shop-app",
            "token_use": "access",
            "version": 2,
            "cognito:groups": ["clerks"],
        }
        made = {"header": header or {}, "claims": {**form, "aud": None, **claims}}
        return self._keep("pool", fetch_token(f"{self.pool.url}/token", made=made, scope="read write"))

    def mint_entra(self, tenant: str = ONE, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An access token as Entra ID writes it, version 2."""
        form = {
            "iss": f"{self.entra.url}/{tenant}/v2.0",
            "tid": tenant,
            "aud": "api://entra",
            "azp": "web",
            "azpacr": "1",
        }
        form |= {"sub": "ada", "oid": "1", "scp": "read write", "scope": None, "roles": ["Clerk"], "ver": "2.0"}
        made = {"header": header or {}, "claims": {**form, **claims}}
        return self._keep("entra", fetch_token(f"{self.entra.url}/token", made=made))

    def mint_home(self) -> str:
        headers = basic("program", str(self.secret))
        answer = self.app.post("/oauth/token", {"grant_type": "client_credentials", "scope": "read"}, headers=headers)
        return self._keep("home", str(answer.json["access_token"]))


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parties]:
    with ExitStack() as stack:
        yield Parties(stack, tmp_path_factory.mktemp("parties"))


GOOD: dict[str, tuple[str, Callable[[Parties], str], set[str]]] = {
    "oidc-provider, JWT": (
        "/local",
        lambda parties: parties.mint_op(),
        {"issuer:op", "client:op/machine", "scope:read"},
    ),
    "oidc-provider, opaque": (
        "/remote",
        lambda parties: parties.mint_op("urn:api:certified-opaque"),
        {"issuer:op", "client:op/machine", "scope:read"},
    ),
    "django-oauth-toolkit, opaque": (
        "/remote",
        lambda parties: parties.mint_dot(),
        {"issuer:dot", "client:dot/program", "scope:read"},
    ),
    **{
        f"in the form of Cognito, {path}": (
            path,
            lambda parties: parties.mint_pool(),
            {"issuer:pool", "user:pool/ada", "client:pool/shop-app", "role:pool/clerks", "scope:read"},
        )
        for path in ("/local", "/remote")
    },
    **{
        f"in the form of Entra ID, {tenant}, {path}": (
            path,
            lambda parties, tenant=tenant: parties.mint_entra(tenant),  # type: ignore[misc]
            {f"issuer:entra/{tenant}", f"user:entra/{tenant}/ada", f"client:entra/{tenant}/web", "scope:read"}
            | {f"role:entra/{tenant}/Clerk"},
        )
        for tenant in (ONE, TWO)
        for path in ("/local", "/remote")
    },
    **{
        f"the embedded server, {path}": (
            path,
            lambda parties: parties.mint_home(),
            {"issuer:home", "client:home/program", "scope:read"},
        )
        for path in ("/local", "/remote")
    },
}  # fmt: skip


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("kind", GOOD)
def test_a_good_token_of_each_is_accepted_with_its_own_principals(parties: Parties, kind: str) -> None:
    path, make, principals = GOOD[kind]
    raw = make(parties)
    for _again in range(2):
        assert find_principals(parties.app, raw, path) == principals


def _sign_as_op(**made: Any) -> Callable[[Parties], str]:
    return lambda parties: parties.mint_op(**{name: _fill(value, parties) for name, value in made.items()})


def _fill(values: dict[str, Any], parties: Parties) -> dict[str, Any]:
    names = {"HOME": HOME, "DOT": f"{parties.dot.url}/o", "POOL": parties.pool.url + POOL, "OP": parties.op.url}
    return {key: names.get(value, value) if isinstance(value, str) else value for key, value in values.items()}


def _read_kid(raw: str) -> str:
    kid: str = json.loads(base64.urlsafe_b64decode(raw.partition(".")[0] + "=="))["kid"]
    return kid


#: With the reason of the remote check.
ATTEMPTS: dict[str, tuple[str, Callable[[Parties], str]]] = {
    "a token of op for the audience of entra": ("wrong_audience", _sign_as_op(claims={"aud": "api://entra"})),
    "a token of entra for the audience of op": (
        "wrong_audience",
        lambda parties: parties.mint_entra(aud="urn:api:certified"),
    ),
    "a token of pool for the audience of home": (
        "wrong_audience",
        lambda parties: parties.mint_pool(aud=AUDIENCES["home"][0]),
    ),
    "a token of entra without an audience, for the client of pool": (
        "wrong_audience",
        lambda parties: parties.mint_entra(aud=None, azp=None, client_id="shop-app", token_use="access"),
    ),
    "op signs in the name of home": (
        "unknown_key",
        _sign_as_op(claims={"iss": "HOME", "aud": AUDIENCES["home"][0]}),
    ),
    "op signs in the name of pool, with its kid": (
        "bad_signature",
        _sign_as_op(claims={"iss": "POOL", "client_id": "shop-app", "aud": "urn:api:pool"}, header={"kid": "pool-key"}),
    ),
    "pool signs in the name of op": (
        "unknown_key",
        lambda parties: parties.mint_pool(iss=parties.op.url, aud="urn:api:certified"),
    ),
    "pool signs in the name of entra, with its kid": (
        "bad_signature",
        lambda parties: parties.mint_pool(
            {"kid": "entra-key"}, iss=f"{parties.entra.url}/{ONE}/v2.0", tid=ONE, aud="api://entra"
        ),
    ),
    "entra signs in the name of dot, whose tokens are opaque": (
        "unknown_key",
        lambda parties: parties.mint_entra(iss=f"{parties.dot.url}/o", aud=AUDIENCES["dot"][0]),
    ),
    "the kid of entra in a token of pool": ("unknown_key", lambda parties: parties.mint_pool({"kid": "entra-key"})),
    "entra signs in the name of op, with its kid": (
        "bad_signature",
        lambda parties: parties.mint_entra(
            header={"kid": _read_kid(parties.mint_op())}, iss=parties.op.url, aud="urn:api:certified"
        ),
    ),
    "a token for one tenant in the name of the other": (
        "wrong_tenant",
        lambda parties: parties.mint_entra(ONE, tid=TWO),
    ),
    "a token of a tenant that is not listed": ("wrong_issuer", lambda parties: parties.mint_entra(OTHER)),
    "an opaque token of op with the prefix of dot": (
        "inactive",
        lambda parties: "dot_" + parties.mint_op("urn:api:certified-opaque").removeprefix("op_"),
    ),
    "an opaque token of dot with the prefix of op": (
        "inactive",
        lambda parties: "op_" + parties.mint_dot().removeprefix("dot_"),
    ),
    "a JWT of op behind the prefix of dot": ("inactive", lambda parties: f"dot_{parties.mint_op()}"),
}


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_confused_deputy_is_refused(parties: Parties, attempt: str, caplog: pytest.LogCaptureFixture) -> None:
    reason, make = ATTEMPTS[attempt]
    raw = make(parties)
    caplog.set_level("INFO", "pyramid_oauthguard")
    for path in ("/local", "/remote", "/local"):
        answer = ask(parties.app, path, raw)
        assert (answer.status_int, 'error="invalid_token"' in answer.headers["WWW-Authenticate"]) == (401, True)
    assert f"token refused by the remote check: {reason}" in caplog.messages
    assert ask(parties.app, "/local", parties.mint_pool()).status_int == 200


def test_there_are_sixteen_attempts() -> None:
    assert len(ATTEMPTS) == 16


@pytest.mark.promise("GD-31", "GD-26")
def test_no_credential_and_no_token_of_one_arrives_at_another(parties: Parties) -> None:
    """Each issuer is asked about its own tokens, and told who we are to it alone."""
    for _path, make, _principals in GOOD.values():
        make(parties)
    given = {name: set(tokens) for name, tokens in parties.given.items()}
    for each in parties.recorders.values():
        each.clear()
    for tokens in given.values():
        for raw in tokens:
            for path in ("/local", "/remote"):
                ask(parties.app, path, raw)
    credentials = {"op": API, "dot": parties.clients["api"]}
    for name, recorder in parties.recorders.items():
        seen = recorder.text
        foreign = [raw for other, tokens in given.items() if other != name for raw in tokens]
        assert not [raw for raw in foreign if raw in seen or quote_plus(raw) in seen]
        for owner, pair in credentials.items():
            found = _encode(pair) in seen
            assert found == (owner == name), (owner, name)
            assert pair[1] not in seen


def _encode(pair: tuple[str, str]) -> str:
    """How a client's id and secret are sent (RFC 6749 section 2.3.1)."""
    return base64.b64encode(":".join(map(quote_plus, pair)).encode()).decode()
