"""A limit keeps out those who guess, and nobody whose credentials cannot be guessed: from wherever they come."""

from __future__ import annotations

import json
import time

import pytest
import time_machine
from joserfc import jws
from joserfc.jwk import ECKey
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.server.limits import TooManyRequestsError
from pyramid_oauthguard.server.opaque import is_client_secret, make_client_secret, make_opaque
from tests.server.conftest import basic
from tests.server.flows import build_flow

NOW = 1_800_000_000
TOKEN = {"grant_type": "client_credentials"}
KEY = ECKey.generate_key("P-256", parameters={"kid": "one"})
OTHER = ECKey.generate_key("P-256", parameters={"kid": "one"})
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"
#: What WSGI servers say of a caller behind a Unix socket: gunicorn, waitress, others.
UNKNOWN = ["", None, "localhost", "unix:/run/app.sock", "unknown", "-"]
SITE = "https://spa.example"


@pytest.fixture
def limited(build):
    def make(settings=None, **more):
        return build({"limits": "on", "limits.failures": "3/1m", **(settings or {})}, **more)

    return make


def ask(server, headers, *, address=HERE, path="/oauth/token", body=TOKEN):
    environ = {} if address is None else {"REMOTE_ADDR": address}
    request = server.app.RequestClass.blank(path, POST=body, headers=headers, environ=environ)
    if address is None:
        request.environ.pop("REMOTE_ADDR", None)
    return server.app.do_request(request, status="*")


def fail(server, times=20, *, client_id=None, **where):
    """Guess the secret of a client, or with None of one client after another."""
    guesses = [basic(client_id or f"client-{number}", "wrong") for number in range(times)]
    return [ask(server, headers, **where).status_int for headers in guesses]


def sign(client, key=KEY):
    now = int(time.time())
    claims = {"iss": client.client_id, "sub": client.client_id, "aud": "http://localhost:6543", "exp": now + 60}
    claims |= {"jti": str(time.monotonic_ns())}
    assertion = jws.serialize_compact({"alg": "ES256", "kid": "one"}, json.dumps(claims), key)
    return {**TOKEN, "client_assertion_type": ASSERTION, "client_assertion": assertion}


def register_chosen(server):
    return server.clients.create("Chosen", grants=["client_credentials"], scopes=["read"], secret="hunter2")


def register_spa(server):
    return server.clients.create("SPA", public=True, grants=["authorization_code"], redirect_uris=[f"{SITE}/callback"])


def test_a_secret_of_this_server_is_known_by_its_spelling():
    made = make_client_secret()
    assert is_client_secret(made)
    for other in ("", "hunter2", made[:-1], made + "0", made[:-1] + "g", f" {made[1:]}", make_opaque("ogat_").text):
        assert not is_client_secret(other)
    assert not is_client_secret("ogcs_" + "ä" * 73)


@pytest.mark.slow
@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("whose", ["its own", "others"])
def test_a_secret_that_this_server_made_passes_a_limit_of_failures(limited, whose):
    server = limited()
    client_id = server.program.client.client_id
    assert set(fail(server, client_id=client_id if whose == "its own" else None)) == {401, 429}
    assert ask(server, server.basic(server.program)).status_int == 200
    api = server.basic(server.api)
    assert ask(server, api, path="/oauth/introspect", body={"token": "x"}).json == {"active": False}
    form = {"client_id": client_id, "client_secret": server.program.secret}
    assert ask(server, {}, body={**TOKEN, **form}).status_int == 200
    assert ask(server, server.basic(server.program), path="/oauth/revoke", body={"token": "x"}).status_int == 200


@pytest.mark.slow
@time_machine.travel(NOW, tick=False)
def test_at_the_limit_a_wrong_secret_is_too_many_however_it_is_spelt(limited):
    server = limited()
    client_id = server.program.client.client_id
    fail(server, client_id=client_id)
    other = server.clients.create("Other", grants=["client_credentials"], scopes=["read"])
    for secret in (make_client_secret(), other.secret, "wrong"):
        answer = ask(server, basic(client_id, secret))
        assert (answer.status_int, answer.headers["Retry-After"]) == (429, "60")


