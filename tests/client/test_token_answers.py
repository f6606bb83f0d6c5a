"""No answer of a server loses a token that was received, and none ends with "this is a bug"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.client.login.device import as_device_authorization
from pyramid_oauthguard.client.members import read_members
from pyramid_oauthguard.client.storage.profiles import Profile
from pyramid_oauthguard.client.tokens import Tokens, as_tokens
from pyramid_oauthguard.command.holder import fetch_login_tokens
from pyramid_oauthguard.command.output import Console
from pyramid_oauthguard.command.run import Run
from tests.client.browsers import start_login
from tests.client.issuers import ScriptedIssuer, run_scripted
from tests.client.terminal import Terminal
from tests.growing import assert_linear

pytestmark = pytest.mark.slow

GOOD = {"access_token": '"access-new"', "refresh_token": '"refresh-new"', "token_type": '"Bearer"', "expires_in": "600"}
# What some server might write there, as text of JSON or of something near to it.
ODD = [
    "null",
    "true",
    "NaN",
    "-Infinity",
    "1e400",
    "-1",
    "0",
    "0.5",
    "9" * 400,
    "9" * 5000,
    '""',
    '"3599.5"',
    '"-5"',
    '"soon"',
    '"\\ud800"',
    '"a\\u0000b"',
    "[]",
    "{}",
    '["a", "b"]',
    '{"error": null}',
    "[" * 450 + "]" * 450,
    "[" * 100000 + "]" * 100000,
    "word",
    "'x'",
]


def write_object(members: list[tuple[str, str]]) -> bytes:
    return ("{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in members) + "}").encode()


class Held:
    """A login with an expired access token in a folder of its own, and the issuer that answers its refresh."""

    def __init__(self, folder: Path, issuer: ScriptedIssuer) -> None:
        self.issuer = issuer
        environ = {"OAUTHGUARD_HOME": str(folder), "OAUTHGUARD_ISSUER": issuer.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
        self.run = Run(Console(), environ)
        self.profile = Profile(name="default", issuer=issuer.issuer, client_id="cli", auth_method="none")
        self.expired = Tokens(
            issuer=issuer.issuer, access_token="access-old", refresh_token="refresh-old", expires_at=1.0
        )

    def refresh(self, body: bytes, status: int = 200) -> Tokens | CommandError:
        """What a verb gets, where the refresh is answered with ``body``."""
        self.run.store.save(self.profile, self.expired, prefer="file")
        self.issuer.answers["/token"] = (status, body, {"Content-Type": "application/json"})
        try:
            return fetch_login_tokens(self.run, self.profile)
        except CommandError as error:
            return error

    @property
    def kept(self) -> Tokens:
        tokens = self.run.store.load(self.profile)
        assert tokens
        return tokens


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with run_scripted() as issuer:
        folder = tmp_path_factory.mktemp("held") / "oauthguard"
        yield Held(folder, issuer)


def describe(value: str) -> str:
    return value if len(value) < 20 else f"{value[:3]}x{len(value)}"


@pytest.mark.parametrize("value", ODD, ids=describe)
@pytest.mark.parametrize(
    "name", ["expires_in", "error", "scope", "id_token", "expires_at", "extra", "error_description"]
)
def test_an_odd_member_does_not_cost_the_tokens_of_a_refresh(held: Held, name: str, value: str) -> None:
    for first in (True, False):
        members = [(key, given) for key, given in GOOD.items() if key != name]
        members.insert(0 if first else len(members), (name, value))
        found = held.refresh(write_object(members))
        assert isinstance(found, Tokens), found
        assert (found.access_token, found.refresh_token) == ("access-new", "refresh-new")
        assert held.kept == replace(found, id_token=None)  # an ID token is not kept


@pytest.mark.parametrize("value", ODD, ids=describe)
@pytest.mark.parametrize("name", ["access_token", "token_type"])
def test_a_refresh_that_is_refused_keeps_the_new_refresh_token(held: Held, name: str, value: str) -> None:
    found = held.refresh(write_object([*{**GOOD, name: value}.items()]))
    assert held.kept.refresh_token == "refresh-new"
    if isinstance(found, CommandError):
        assert name.partition("_")[2] in str(found)
        assert held.kept.access_token == "access-old"
        assert "refresh-new" not in str(found)


@pytest.mark.parametrize("kind", ['"DPoP"', '"mac"', '"N_A"', '"bearer, DPoP"'])
def test_a_token_of_another_type_is_refused_and_the_refresh_token_is_kept(held: Held, kind: str) -> None:
    found = held.refresh(write_object([*{**GOOD, "token_type": kind}.items()]))
    assert isinstance(found, CommandError)
    assert "only Bearer is supported" in str(found)
    assert held.kept.refresh_token == "refresh-new"


@pytest.mark.parametrize("kind", ['"bearer"', '"BEARER"', '" Bearer "', '""', "null", None])
def test_bearer_in_any_spelling_or_left_out_is_bearer(held: Held, kind: str | None) -> None:
    members = {**GOOD, "token_type": kind}
    found = held.refresh(write_object([(name, value) for name, value in members.items() if value is not None]))
    assert isinstance(found, Tokens), found


@pytest.mark.parametrize("value", ["null", '""', "5", "[]", "true", '"\\ud800"', "NaN"])
def test_a_refresh_token_that_is_none_leaves_the_old_one(held: Held, value: str) -> None:
    found = held.refresh(write_object([*{**GOOD, "refresh_token": value}.items()]))
    assert isinstance(found, Tokens), found
    assert (held.kept.access_token, held.kept.refresh_token) == ("access-new", "refresh-old")


@pytest.mark.parametrize("token", ["with space", "ünïcode", "a" * 20000, "+&=%", '"\\'])
def test_a_refresh_token_of_any_text_is_kept_and_sent_as_it_is(held: Held, token: str) -> None:
    """It goes into a form, where RFC 6749 appendix A.17 allows more than fits into a header."""
    assert isinstance(held.refresh(write_object([*{**GOOD, "refresh_token": json.dumps(token)}.items()])), Tokens)
    assert held.kept.refresh_token == token
    sent = held.run.session
    sent.refresh(held.kept.refresh_credential or pytest.fail("there is none"))
    assert held.issuer.asked[-1].form["refresh_token"] == token


@pytest.mark.parametrize("status", [200, 201, 203])
@pytest.mark.parametrize(
    "body",
    [
        write_object([*GOOD.items()]),
        b"\xef\xbb\xbf" + write_object([*GOOD.items()]),
        b"\r\n " + write_object([*GOOD.items()]) + b"\n",
        write_object([("scope", '"first"'), *GOOD.items(), ("scope", '"twice"')]),
        write_object([*GOOD.items()])[:-1],  # cut off
        write_object([*GOOD.items()])[:-1] + b', "scope": "cut o',
        write_object([*GOOD.items(), ("scope", '"latin'), ("x", "1")]).replace(b"latin", b"\xe9"),
        write_object([*GOOD.items()]) + b"}]<!-- served by -->",
    ],
)
def test_what_stands_around_the_tokens_does_not_cost_them(held: Held, body: bytes, status: int) -> None:
    found = held.refresh(body, status)
    assert isinstance(found, Tokens), found
    assert held.kept.refresh_token == "refresh-new"


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"<html>", b'"text"', b"\xff\xfe", b"access_token=a&token_type=bearer"]
)
def test_what_is_no_object_is_one_clear_line(held: Held, body: bytes) -> None:
    found = held.refresh(body)
    assert isinstance(found, CommandError)
    assert "without a JSON object" in str(found)
    assert held.kept == held.expired


def test_a_refusal_with_tokens_that_can_not_be_used_keeps_the_new_refresh_token(held: Held) -> None:
    """Status 200 with an error beside a refresh token: it may have replaced the one that was sent."""
    found = held.refresh(
        write_object([("error", '"odd"'), ("access_token", "[" * 5000), ("refresh_token", '"refresh-new"')])
    )
    assert isinstance(found, CommandError)
    assert held.kept == held.expired  # nothing behind what never ends can be read
    found = held.refresh(
        write_object([("error", '"odd"'), ("access_token", "NaN"), ("refresh_token", '"refresh-new"')])
    )
    assert isinstance(found, CommandError)
    assert held.kept.refresh_token == "refresh-new"


@pytest.mark.parametrize("error", ["invalid_grant", "temporarily_unavailable", "\x1b[31m"])
def test_a_refusal_stays_a_refusal(held: Held, error: str) -> None:
    found = held.refresh(write_object([("error", json.dumps(error)), ("refresh_token", "null")]))
    assert isinstance(found, CommandError)
    assert found.exit_status == 2
    assert held.kept == held.expired


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_answer_keeps_the_new_refresh_token_or_leaves_the_old_one(held: Held, data: st.DataObject) -> None:
    names = [*GOOD, "error", "scope", "id_token", "extra"]
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ).map(json.dumps)
    values = st.sampled_from([each for each in ODD if len(each) < 500]) | json_values
    members = [
        (name, data.draw(values)) for name in data.draw(st.lists(st.sampled_from(names), unique=True, max_size=5))
    ]
    changed = dict(members)
    members += [(name, value) for name, value in GOOD.items() if name not in changed]
    found = held.refresh(write_object(data.draw(st.permutations(members))), data.draw(st.sampled_from([200, 201])))
    kept = held.kept
    if "refresh_token" not in changed:
        assert kept.refresh_token == "refresh-new"
    if isinstance(found, Tokens):
        assert kept == replace(found, id_token=None)
        assert found.expires_at is None or found.expires_at > 0
    else:
        assert "bug" not in str(found)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]",:\\ ntre01', max_size=60).map(lambda text: ("{" + text).encode())
)
def test_members_are_read_from_any_bytes(data: bytes) -> None:
    try:
        found = read_members(data)
    except ValueError:
        return
    assert isinstance(found, dict)
    with suppress(CommandError):
        as_tokens(found, issuer="https://issuer.example")


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=6,
    ),
    st.sampled_from([None, 0, 2]),
)
def test_members_are_those_of_json(value: dict[str, Any], indent: int | None) -> None:
    assert read_members(json.dumps(value, indent=indent).encode()) == value


@pytest.mark.parametrize("value", ODD, ids=describe)
def test_an_odd_member_does_not_cost_the_tokens_of_a_login(
    terminal: Terminal, scripted: ScriptedIssuer, value: str
) -> None:
    if len(value) > 1000 or value in ("word", "'x'"):
        return  # shown above; each login here is two processes
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    scripted.answers["/token"] = (200, write_object([*GOOD.items(), ("expires_in", value), ("error", "null")]))
    # What names the user is asked for afterwards, and may be anything.
    scripted.answers["/userinfo"] = (200, write_object([("sub", value), ("name", value)]))
    with start_login(terminal) as login:
        login.come_back(code="c-1")
        ended = login.end()
    assert "this is a bug" not in ended.err
    assert ended.status == 0, ended.err
    assert terminal.run("token").out == "access-new\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access_token": None}, "without a usable access_token"),
        ({"token_type": "DPoP"}, "only Bearer is supported"),
    ],
)
def test_a_device_code_is_not_sent_again_after_an_answer_with_tokens(
    terminal: Terminal, scripted: ScriptedIssuer, changes: dict[str, Any], words: str
) -> None:
    """It is spent: another poll would say invalid_grant instead of what is wrong."""
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    scripted.answers["/device_authorization"] = device(scripted)
    scripted.answers["/token"] = {**{name: json.loads(value) for name, value in GOOD.items()}, **changes}
    ended = terminal.run("login", "--flow", "device")
    assert (ended.status, scripted.count("/token")) == (6, 1)
    assert words in ended.err


def device(scripted: ScriptedIssuer, **changes: Any) -> dict[str, Any]:
    return {
        "device_code": "device-0123456789",
        "user_code": "WDJB-MJHT",
        "verification_uri": f"{scripted.issuer}/device",
        "expires_in": 60,
        "interval": 1,
        **changes,
    }


@pytest.mark.parametrize("value", [None, True, -1, 0, 10**400, "soon", "-1", [], {}, float("nan"), float("inf")])
def test_odd_times_of_a_device_authorization(scripted: ScriptedIssuer, value: object) -> None:
    assert as_device_authorization(device(scripted, interval=value), scripted.issuer).interval == 5
    with pytest.raises(CommandError, match="RFC 8628"):
        as_device_authorization(device(scripted, expires_in=value), scripted.issuer)


def test_quoted_times_of_a_device_authorization(scripted: ScriptedIssuer) -> None:
    found = as_device_authorization(device(scripted, interval="2", expires_in="59.5"), scripted.issuer)
    assert (found.interval, found.expires_in) == (2, 59.5)
    with pytest.raises(CommandError, match="requires 1e\\+09 s between two requests"):
        as_device_authorization(device(scripted, interval=10**9), scripted.issuer)


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────

SHAPES = {
    "members": lambda n: "{" + '"a":1,' * (n // 6),
    "odd members": lambda n: "{" + '"a":[x],' * (n // 8),
    "escaped quotes": lambda n: '{"' + '\\"' * (n // 2),
    "quotes": lambda n: '{"a":' + '"' * n,
    "backslashes": lambda n: '{"a":"' + "\\" * n,
    "colons": lambda n: "{" + ":" * n,
    "blanks": lambda n: "{" + " " * n,
    "openings": lambda n: '{"a":' + "[" * n,
    "closings": lambda n: '{"a":' + "[" * (n // 2) + "]" * (n // 2) + "}",
    "nested in many": lambda n: "{" + ('"a":' + "[" * 500 + "]" * 500 + ",") * (n // 1005),
    "digits": lambda n: '{"a":' + "9" * n + "}",
    "digits in many": lambda n: "{" + ('"a":' + "9" * 4200 + ",") * (n // 4200),
    "one string": lambda n: '{"a":"' + "x" * n + '"}',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answer_of_a_token_endpoint_is_read_in_linear_time(shape: str) -> None:
    assert_linear(lambda n: SHAPES[shape](n).encode(), read_members)
