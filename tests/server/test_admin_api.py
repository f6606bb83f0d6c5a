"""The administration as JSON: every condition of a call, each path, and what an answer contains."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc.jwk import ECKey
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.guard.verification import verify
from pyramid_oauthguard.interfaces import ICredentialVerifier
from pyramid_oauthguard.server.clients import MadeClient
from pyramid_oauthguard.server.keys import get_keys
from tests.server.conftest import ISSUER, Build
from tests.server.flows import CALLBACK, Flow, read_answer
from tests.server.test_admin import Operators, build_admin, read_trail

API = "/oauth/admin/api"
FILES = "https://api.example/files"
GUARD = {
    "oauthguard.issuer": ISSUER,
    "oauthguard.audience": "https://api.example",
    "oauthguard.scope_implies": "write = admin",
}


@dataclass
class Api:
    """The flow, a client with the scope for users, and one that acts for itself."""

    flow: Flow
    console: MadeClient
    robot: MadeClient

    def token(self, who: str = "anna", scope: str = "admin") -> str:
        browser = self.flow.sign_in(who)
        page: Any = browser.get("/oauth/authorize", self.flow.ask(self.console, redirect_uri=CALLBACK, scope=scope))
        answer = page.forms[1].submit("decision", value="allow") if page.status_int == 200 else page
        code = read_answer(answer)["code"]
        token: str = self.flow.redeem(code, self.console, redirect_uri=CALLBACK)["access_token"]
        return token

    def call(
        self, method: str, path: str, token: str | None, body: Any = None, status: int = 200, **headers: str
    ) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        app = self.flow.server.app
        answer = app.request(API + path, method=method, headers=sent, body=data, status="*")
        assert answer.status_int == status, answer
        assert answer.headers["Cache-Control"] == "no-store"
        return answer


def build_api(build: Build, monkeypatch: pytest.MonkeyPatch, *, prefix: str = "", **settings: str) -> Api:
    """:param prefix: of a protected resource of its own, FILES."""

    def include_guard(config: Any) -> None:
        config.registry.settings.update(GUARD)
        config.include("pyramid_oauthguard")
        if prefix:
            config.add_protected_resource(prefix, FILES)

    monkeypatch.setattr("tests.server.flows.People", Operators)
    from tests.server.flows import build_flow

    given = {"admin": "user:anna client:robot", "admin.scope": "admin", **settings}
    flow = build_flow(build, given, configure=include_guard)
    grants, scopes = ["authorization_code", "refresh_token"], ["read", "write", "admin"]
    clients = flow.server.clients
    console = clients.create("Console", redirect_uris=[CALLBACK], grants=grants, scopes=scopes)
    robot = clients.create("Robot", client_id="robot", grants=["client_credentials"], scopes=scopes)
    return Api(flow, console, robot)


@pytest.fixture
def api(build: Build, monkeypatch: pytest.MonkeyPatch) -> Api:
    return build_api(build, monkeypatch)


# ── Who may call ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("AD-02")
def test_a_call_needs_all_conditions(api: Api) -> None:
    flow, good = api.flow, api.token()
    assert api.call("GET", "/clients", good).json["clients"]
    assert api.call("GET", "/clients", None, status=401).headers["WWW-Authenticate"] == (
        'Bearer realm="oauth administration"'
    )
    for bad in ("x", good[:-2] + "xx", flow.server.user_tokens()[1]):
        answer = api.call("GET", "/clients", bad, status=401)
        assert answer.json["error"] == "invalid_token"
        assert "admin" not in answer.headers["WWW-Authenticate"].partition("realm")[2].partition(",")[2]
    # not the scope, and one that the guard says contains it
    for scope in ("read", "write"):
        answer = api.call("GET", "/clients", api.token(scope=scope), status=403)
        assert answer.json["error"] == "insufficient_scope"
        assert "WWW-Authenticate" not in answer.headers
    # a user whom the settings do not name
    assert api.call("GET", "/clients", api.token("carl"), status=403).json["error"] == "not_administrator"
    # a client that they do not name
    other = flow.server.clients.create("Other", grants=["client_credentials"], scopes=["admin"])
    token = flow.server.token(other, scope="admin")
    assert api.call("GET", "/clients", token, status=403).json["error"] == "not_administrator"
    # one that they do
    assert api.call("GET", "/clients", flow.server.token(api.robot, scope="admin"))


@pytest.mark.promise("AD-02")
def test_a_user_is_no_administrator_because_the_client_is(api: Api) -> None:
    robot = api.flow.server.clients.edit(
        "robot", redirect_uris=[CALLBACK], grants=["authorization_code", "client_credentials"]
    )
    console = MadeClient(robot, api.robot.secret)
    assert api.call("GET", "/clients", Api(api.flow, console, api.robot).token("carl"), status=403)


@pytest.mark.promise("AD-02")
def test_a_revoked_token_a_gone_user_and_an_ended_client_are_refused_at_once(api: Api) -> None:
    token = api.token()
    api.call("GET", "/keys", token)
    api.flow.server.revoke(token, api.console)
    api.call("GET", "/keys", token, status=401)
    token = api.token()
    api.flow.people.gone.add("anna")
    api.call("GET", "/keys", token, status=401)
    api.flow.people.gone.clear()
    api.flow.server.clients.revoke(api.console.client.client_id)
    api.call("GET", "/keys", token, status=401)


@pytest.mark.promise("AD-02")
def test_a_token_that_another_verifier_accepts_is_not_enough(api: Api) -> None:
    good = verify(api.flow.server.registry, api.token())

    class Anything:
        def verify(self, credential: Any) -> Any:
            return good

    api.flow.server.registry.registerUtility(Anything(), ICredentialVerifier, name="remote")
    api.call("GET", "/clients", "token-of-somebody-else", status=401)


@pytest.mark.promise("AD-02")
@pytest.mark.parametrize(("prefix", "statuses"), [("/files", (200, 401)), (API, (401, 200))])
def test_a_token_for_another_resource_of_the_application_was_accepted(
    build: Build, monkeypatch: pytest.MonkeyPatch, prefix: str, statuses: tuple[int, int]
) -> None:
    api = build_api(build, monkeypatch, prefix=prefix)
    own = GUARD["oauthguard.audience"]
    api.flow.server.clients.edit("robot", audiences=[own, FILES])
    for resource, status in zip((own, FILES), statuses, strict=True):
        token = api.flow.server.token(api.robot, scope="admin", resource=resource)
        api.call("GET", "/clients", token, status=status)


@pytest.mark.promise("AD-02")
def test_a_verifier_of_the_application_that_fails_makes_no_500(api: Api) -> None:
    class Broken:
        def verify(self, credential: Any) -> Any:
            raise LookupError(credential.characters)

    api.flow.server.registry.registerUtility(Broken(), ICredentialVerifier, name="remote")
    api.call("GET", "/clients", "token-of-somebody", status=503)


@pytest.mark.promise("AD-02")
def test_a_client_that_registered_itself_never_reaches_it(api: Api, build: Build, monkeypatch: Any) -> None:
    token = api.token()
    store = api.flow.server.service.store
    with store.writing() as unit:
        client = unit.find_client(api.console.client.client_id)
        assert client is not None
        unit.update_client(dataclasses.replace(client, registered_by="registration"), ["registered_by"])
    assert api.call("GET", "/clients", token, status=403).json["error"] == "not_administrator"
    rights = {"registration": "open", "self_registered.audiences": "https://api.example"}
    with pytest.raises(ConfigurationExecutionError, match=r"self_registered\.scopes: must not contain 'admin'"):
        build_api(build, monkeypatch, **{**rights, "self_registered.scopes": "read admin"})
    with pytest.raises(ConfigurationExecutionError, match=r"default_scopes: must not contain 'admin'"):
        build_api(build, monkeypatch, default_scopes="read admin")


@pytest.mark.promise("AD-02")
def test_the_scope_is_not_advertised(api: Api) -> None:
    metadata = api.flow.server.app.get("/.well-known/oauth-authorization-server").json
    assert metadata["scopes_supported"] == ["offline_access", "read", "write"]
    assert "admin" not in json.dumps(metadata)


@pytest.mark.promise("AD-02")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Cookie": "user=anna"},
    ],
)
def test_a_page_of_another_site_reaches_nothing_even_with_a_token(api: Api, headers: dict[str, str]) -> None:
    assert api.call("GET", "/clients", api.token(), status=403, **headers).json["error"] == "cross_site"


@pytest.mark.promise("AD-02")
def test_a_token_ends_with_the_scope_of_its_client(api: Api) -> None:
    token, clients = api.token(), api.flow.server.clients
    robot = api.flow.server.token(api.robot, scope="admin")
    for made in (api.console, api.robot):
        clients.edit(made.client.client_id, scopes=["read", "write"])
    for each in (token, robot):
        assert api.call("GET", "/clients", each, status=403).json["error"] == "insufficient_scope"
        api.call("DELETE", "/users?subject=carl", each, status=403)


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        "subject=carl&client_id=shop",  # it reads as if only the grants of one client ended
        "subject=carl&grant_id=",
        "subject=carl&grant_id=a&grant_id=b",
        "subject=carl&Grant_id=a",
        "subject=carl&subject=anna",
        "grant_id=",
    ],
)
def test_a_query_that_names_less_does_not_end_everything_of_a_user(api: Api, query: str) -> None:
    token, carl = api.token(), api.token("carl", scope="read")
    assert api.call("DELETE", f"/grants?{query}", token, status=400).json["error"] == "invalid_request"
    assert api.flow.is_active(carl)


def test_a_parameter_without_a_value_does_not_show_everything(api: Api) -> None:
    token = api.token()
    for path in ("/clients?client_id=", "/audit?subject=", "/audit?event=A&event=B", "/audit?user=carl", "/keys?kid=x"):
        api.call("GET", path, token, status=400)


@pytest.mark.promise("AD-02")
def test_a_session_is_no_token(api: Api) -> None:
    api.call("GET", "/clients", None, status=401, Cookie="user=anna")
    app = api.flow.server.app
    app.get(f"{API}/clients", headers={"Authorization": f"Basic {api.token()}"}, status=401)
    app.get(f"{API}/clients?access_token={api.token()}", status=401)
    two = f"Bearer {api.token()}, Bearer {api.token()}"
    app.get(f"{API}/clients", headers={"Authorization": two}, status=401)


@pytest.mark.promise("AD-02")
def test_an_old_sign_in_and_a_client_may_read_and_end_and_nothing_else(api: Api) -> None:
    people = api.flow.people
    assert isinstance(people, Operators)
    people.ago = 301.0
    client_id, key = f"?client_id={api.flow.web.client.client_id}", ECKey.generate_key("P-256").as_dict(private=False)
    for token in (api.token(), api.flow.server.token(api.robot, scope="admin")):
        for method, path, body in (
            ("POST", "/clients", {"name": "New"}),
            ("PATCH", f"/clients{client_id}", {"first_party": True}),
            ("PATCH", f"/clients{client_id}", {"scopes": ["admin"]}),
            ("PATCH", f"/clients{client_id}", {"audiences": ["urn:x"]}),
            ("PUT", f"/client_keys{client_id}", {"keys": [key]}),
            ("POST", f"/secrets{client_id}", None),
            ("POST", "/keys", None),
            ("PATCH", "/keys?kid=x", {"state": "revoked"}),
        ):
            answer = api.call(method, path, token, body, status=403, If_Match="*")
            assert answer.json["error"] == "sign_in_required"
        for path in ("/clients", f"/clients{client_id}", "/keys", "/audit", "/grants?subject=carl"):
            api.call("GET", path, token)
        api.call("DELETE", "/users?subject=carl", token, status=204)
    api.call("DELETE", f"/clients{client_id}", token, status=204)
    assert api.flow.server.clients.find(api.flow.web.client.client_id).revoked_at  # type: ignore[union-attr]
    assert {each["administrator"] for each in read_trail(api.flow, "UserForgotten")} == {"anna", "client:robot"}
    assert read_trail(api.flow, "UserForgotten")[0]["administrator_client"] == "robot"


def test_without_the_guard_and_without_the_setting_there_is_no_api(build: Build, monkeypatch: Any) -> None:
    with pytest.raises(ConfigurationExecutionError, match=r"admin\.scope: needs the guard in the same application"):
        build_admin(build, monkeypatch, **{"admin.scope": "admin"})
    flow = build_admin(build, monkeypatch)
    flow.sign_in().get(f"{API}/clients", status=404)


# ── What each path does ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("AD-01")
def test_a_client_from_its_creation_to_its_end(api: Api) -> None:
    token = api.token()
    sent = {"name": "Nightly", "grants": ["client_credentials"], "scopes": ["read"], "owner": "Example"}
    made = api.call("POST", "/clients", token, sent, status=201).json
    client_id, secret = made["client_id"], made["client_secret"]
    path = f"/clients?client_id={client_id}"
    read = api.call("GET", path, token)
    assert (read.json["name"], read.json["scopes"], read.json["owner"]) == ("Nightly", ["read"], "Example")
    other = api.call("POST", f"/secrets?client_id={client_id}", token, status=201).json
    for answer in (read, api.call("GET", "/clients", token), api.call("GET", "/audit", token)):
        for text in (secret, other["client_secret"], "hash"):
            assert text not in answer.text
    api.call("DELETE", f"/secrets?client_id={client_id}&secret_id={other['secret_id']}", token, status=204)
    api.call("DELETE", f"/secrets?client_id={client_id}&secret_id={other['secret_id']}", token, status=422)
    api.call("DELETE", path, token, status=204)
    assert api.call("GET", path, token).json["revoked_at"] is not None
    assert api.call("DELETE", path, token, status=422).json["field"] == "client_id"


@pytest.mark.promise("AD-01")
def test_two_editors_notice_each_other(api: Api) -> None:
    token, path = api.token(), f"/clients?client_id={api.flow.web.client.client_id}"
    tag = api.call("GET", path, token).headers["ETag"]
    assert api.call("PATCH", path, token, {"name": "A"}, status=428).json["error"] == "version_required"
    edited = api.call("PATCH", path, token, {"name": "A"}, If_Match=tag)
    assert edited.json["name"] == "A"
    assert edited.headers["ETag"] != tag
    assert api.call("PATCH", path, token, {"name": "B"}, status=412, If_Match=tag).json["error"] == "changed"
    assert api.call("PATCH", path, token, {"name": "B"}, If_Match="*").json["name"] == "B"
    line = read_trail(api.flow, "ClientEdited")[0]
    assert (line["administrator"], line["administrator_client"]) == ("anna", api.console.client.client_id)


def test_grants_are_listed_and_ended(api: Api) -> None:
    token, carl = api.token(), api.token("carl", scope="read")
    found = api.call("GET", "/grants?subject=carl", token).json
    assert [each["scopes"] for each in found["grants"]] == [["read"]]
    assert [each["scopes"] for each in found["consents"]] == [["read"]]
    grant_id = found["grants"][0]["grant_id"]
    api.call("DELETE", f"/grants?grant_id={grant_id}&subject=carl", token, status=400)
    api.call("DELETE", "/grants", token, status=400)
    api.call("DELETE", f"/grants?grant_id={grant_id}", token)
    api.call("DELETE", f"/grants?grant_id={grant_id}", token, status=404)
    assert not api.flow.is_active(carl)
    api.token("carl", scope="read")
    assert api.call("DELETE", "/grants?subject=carl", token).json == {"ended": 1}
    assert api.call("GET", "/grants?subject=carl", token).json == {"grants": [], "consents": [], "more": False}


def test_keys_are_made_retired_and_revoked(api: Api) -> None:
    token = api.token()
    made = api.call("POST", "/keys", token, status=201).json
    assert api.call("POST", "/keys", token, status=409).json["error"] == "signing_key"
    states = api.call("PATCH", f"/keys?kid={made['kid']}", token, {"state": "retired"}).json["keys"]
    assert len(states) == 2
    api.call("PATCH", f"/keys?kid={made['kid']}", token, {"state": "lost"}, status=400)
    api.call("PATCH", "/keys?kid=nobody", token, {"state": "revoked"}, status=409)
    for each in get_keys(api.flow.server.registry).list_all():
        assert each.record.private_box.hex() not in json.dumps(states)


def test_keys_of_a_client_are_replaced(api: Api) -> None:
    token, path = api.token(), f"/client_keys?client_id={api.flow.web.client.client_id}"
    key = ECKey.generate_key("P-256", parameters={"kid": "k1"})
    answer = api.call("PUT", path, token, {"keys": [key.as_dict(private=False)]})
    assert "k1" in answer.json["key_names"][0]
    private = api.call("PUT", path, token, {"keys": [key.as_dict(private=True)]}, status=422)
    assert key.as_dict(private=True)["d"] not in private.text


def test_the_trail_is_filtered(api: Api) -> None:
    token = api.token()
    lines = api.call("GET", "/audit?event=ClientCreated&limit=2", token).json["entries"]
    assert [each["event"] for each in lines] == ["ClientCreated", "ClientCreated"]
    assert api.call("GET", "/audit?since=999999999999", token).json == {"entries": [], "next": None}
    for wrong in ("limit=x", "since=-1", "limit=1e3", "limit=٣"):
        api.call("GET", f"/audit?{wrong}", token, status=400)
    for path in ("/audit?event", "/audit?subject", "/grants?subject", "/clients?client_id"):
        api.call("GET", f"{path}=%00", token, status=400)
    api.call("DELETE", "/users?subject=a%0Ab", token, status=400)
    for path in ("audit?event", "users?subject", "client?client_id"):
        api.flow.sign_in().get(f"/oauth/admin/{path}=a%00", status=400)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": 5}, "name"),
    ({"name": None}, "name"),
    ({"scopes": 5}, "scopes"),
    ({"scopes": "read"}, "scopes"),
    ({"scopes": [{}]}, "scopes"),
    ({"assertion_subjects": ["a\x00b"]}, "assertion_subjects"),
    ({"grants": [5]}, "grants"),
    ({"first_party": 1}, "first_party"),
    ({"access_token_ttl": True}, "access_token_ttl"),
    ({"access_token_ttl": "10m"}, "access_token_ttl"),
    ({"owner": []}, "owner"),
    ({"client_id": "mine"}, "body"),
    ({"secret": "mine"}, "body"),
    ({"public": "yes"}, "public"),
    ({"role": []}, "role"),
    ({"role": "god"}, "role"),
    ({"jwks": {"keys": 5}}, "jwks"),
    ({"jwks": "x"}, "jwks"),
    ({"jwks": {"keys": [{"kty": []}]}}, "jwks"),
]


def test_a_value_of_another_type_is_named_and_makes_no_500(api: Api) -> None:
    token = api.token()
    for body, field in WRONG:
        assert api.call("POST", "/clients", token, {"name": "New", **body}, status=422).json["field"] == field
    api.call("POST", "/clients", token, {"assertion_subjects": ["\ud800"]}, status=400)


def test_lists_are_read_by_pages(api: Api) -> None:
    token, path, seen = api.token(), "/clients?limit=2", []
    while path:
        found = api.call("GET", path, token).json
        assert len(found["clients"]) <= 2
        seen += [each["client_id"] for each in found["clients"]]
        path = found["next"] and f"/clients?limit=2&after={found['next']}"
    assert seen == [each.client_id for each in api.flow.server.clients.list_all()]
    whole = api.call("GET", "/audit", token).json
    assert whole["next"] is None
    part = api.call("GET", "/audit?limit=3", token).json
    rest = api.call("GET", f"/audit?before={part['next']}", token).json
    assert part["entries"] + rest["entries"] == whole["entries"]
    api.token("carl", scope="read")
    api.token("carl", scope="read")
    cut = api.call("GET", "/grants?subject=carl&limit=1", token).json
    assert (len(cut["grants"]), cut["more"]) == (1, True)
    assert api.call("GET", "/grants?subject=carl", token).json["more"] is False


def test_the_health_is_that_of_the_health_view_with_its_reasons(api: Api) -> None:
    found = api.call("GET", "/health", api.token()).json
    assert found["status"] in {"ready", "not ready"}, "the issuer of these tests does not answer"
    assert found["checks"]["database"]["status"] == "ok"
    assert found["checks"]["signing key"]["age_seconds"] >= 0
    assert "keys" in found["checks"], "that of the guard"
    api.call("GET", "/health", api.token("carl"), status=403)
    api.call("GET", "/health", None, status=401)


def test_a_body_that_is_no_object_and_other_methods_are_refused(api: Api) -> None:
    token = api.token()
    api.call("POST", "/clients", token, [], status=400)
    api.call("POST", "/clients", token, {"name": "x"}, status=400, Content_Type="text/plain")
    api.call("DELETE", "/clients", token, status=400)
    assert api.call("PUT", "/clients", token, status=405).headers["Allow"] == "DELETE, GET, HEAD, PATCH, POST"
    api.call("GET", "/clients?client_id=nobody", token, status=404)
