"""The value a verified token becomes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
from types import MappingProxyType

import pytest

import pyramid_oauthguard
from pyramid_oauthguard import (
    AccessToken,
    InsufficientScope,
    OAuthGuardError,
    SettingError,
    TokenError,
    UnavailableError,
)
from pyramid_oauthguard.access_token import derive, take


def make(**members):
    return AccessToken(
        **{
            "subject": "ada",
            "client_id": "app",
            "scopes": frozenset({"read", "write"}),
            "audience": ("api",),
            "issuer": "https://issuer.test",
            "expires_at": 2_000_000_000,
            "issued_at": None,
            "token_id": "number-1",
            "username": None,
            "claims": MappingProxyType({"email": "ada@example.com"}),
            "mode": "local",
            **members,
        }
    )


def test_the_constructor_takes_each_member_once_and_sets_it():
    members = [each for each in dataclasses.fields(AccessToken) if each.init]
    assert list(inspect.signature(AccessToken).parameters) == [each.name for each in members]
    token = AccessToken(**{each.name: each.name for each in members})
    assert all(getattr(token, each.name) == each.name for each in members)
    taken = take({**{each.name: each.name for each in members}, "_derived": None})
    assert taken == token
    assert dataclasses.replace(token, mode="remote").mode == "remote"
    for wrong in ({}, {"subject": "ada"}, {**{each.name: None for each in members}, "more": 1}):
        with pytest.raises(TypeError):
            AccessToken(**wrong)


def test_what_it_can():
    token = make()
    assert token.can("read")
    assert not token.can("rea")
    assert not token.can("")
    assert token.can_all("read", "write")
    assert token.can_all()
    assert not token.can_all("read", "delete")
    assert token.can_any("delete", "write")
    assert not token.can_any("delete")
    assert not token.can_any()


def test_it_is_a_value():
    assert make() == make()
    assert hash(make()) == hash(make())
    assert make() != make(subject="bob")
    assert make() != make(claims=MappingProxyType({}))
    assert make() != make(mode="remote")


def test_nothing_of_it_can_be_changed():
    token = make()
    with pytest.raises(dataclasses.FrozenInstanceError):
        token.subject = "root"
    with pytest.raises((AttributeError, TypeError)):
        token.more = 1
    with pytest.raises(TypeError):
        token.claims["sub"] = "root"
    with pytest.raises(TypeError):
        make("ada")  # members are named, so that none is taken for another


@pytest.mark.promise("GD-26")
def test_its_repr_shows_no_claims():
    for shown in repr(make()), str(make()), f"{[make()]}":
        assert "ada@example.com" not in shown
        assert "ada" in shown


def test_a_copy_is_as_good():
    token = make(claims={"a": 1})
    assert copy.copy(token) == token
    assert pickle.loads(pickle.dumps(token)) == token  # noqa: S301  # our own bytes


# ── errors, the public surface ───────────────────────────────────────────────────────────────────────────────────


def test_the_public_surface():
    assert sorted(pyramid_oauthguard.__all__) == [
        "AccessToken",
        "InsufficientScope",
        "InsufficientUserAuthentication",
        "InvalidRequest",
        "InvalidToken",
        "MissingToken",
        "OAuthGuardError",
        "SettingError",
        "TokenError",
        "UnavailableError",
        "includeme",
    ]
    for name in pyramid_oauthguard.__all__:
        assert getattr(pyramid_oauthguard, name)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("MissingToken", 401, None),
        ("InvalidRequest", 400, "invalid_request"),
        ("InvalidToken", 401, "invalid_token"),
        ("InsufficientUserAuthentication", 401, "insufficient_user_authentication"),
        ("InsufficientScope", 403, "insufficient_scope"),
    ],
)
def test_the_callers_faults(name, status, code):
    error = getattr(pyramid_oauthguard, name)("a_reason")
    assert isinstance(error, TokenError)
    assert isinstance(error, OAuthGuardError)
    assert (error.status, error.code, error.reason, str(error)) == (status, code, "a_reason", "a_reason")
    assert '"' not in error.description
    assert error.description.isascii()


def test_the_other_faults():
    assert not issubclass(UnavailableError, TokenError)
    assert not issubclass(SettingError, TokenError)
    error = UnavailableError("down", "https://issuer.test said no", retry_after=7)
    assert (error.status, error.reason, error.retry_after) == (503, "down", 7)
    assert str(error) == "down: https://issuer.test said no"
    assert str(UnavailableError("down")) == "down"
    assert InsufficientScope(scopes=("a",)).scopes == ("a",)


# ── as plain values, copied, pickled ─────────────────────────────────────────────────────────────────────────────

NESTED = MappingProxyType({
    "realm_access": MappingProxyType({"roles": ("admin", MappingProxyType({"deep": (1, None, True)}))}),
    "amr": ("pwd", "otp"),
    "empty": (),
})  # fmt: skip


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda token: pickle.loads(pickle.dumps(token))])  # noqa: S301
def test_a_token_with_nested_claims_is_copied_whole_and_stays_read_only(duplicate):
    token = make(claims=NESTED)
    derive(token, lambda _token: object())
    other = duplicate(token)
    assert other == token
    assert other.claims == NESTED
    assert hash(other) == hash(token)
    with pytest.raises(TypeError):
        other.claims["realm_access"]["roles"][1]["deep"] = ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        other.subject = "eve"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_token_is_pickled_under_each_protocol(protocol):
    token = make(claims=NESTED)
    assert pickle.loads(pickle.dumps(token, protocol)) == token  # noqa: S301  # our own bytes


def test_the_name_of_its_issuer_is_kept_and_may_be_missing_in_an_older_pickle():
    token = make(issuer_name="partner")
    assert token != make()
    assert pickle.loads(pickle.dumps(token)).issuer_name == "partner"  # noqa: S301  # our own bytes
    restore, (kind, members) = token.__reduce__()
    del members["issuer_name"]
    assert restore(kind, members) == make()


def test_a_subclass_is_copied_as_itself():
    class Special(AccessToken):
        pass

    members = {
        each.name: getattr(make(claims=NESTED), each.name) for each in dataclasses.fields(AccessToken) if each.init
    }
    assert type(copy.deepcopy(Special(**members))) is Special


def test_to_dict_is_what_json_can_write():
    token = make(claims=NESTED, audience=("api", "other"))
    plain = token.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["scopes"] == ["read", "write"]
    assert plain["audience"] == ["api", "other"]
    assert plain["claims"] == {
        "realm_access": {"roles": ["admin", {"deep": [1, None, True]}]},
        "amr": ["pwd", "otp"],
        "empty": [],
    }
    assert set(plain) == {each.name for each in dataclasses.fields(token) if each.init}


def test_what_to_dict_gives_belongs_to_the_caller():
    token = make(claims=NESTED)
    plain = token.to_dict()
    plain["claims"]["realm_access"]["roles"].append("root")
    plain["scopes"].append("admin")
    assert token.claims == NESTED
    assert not token.can("admin")