@pytest.mark.slow
@time_machine.travel(NOW, tick=False)
def test_a_secret_that_people_chose_does_not_pass_a_limit_of_failures(limited):
    """Neither does one from elsewhere: the limit is all that stands between it and a guess."""
    server = limited()
    chosen = register_chosen(server)
    fail(server, client_id=chosen.client.client_id)
    assert ask(server, server.basic(chosen)).status_int == 429
    assert ask(server, server.basic(chosen), address=ELSEWHERE).status_int == 200


@pytest.mark.slow
def test_a_revoked_secret_does_not_pass(limited):
    server = limited()
    client_id, old = server.program.client.client_id, server.basic(server.program)
    new = server.clients.rotate_secret(client_id, overlap=0)
    fail(server, client_id=client_id)
    assert ask(server, old).status_int == 429
    assert ask(server, basic(client_id, new.secret)).status_int == 200


@pytest.mark.slow
def test_a_signature_passes_a_limit_of_failures(limited):
    server = limited()
    keys = {"keys": [KEY.as_dict(private=False)]}
    signer = server.clients.create("Signer", grants=["client_credentials"], scopes=["read"], jwks=keys).client
    fail(server, client_id=signer.client_id)
    fail(server)
    good = sign(signer)
    assert ask(server, {}, body=good).status_int == 200
    assert ask(server, {}, body=good).status_int == 429, "a signature is used once"
    assert ask(server, {}, body=sign(signer, OTHER)).status_int == 429


@pytest.mark.slow
def test_a_public_client_has_nothing_that_could_be_guessed(build):
    flow = build_flow(build, {"limits": "on", "limits.failures": "3/1m"})
    code = flow.allow(flow.native)
    fail(flow.server, client_id=flow.native.client.client_id)
    assert fail(flow.server)[-1] == 429
    form = {
        "grant_type": "authorization_code",
        "client_id": flow.native.client.client_id,
        "code": code,
        "redirect_uri": "http://127.0.0.1/callback",
        "code_verifier": "v" * 43,
    }
    answer = ask(flow.server, {}, body=form)
    assert answer.status_int == 200, answer
    refresh = {
        "grant_type": "refresh_token",
        "client_id": form["client_id"],
        "refresh_token": answer.json["refresh_token"],
    }
    assert ask(flow.server, {}, body=refresh).status_int == 200


@pytest.mark.slow
@time_machine.travel(NOW, tick=False)
def test_failing_in_the_name_of_a_client_uses_none_of_what_it_may_do(limited):
    server = limited({"limits.failures": "0", "limits.token": "2/1m"})
    good = server.basic(server.program)
    fail(server, client_id=server.program.client.client_id)
    assert [ask(server, good).status_int for _ in range(3)] == [200, 200, 429]


@pytest.mark.slow
@pytest.mark.parametrize("address", UNKNOWN)
def test_callers_whose_address_is_unknown_share_no_limit(limited, address, caplog):
    server = limited({"limits.token": "30/1m"})
    chosen = register_chosen(server)
    assert set(fail(server, 100, address=address)) == {401}, "each of these clients fails once"
    assert ask(server, server.basic(server.program), address=address).status_int == 200
    assert ask(server, server.basic(chosen), address=address).status_int == 200
    client_id = chosen.client.client_id
    assert fail(server, 5, address=address, client_id=client_id) == [401] * 3 + [429] * 2, "a client is limited"
    assert ask(server, server.basic(chosen), address=address).status_int == 429
    good = server.basic(server.program)
    assert [ask(server, good, address=address).status_int for _ in range(30)] == [200] * 29 + [429]
    warnings = [message for message in caplog.messages if "limits per address are not applied" in message]
    assert len(warnings) == 1


