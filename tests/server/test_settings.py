"""``oauthguard.server.*``."""

from __future__ import annotations

import pytest
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.server.settings import parse_settings

NEEDED = {
    "oauthguard.server.issuer": "http://localhost:6543",
    "oauthguard.server.audience": "https://api.example",
}
GRANTS = frozenset({"client_credentials"})


def parse(**given):
    settings = {f"oauthguard.server.{key}": value for key, value in given.items()}
    return parse_settings({**NEEDED, **settings}, known_grants=GRANTS)


def test_the_defaults_are_the_contracts():
    found = parse()
    assert (found.path, found.audience, found.scopes) == ("/oauth", ("https://api.example",), {})
    assert (found.access_token_format, found.access_token_ttl) == ("jwt", 600)
    assert (found.refresh_token_ttl, found.refresh_token_max_age) == (14 * 86400, 90 * 86400)
    assert (found.refresh_reuse_grace, found.code_ttl, found.require_pkce) == (10, 60, True)
    assert (found.signing_algorithm, found.grants) == ("RS256", ("client_credentials",))
    assert found.sqlalchemy_url.startswith("sqlite:///")


def test_scopes_are_lines_of_name_and_description():
    found = parse(scopes="\n  customer_api = Manage customers = all\n  read:messages\n")
    assert found.scopes == {"customer_api": "Manage customers = all", "read:messages": "read:messages"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("issuer", ""),
        ("issuer", "http://id.example"),
        ("issuer", "https://id.example?x=1"),
        ("issuer", "https://id.example#x"),
        ("issuer", "id.example"),
        ("audience", ""),
        ("audience", " \n "),
        ("audience", ()),
        ("audience", 7),
        ("path", "oauth"),
        ("path", "/a/{b}"),
        ("path", "/a*"),
        ("scopes", "a b = two"),
        ("scopes", "a = 1\na = 2"),
        ("default_scopes", "a"),
        ("grants", "password"),
        ("grants", "client_credential"),
        ("access_token_format", "saml"),
        ("access_token_ttl", "0"),
        ("access_token_ttl", "soon"),
        ("require_pkce", "perhaps"),
        ("signing.algorithm", "HS256"),
        ("signing.algorithm", "none"),
        ("sqlalchemy.uri", "sqlite://"),
        ("acess_token_ttl", "60"),
    ],
)
def test_what_is_wrong_is_named(key, value):
    with pytest.raises(SettingError) as caught:
        parse(**{key: value})
    assert caught.value.key == f"oauthguard.server.{key}"


@pytest.mark.promise("TK-06")
@pytest.mark.parametrize(
    ("guarded", "hint"),
    [
        (
            None,
            "the identifier of your API, the value of `oauthguard.audience` there, such as `https://api.example.com`",
        ),
        (" ", "the identifier of your API"),
        ("https://customers.example", "(set it to the value of oauthguard.audience: https://customers.example)"),
        (" https://a.example\n https://b.example", "oauthguard.audience: https://a.example https://b.example)"),
        (7, "oauthguard.audience: 7)"),
    ],
)
def test_without_an_audience_start_up_says_which_to_set(guarded, hint):
    """The issuer was the default: an API whose audience is the issuer took refresh tokens for access tokens."""
    settings = {"oauthguard.server.issuer": "http://localhost:6543", "oauthguard.audience": guarded}
    with pytest.raises(SettingError) as caught:
        parse_settings(settings, known_grants=GRANTS)
    assert str(caught.value).startswith("oauthguard.server.audience: is required (")
    assert hint in str(caught.value)


def test_an_audience_is_named_once():
    assert parse(audience="https://a.example https://b.example https://a.example").audience == (
        "https://a.example",
        "https://b.example",
    )


@pytest.mark.parametrize("url", ["not a url", "nosuchdb://x:hunter2@y/z", "mysql+nosuchdriver://x:hunter2@y/z"])
def test_a_database_url_is_never_echoed(url):
    config = Configurator(settings={**NEEDED, "oauthguard.server.sqlalchemy.url": url})
    config.include("pyramid_oauthguard.server")
    with pytest.raises(ConfigurationExecutionError) as caught:
        config.commit()
    assert "oauthguard.server." in str(caught.value.evalue)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("password", ["x@hunter2", "@hunter2@", "x@y:hunter2"])
def test_a_password_that_is_not_encoded_is_not_taken_for_a_host_or_a_port(password, caplog):
    url = f"postgresql+psycopg://user:{password}@127.0.0.1:1/x"
    config = Configurator(settings={**NEEDED, "oauthguard.server.sqlalchemy.url": url})
    config.include("pyramid_oauthguard.server")
    with pytest.raises(ConfigurationExecutionError) as caught:
        config.commit()
    assert "oauthguard.server.sqlalchemy.url: has a port that is not a number, or an @" in str(caught.value.evalue)
    assert "hunter2" not in str(caught.value) + caplog.text


@pytest.mark.slow
def test_settings_may_come_after_the_include(tmp_path):
    config = Configurator(settings={})
    config.include("pyramid_oauthguard.server")
    config.add_settings({**NEEDED, "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/x.sqlite"})
    config.make_wsgi_app()
    assert (tmp_path / "x.sqlite.pepper").exists()


def test_a_configuration_that_fails_leaves_nothing_behind(tmp_path):
    config = Configurator(settings={**NEEDED, "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/x.sqlite"})
    config.include("pyramid_oauthguard.server")

    def fail():
        raise ValueError("no")

    config.action("late", fail)
    with pytest.raises(ConfigurationExecutionError):
        config.commit()
    assert list(tmp_path.iterdir()) == []


class Handshake(BaseGrant, TokenEndpointMixin):
    """A grant of an application's own."""

    ACTS_FOR_USER = False
    GRANT_TYPE = "urn:example:handshake"
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def validate_token_request(self):
        self.request.client = self.authenticate_token_endpoint_client()

    def create_token_response(self):
        token = self.generate_token(scope=self.request.payload.scope)
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER


@pytest.mark.slow
def test_an_application_adds_a_grant(build):
    server = build(configure=lambda config: config.add_oauth_grant(Handshake))
    metadata = server.app.get("/.well-known/oauth-authorization-server").json
    assert metadata["grant_types_supported"] == ["client_credentials", "urn:example:handshake"]
    client = server.clients.create("Shaker", grants=[Handshake.GRANT_TYPE], scopes=["read"])
    token = server.token(client, grant_type=Handshake.GRANT_TYPE)
    assert server.introspect(token)["scope"] == "read"


def test_a_grant_that_is_none_is_refused():
    config = Configurator(settings=NEEDED)
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match="add_oauth_grant"):
        config.add_oauth_grant(object)
