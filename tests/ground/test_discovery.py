"""What an issuer says about itself: where it is looked for, and when it is believed."""

from __future__ import annotations

import pytest
from urllib3.exceptions import ProtocolError

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.discovery import IssuerMetadata, build_metadata_urls, fetch_metadata
from pyramid_oauthguard.fetch import Answer

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://a.test", [f"https://a.test{OAUTH}", f"https://a.test{OPENID}"]),
        ("https://a.test/", [f"https://a.test{OAUTH}", f"https://a.test{OPENID}"]),
        (
            "https://a.test/realms/one",
            [
                f"https://a.test{OAUTH}/realms/one",
                f"https://a.test/realms/one{OPENID}",
                f"https://a.test{OPENID}/realms/one",
                f"https://a.test/realms/one{OAUTH}",
            ],
        ),
        (
            "https://a.test:8443/oauth2/default/",
            [
                f"https://a.test:8443{OAUTH}/oauth2/default",
                f"https://a.test:8443/oauth2/default{OPENID}",
                f"https://a.test:8443{OPENID}/oauth2/default",
                f"https://a.test:8443/oauth2/default{OAUTH}",
            ],
        ),
    ],
)
def test_where_it_is_looked_for(issuer, expected):
    assert list(build_metadata_urls(issuer)) == expected


class Site:
    """A fetcher of these answers by URL; whatever else is asked for is not there."""

    def __init__(self, **pages):
        self.pages = pages
        self.asked = []

    def get(self, url):
        self.asked.append(url)
        found = self.pages.get(url.removeprefix("https://a.test"), 404)
        if isinstance(found, Exception):
            raise found
        return Answer(found, {}, {}) if isinstance(found, int) else Answer(200, {}, found)


GOOD = {"issuer": "https://a.test", "jwks_uri": "https://a.test/jwks"}


def fetch(pages, issuer="https://a.test", url=None):
    return fetch_metadata(Site(**pages), issuer, url)


@pytest.mark.parametrize("place", [OAUTH, OPENID])
def test_either_document_will_do(place):
    found = fetch({place: GOOD})
    assert found.issuer == "https://a.test"
    assert found.url == f"https://a.test{place}"
    assert found.find_endpoint("jwks_uri") == "https://a.test/jwks"
    assert found.find_endpoint("introspection_endpoint") is None


def test_the_first_that_fits_is_taken():
    other = {**GOOD, "issuer": "https://b.test"}
    assert fetch({OAUTH: other, OPENID: GOOD}).url.endswith(OPENID)
    assert fetch({OAUTH: UnavailableError("not_json"), OPENID: GOOD}).url.endswith(OPENID)


def test_the_first_document_with_what_is_needed_is_taken():
    """Some issuers have a short document at one address and a complete one at another."""
    short, other = {"issuer": "https://a.test"}, {**GOOD, "issuer": "https://b.test"}
    for pages, place in (
        ({OAUTH: short, OPENID: GOOD}, OPENID),
        ({OAUTH: {**short, "jwks_uri": None}, OPENID: GOOD}, OPENID),
        ({OAUTH: GOOD, OPENID: {**GOOD, "more": 1}}, OAUTH),
        ({OAUTH: short, OPENID: other}, OAUTH),
        ({OAUTH: short, OPENID: short}, OAUTH),
        ({OAUTH: short, OPENID: UnavailableError("unreachable")}, OAUTH),
        ({OAUTH: 500, OPENID: short}, OPENID),
    ):
        found = fetch_metadata(Site(**pages), "https://a.test", wanted=("jwks_uri",))
        assert found.url == f"https://a.test{place}", pages
    assert fetch({OAUTH: short, OPENID: GOOD}).url.endswith(OAUTH), "nothing is needed"
    site = Site(**{"/there": short, OPENID: GOOD})
    fetch_metadata(site, "https://a.test", "https://a.test/there", wanted=("jwks_uri",))
    assert site.asked == ["https://a.test/there"]


def test_an_address_that_is_given_is_the_only_one():
    site = Site(**{"/there": GOOD, OAUTH: GOOD})
    assert fetch_metadata(site, "https://a.test", "https://a.test/there").url == "https://a.test/there"
    assert site.asked == ["https://a.test/there"]
    with pytest.raises(UnavailableError):
        fetch({OAUTH: GOOD}, url="https://a.test/there")