@pytest.mark.slow
@pytest.mark.parametrize("address", UNKNOWN[:2])
def test_a_caller_without_an_address_used_up_what_all_programs_with_a_public_id_may_do(build, address):
    flow = build_flow(build, {"limits": "on", "limits.token": "3/1m", "limits.revocation": "3/1m"})
    client_id = flow.native.client.client_id
    nothing = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": "x"}
    assert {ask(flow.server, {}, body=nothing, address=address).status_int for _ in range(9)} == {400}
    answers = [ask(flow.server, {}, body=nothing) for _ in range(4)]
    assert [answer.status_int for answer in answers] == [400] * 3 + [429], "where the address is known, it is limited"
    form = {"client_id": client_id, "token": "x"}
    assert {ask(flow.server, {}, body=form, address=address, path="/oauth/revoke").status_int for _ in range(9)} == {
        200
    }


@pytest.mark.slow
@time_machine.travel(NOW, tick=False)
def test_new_device_codes_are_limited_without_an_address_too(build):
    server = build_flow(build, {"limits": "on", "limits.device_authorization": "2/1m"}).server
    made = server.clients.create("TV", public=True, grants=["device_code"], scopes=["read"])
    form = {"client_id": made.client.client_id, "scope": "read"}
    path = "/oauth/device_authorization"
    assert [ask(server, {}, body=form, address="", path=path).status_int for _ in range(3)] == [200, 200, 429]


@pytest.mark.slow
@pytest.mark.parametrize("address", UNKNOWN)
def test_an_application_still_counts_each_user_whose_address_is_unknown(limited, address):
    limits = limited({"limits.sign_in": "2/1m"}).service.limits

    class Request:
        environ = {}  # noqa: RUF012
        remote_addr = address

    for number in range(50):
        limits.hit(Request(), "sign_in", f"user-{number}")
    limits.hit(Request(), "sign_in", "user-1")
    with pytest.raises(TooManyRequestsError):
        limits.hit(Request(), "sign_in", "user-1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("192.0.2.1:40001", "192.0.2.1:40002"),
        ("[2001:db8::1]:40001", "[2001:db8::2]"),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
    ],
)
def test_the_port_of_an_address_makes_no_other_address(limited, first, second):
    server = limited()
    fail(server, 15, address=first)
    assert fail(server, 1, address=second) == [429]
    assert fail(server, 1, address="192.0.2.77") == [401]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prefix", "same"),
    [("128", []), ("64", ["2001:db8:1:2::9"]), ("48", ["2001:db8:1:2::9", "2001:db8:1:ffff::1"])],
)
def test_the_prefix_of_ipv6_is_a_setting(limited, prefix, same):
    server = limited({"limits.ipv6_prefix": prefix})
    fail(server, 15, address="2001:db8:1:2::1")
    for address in ("2001:db8:1:2::9", "2001:db8:1:ffff::1", "2001:db8:2::1", "192.0.2.1"):
        assert fail(server, 1, address=address) == [429 if address in same else 401]


@pytest.mark.parametrize("wrong", ["0", "31", "129", "-1", "64.5", "/64", "sixty"])
def test_a_prefix_that_is_none_stops_start_up_by_name(limited, wrong):
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.server\.limits\.ipv6_prefix"):
        limited({"limits.ipv6_prefix": wrong})


# ── Pages of other sites ─────────────────────────────────────────────────────────────────────────────────────────

CROSS = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@pytest.mark.slow
@time_machine.travel(NOW, tick=False)
def test_a_page_of_another_site_uses_nothing_that_an_office_may_do(build):
    server = build_flow(build, {"limits": "on", "limits.token": "20/1m", "limits.revocation": "20/1m"}).server
    spa, chosen = register_spa(server), register_chosen(server)
    ids = [made.client.client_id for made in (server.program, server.api, chosen, spa)]
    for path in ("token", "revoke", "introspect"):
        for form in ({}, {"client_id": "x"}, *({"client_id": each} for each in ids)):
            for more in ({}, {"client_secret": "wrong"}, {"client_secret": make_client_secret()}):
                for _ in range(21):
                    answer = ask(server, CROSS, path=f"/oauth/{path}", body={**TOKEN, "token": "x", **form, **more})
                    assert answer.status_int in {400, 401, 403}
    assert ask(server, server.basic(chosen)).status_int == 200
    assert ask(server, server.basic(server.program)).status_int == 200
    form = {"grant_type": "authorization_code", "code": "x", "client_id": spa.client.client_id}
    assert [ask(server, {}, body=form).status_int for _ in range(21)] == [400] * 20 + [429]


