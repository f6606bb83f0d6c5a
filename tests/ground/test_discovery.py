"""What an issuer says about itself: where it is looked for, and when it is believed."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("trouble", [500, 502, 503, 429, UnavailableError("unreachable", "x")])
def test_an_issuer_that_is_down_is_asked_once(trouble):
    site = Site(**{OAUTH: trouble, OPENID: GOOD})
    with pytest.raises(UnavailableError) as caught:
        fetch_metadata(site, "https://a.test")
    assert caught.value.reason == "unreachable"
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 403, 404, 410])
def test_no_document_anywhere(status):
    with pytest.raises(UnavailableError) as caught:
        fetch({OAUTH: status, OPENID: status})
    assert caught.value.reason == "no_metadata"


@pytest.mark.promise("GD-44")
@pytest.mark.parametrize("url", ["http://a.test/x", "ftp://a.test", "/x", "", 7, [], {}, True, "https://u:p@a.test"])
def test_an_endpoint_that_is_no_good_address(url):
    metadata = IssuerMetadata("https://a.test", {"jwks_uri": url}, "https://a.test/there")
    with pytest.raises(UnavailableError) as caught:
        metadata.find_endpoint("jwks_uri")
    assert caught.value.reason == "bad_metadata"
