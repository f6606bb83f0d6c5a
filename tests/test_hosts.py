"""One grammar of hosts, everywhere: an odd spelling is refused by every place that takes an address."""

from __future__ import annotations

from typing import Any

import pytest

from example_app.settings import read_cors
from pyramid_oauthguard import SettingError, UnavailableError
from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.client.login.device import as_device_authorization
from pyramid_oauthguard.client.login.loopback import parse_redirect_uri as check_listener
from pyramid_oauthguard.client.session import discover
from pyramid_oauthguard.discovery import IssuerMetadata
from pyramid_oauthguard.fetch import Fetcher
from pyramid_oauthguard.guard.settings import parse_settings as parse_guard
from pyramid_oauthguard.server.clients.registration import check_redirect_uri
from pyramid_oauthguard.server.consent.naming import describe_destination
from pyramid_oauthguard.server.grant_types import RegistrationError
from pyramid_oauthguard.server.http.origins import find_origin
from pyramid_oauthguard.server.settings import parse_settings as parse_server

HOSTS = [
    "[::1].evil.example",
    "[::1]evil.example",
    "[::1%25lo]",
    "[::1%lo]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "localhost.",
    "localhost%2e",
    "127.0.0.1.",
    "127.0.0.1@evil.example",
    "evil.example[::1]",
    "a..test",
    "a.test:0",
]
GUARD = {
    "oauthguard.issuer": "https://id.example",
    "oauthguard.audience": "a",
    "oauthguard.introspection.client_id": "",
}
SERVER = {"oauthguard.server.issuer": "https://id.example", "oauthguard.server.audience": "a"}
DEVICE = {"device_code": "d", "user_code": "u", "expires_in": 60}


def fetch_all(url: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        Fetcher(timeout=0.1).get(url)
    assert caught.value.reason == "forbidden_url"
    raise caught.value


def find_endpoint(url: str) -> None:
    IssuerMetadata(url, {"jwks_uri": url}, url).find_endpoint("jwks_uri")


PLACES: dict[str, Any] = {
    **{
        f"the guard's {name}": lambda url, name=name: parse_guard({**GUARD, f"oauthguard.{name}": url})
        for name in ("issuer", "metadata_url", "jwks_uri", "introspection.endpoint", "resource")
    },
    "the server's issuer": lambda url: parse_server(
        {**SERVER, "oauthguard.server.issuer": url}, known_grants=frozenset()
    ),
    "a redirect URI": check_redirect_uri,
    "an endpoint in metadata": find_endpoint,
    "what is fetched": fetch_all,
    "the command's issuer": lambda url: discover(Fetcher(timeout=0.1), url),
    "the command's listener": check_listener,
    "the page for devices": lambda url: as_device_authorization({**DEVICE, "verification_uri": url}, url),
    "an origin of the example": lambda url: read_cors({"cors.origins": url.removesuffix("/cb")}),
}
NETWORK = ("what is fetched", "the command's issuer")
REFUSALS = (SettingError, RegistrationError, UnavailableError, CommandError)


@pytest.mark.promise("GD-33", "GD-44", "AS-51", "CL-04")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS)
def test_an_odd_spelling_is_refused_everywhere(place, scheme, host):
    with pytest.raises(REFUSALS):
        PLACES[place](f"{scheme}://{host}/cb")


@pytest.mark.parametrize("place", [place for place in PLACES if place not in NETWORK])
def test_a_usual_spelling_is_taken_everywhere(place):
    PLACES[place]("http://127.0.0.1:8080/cb")


@pytest.mark.promise("GD-33", "GD-44", "CL-04")
@pytest.mark.parametrize(
    "url", ["http://localhost:1/x", "http://127.0.0.1/x", "https://127.0.0.1/x", "https://a.localhost/x"]
)
def test_an_issuer_elsewhere_sends_no_program_and_no_user_to_this_machine(url):
    issuer = "https://id.example"
    for name in (
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "jwks_uri",
        "introspection_endpoint",
    ):
        with pytest.raises(UnavailableError) as caught:
            IssuerMetadata(issuer, {name: url}, issuer).find_endpoint(name)
        assert caught.value.reason == "bad_metadata"
        assert (name in str(caught.value), issuer in str(caught.value)) == (True, True)
    for member in ("verification_uri", "verification_uri_complete"):
        with pytest.raises(CommandError):
            as_device_authorization({**DEVICE, "verification_uri": f"{issuer}/d", member: url}, issuer)


@pytest.mark.promise("AS-51")
@pytest.mark.parametrize("host", HOSTS)
def test_no_script_of_an_odd_host_reads_answers(host):
    assert find_origin(f"http://{host}/cb") is None
    assert find_origin(f"https://{host}/cb") is None


@pytest.mark.parametrize("uri", ["https://[::1].evil.example/cb", "https://127.0.0.1.:1/cb", "http://localhost%2e/cb"])
def test_the_consent_page_does_not_take_an_odd_host_for_the_users_own_device(uri):
    """A store of an application's own may hold what was never checked here."""
    assert describe_destination(uri).host in uri
    assert describe_destination("http://127.0.0.1/cb").host is None
    assert describe_destination("com.example.app:/cb").host is None
    assert describe_destination("https://Client.example:8443/cb").host == "client.example"