@pytest.mark.slow
@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("origin", [None, "https://evil.example", SITE, "null", "http://localhost:6543"])
def test_who_says_to_be_a_page_of_another_site_gets_no_guess(limited, origin):
    """The header spares a request its count, and a program can send it: so nothing that could be a guess is checked."""
    server = limited()
    register_spa(server)
    chosen = register_chosen(server)
    headers = {name: value for name, value in {**CROSS, "Origin": origin}.items() if value is not None}
    client_id = chosen.client.client_id
    answers = set()
    for secret in [f"guess-{number}" for number in range(200)] + ["hunter2"]:
        for how in ((basic(client_id, secret), {}), ({}, {"client_id": client_id, "client_secret": secret})):
            for path in ("token", "revoke", "introspect"):
                answer = ask(
                    server, {**headers, **how[0]}, path=f"/oauth/{path}", body={**TOKEN, "token": "x", **how[1]}
                )
                answers.add((answer.status_int, answer.body))
    [(status, body)] = answers
    assert (status, json.loads(body)["error"]) == (403, "invalid_request")
    assert ask(server, server.basic(chosen)).status_int == 200


@pytest.mark.slow
@pytest.mark.parametrize("value", ["Cross-Site", "cross-site, same-origin", "same-site", "same-origin", "none", ""])
def test_what_a_browser_does_not_say_is_counted(limited, value):
    server = limited()
    headers = {"Sec-Fetch-Site": value}
    client_id = server.program.client.client_id
    assert [ask(server, {**headers, **basic(client_id, "wrong")}).status_int for _ in range(4)] == [401] * 3 + [429]


def test_a_sign_in_is_counted_whatever_it_says(limited):
    limits = limited({"limits.sign_in": "2/1m"}).service.limits

    class Request:
        environ = {"HTTP_SEC_FETCH_SITE": "cross-site"}  # noqa: RUF012
        remote_addr = HERE

    for _ in range(2):
        limits.hit(Request(), "sign_in", "anna")
    with pytest.raises(TooManyRequestsError):
        limits.hit(Request(), "sign_in", "anna")


def test_a_secret_of_this_server_works_from_wherever_it_is_sent(limited):
    """Such as by a program that passes on the headers of a browser."""
    server = limited()
    fail(server, client_id=server.program.client.client_id)
    assert ask(server, {**CROSS, **server.basic(server.program)}).status_int == 200


@time_machine.travel(NOW, tick=False)
def test_pages_of_a_registered_site_are_counted_apart_from_others(build):
    server = build_flow(build, {"limits": "on", "limits.token": "3/1m"}).server
    spa = register_spa(server)
    form = {"grant_type": "authorization_code", "code": "x", "client_id": spa.client.client_id}
    for _ in range(9):
        refused = ask(server, CROSS, body=form)
        assert (refused.status_int, refused.json["error"]) == (403, "invalid_request")
    statuses = [ask(server, {**CROSS, "Origin": SITE}, body=form).status_int for _ in range(4)]
    assert statuses == [400] * 3 + [429], "the page is known, and its requests are not without end"


@pytest.mark.slow
def test_a_page_of_another_site_fills_no_table(build):
    server = build_flow(build, {"limits": "on"}).server
    tv = server.clients.create("TV", public=True, grants=["device_code"], scopes=["read"])
    form = {"client_id": tv.client.client_id, "scope": "read"}
    for _ in range(70):
        assert ask(server, CROSS, path="/oauth/device_authorization", body=form).status_int == 403
    assert ask(server, {}, path="/oauth/device_authorization", body=form).status_int == 200
