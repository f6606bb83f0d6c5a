"""What a request brings to be verified, and what a verifier is told of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pyramid.request import Request

from pyramid_oauthguard import InvalidRequest, InvalidToken
from pyramid_oauthguard.guard import credentials
from pyramid_oauthguard.interfaces import Credential, ICredentialVerifier, ProofFacts
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.guarding import add, ask, build_app, find_status
from tests.guard.verifying import find_verifier

#: A kind of credential, as somebody would add it: one file.
COOKIE = """
from pyramid_oauthguard import InvalidRequest
from pyramid_oauthguard.interfaces import Credential


def find(request):
    raw = request.cookies.get("token")
    if raw is not None and not raw:
        raise InvalidRequest("empty_cookie")
    return None if raw is None else Credential("Bearer", raw, "cookie")


def is_present(request):
    return "token" in request.cookies
"""


@pytest.fixture
def cookie_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The application's guard with one more file in its package of credentials."""
    (tmp_path / "cookie.py").write_text(COOKIE, "utf-8")
    monkeypatch.setattr(credentials, "__path__", [*credentials.__path__, str(tmp_path)])
    monkeypatch.setattr(credentials, "KINDS", credentials.load_kinds())
    yield
    del sys.modules[f"{credentials.__name__}.cookie"]
    del credentials.cookie


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


def test_a_credential_says_what_the_request_brings():
    request = Request.blank("/orders?page=2", base_url="https://api.example", method="PUT")
    request.environ.update({"HTTP_AUTHORIZATION": "bearer  abc ", "SSL_CLIENT_CERT": "-----BEGIN CERTIFICATE-----"})
    found = credentials.find(request)
    assert found == Credential("Bearer", "abc", "header")
    assert found.find_facts() == ProofFacts(
        method="PUT", url="https://api.example/orders", certificate="-----BEGIN CERTIFICATE-----"
    )


def test_a_certificate_in_a_header_is_not_taken_for_the_connections():
    headers = {"Authorization": "Bearer abc", "SSL-CLIENT-CERT": "forged", "X-SSL-Client-Cert": "forged"}
    found = credentials.find(Request.blank("/", headers=headers))
    assert found.find_facts().certificate is None


def test_a_credential_that_no_request_brought_knows_no_facts():
    assert Credential("Bearer", "abc", "argument").find_facts() == ProofFacts()


def test_a_credential_does_not_show_its_characters_and_cannot_be_changed():
    credential = Credential("Bearer", "swordfish", "header")
    assert "swordfish" not in repr(credential)
    with pytest.raises(AttributeError):
        credential.characters = "other"


def test_a_verifier_of_the_guard_is_given_the_credential(issuer):
    app = build_app(lambda config: add(config, "/here", token_check="local"), issuer)
    seen = []

    class Recording:
        def __init__(self, inner):
            self.inner = inner

        def verify(self, credential):
            seen.append((credential.scheme, credential.source, credential.find_facts()))
            return self.inner.verify(credential)

    registry = app.app.registry
    inner = registry.getUtility(ICredentialVerifier, name="local")
    registry.registerUtility(Recording(inner), ICredentialVerifier, name="local")
    assert find_status(app, "/here", issuer.mint()) == 200
    assert seen == [("Bearer", "header", ProofFacts(method="GET", url="http://localhost/here"))]


def test_a_token_remembered_for_one_scheme_is_not_found_by_another(issuer):
    verifier = find_verifier(build_app(issuer=issuer).app.registry)
    raw = issuer.mint()
    for _again in range(3):
        assert verifier.verifier.verify(Credential("DPoP", raw, "argument")).subject == "test-user"
    assert verifier.recall(f"Bearer {raw}") is None


# ── a kind of credential is one file ─────────────────────────────────────────────────────────────────────────────


def test_each_module_of_the_package_is_a_kind():
    package = Path(credentials.__file__).parent
    names = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert names == credentials.KINDS.keys()
    assert all(callable(kind.find) and callable(kind.is_present) for kind in credentials.KINDS.values())


@pytest.mark.usefixtures("cookie_kind")
def test_a_kind_is_added_with_one_file(issuer):
    app = build_app(lambda config: add(config, "/here", token_check="local"), issuer)
    raw = issuer.mint()
    assert ask(app, "/here", Cookie=f"token={raw}").json["subject"] == "test-user"
    assert find_status(app, "/here", raw) == 200
    assert find_status(app, "/here") == 401
    assert credentials.is_present(Request.blank("/", headers={"Cookie": "token=x"}))
    assert not credentials.is_present(Request.blank("/"))


@pytest.mark.usefixtures("cookie_kind")
def test_two_credentials_are_refused_also_where_one_of_them_is_remembered(issuer):
    app = build_app(lambda config: add(config, "/here", token_check="local"), issuer)
    raw = issuer.mint()
    for _again in range(3):
        assert find_status(app, "/here", raw) == 200
    assert find_status(app, "/here", raw, Cookie=f"token={raw}") == 400
    with pytest.raises(InvalidRequest) as caught:
        credentials.find(Request.blank("/", headers={"Authorization": f"Bearer {raw}", "Cookie": "token=x"}))
    assert caught.value.reason == "several_credentials"


@pytest.mark.usefixtures("cookie_kind")
def test_a_credential_that_a_kind_cannot_read_is_a_bad_request(issuer):
    app = build_app(lambda config: add(config, "/here", token_check="local"), issuer)
    assert find_status(app, "/here", Cookie='token=""') == 400
    assert find_status(app, "/here", Cookie="token=forged") == 401


def test_what_an_application_gave_is_asked_with_the_characters_alone(issuer):
    asked = []

    class Verifier:
        def verify(self, *given):
            asked.append(given)
            raise InvalidToken("not_here")

    app = build_app(
        lambda config: (config.set_token_verifier("local", Verifier()), add(config, "/here", token_check="local")),
        issuer,
    )
    assert find_status(app, "/here", "word") == 401
    assert asked == [("word",)]