@pytest.mark.promise("GD-44")
@pytest.mark.parametrize(
    "claimed",
    [
        "https://a.test/",
        "https://A.test",
        "HTTPS://a.test",
        "https://a.test:443",
        "https://a.test ",
        "https://b.test",
        "",
        None,
        7,
        ["https://a.test"],
        {},
    ],
)
def test_another_issuers_document_is_not_believed(claimed):
    with pytest.raises(UnavailableError) as caught:
        fetch({OAUTH: {**GOOD, "issuer": claimed}})
    assert caught.value.reason in ("other_issuer", "bad_metadata")


def cut_off():
    """What a Fetcher raises for a connection that was cut after it was made."""
    error = UnavailableError("unreachable", "GET x: ProtocolError ECONNRESET")
    error.__cause__ = ProtocolError("Connection aborted.", ConnectionResetError())
    return error


@pytest.mark.parametrize("first", [400, 401, 403, 404, 405, 410, 429, 500, 501, 502, 503, cut_off()])
def test_the_next_address_is_asked_after_any_refusal(first):
    site = Site(**{OAUTH: first, OPENID: GOOD})
    assert fetch_metadata(site, "https://a.test").url == f"https://a.test{OPENID}"
    assert site.asked == [f"https://a.test{OAUTH}", f"https://a.test{OPENID}"]


def test_a_host_that_does_not_answer_is_asked_once():
    site = Site(**{OAUTH: UnavailableError("unreachable", "x"), OPENID: GOOD})
    with pytest.raises(UnavailableError) as caught:
        fetch_metadata(site, "https://a.test")
    assert caught.value.reason == "unreachable"
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 403, 404, 410])
def test_no_document_anywhere(status):
    with pytest.raises(UnavailableError) as caught:
        fetch({OAUTH: status, OPENID: status})
    assert (caught.value.reason, caught.value.lasting) == ("no_metadata", True)


@pytest.mark.parametrize("pages", [{OAUTH: 503}, {OPENID: 429}, {OAUTH: 404, OPENID: cut_off()}])
def test_what_may_be_better_next_time_does_not_count_as_missing(pages):
    with pytest.raises(UnavailableError) as caught:
        fetch(pages)
    assert (caught.value.reason, caught.value.lasting) == ("unreachable", False)


def test_the_error_says_what_each_address_answered():
    redirected = UnavailableError("redirected", "two answered 301 with Location three", lasting=True)
    with pytest.raises(UnavailableError) as caught:
        fetch({OAUTH: 503, OPENID: redirected})
    assert caught.value.reason == "redirected"
    assert caught.value.detail == f"https://a.test{OAUTH} answered 503; two answered 301 with Location three"
    with pytest.raises(UnavailableError) as caught:
        fetch({OAUTH: {**GOOD, "issuer": "https://b.test"}, OPENID: redirected})
    assert caught.value.reason == "other_issuer"


@pytest.mark.promise("GD-33", "GD-44")
def test_which_endpoints_without_tls_an_issuer_in_a_closed_network_may_publish():
    hosts = frozenset({"keycloak"})
    document = {**GOOD, "jwks_uri": "http://keycloak:8080/certs"}
    for url, good in [("http://keycloak:8080/metadata", True), ("https://a.test/metadata", False)]:
        site = Site(**{url.removeprefix("https://a.test"): document})
        metadata = fetch_metadata(site, "https://a.test", url, insecure_hosts=hosts)
        if good:
            assert metadata.find_endpoint("jwks_uri") == document["jwks_uri"]
        else:
            with pytest.raises(UnavailableError):
                metadata.find_endpoint("jwks_uri")
    for other in ("http://other:8080/certs", "http://127.0.0.1/certs", "https://localhost/certs", "http://keycloak./"):
        metadata = fetch_metadata(
            Site(**{"http://keycloak/m": {**GOOD, "jwks_uri": other}}),
            "https://a.test",
            "http://keycloak/m",
            insecure_hosts=hosts,
        )
        with pytest.raises(UnavailableError):
            metadata.find_endpoint("jwks_uri")


@pytest.mark.promise("GD-44")
@pytest.mark.parametrize("url", ["http://a.test/x", "ftp://a.test", "/x", "", 7, [], {}, True, "https://u:p@a.test"])
def test_an_endpoint_that_is_no_good_address(url):
    metadata = IssuerMetadata("https://a.test", {"jwks_uri": url}, "https://a.test/there")
    with pytest.raises(UnavailableError) as caught:
        metadata.find_endpoint("jwks_uri")
    assert caught.value.reason == "bad_metadata"
