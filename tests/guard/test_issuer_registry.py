"""Which issuer a token names: one judges all tokens; of several, a token is shown to the one that it names."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from pyramid_oauthguard import AccessToken, InvalidToken
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.guard.verifiers.access_tokens import build_access_token
from pyramid_oauthguard.guard.verifiers.chosen import ChosenVerifier
from pyramid_oauthguard.interfaces import Credential
from pyramid_oauthguard.issuers.registry import Issuer, IssuerRegistry
from pyramid_oauthguard.jwt.jws import Jwt, parse_jwt
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.verifying import AMONG_OTHERS, build_verifier, find_reason

ONE, OTHER = MemoryIssuer("https://one.test"), MemoryIssuer("https://other.test")


class Recording:
    """A verifier that notes what it is shown, and remembers one header."""

    def __init__(self, issuer: MemoryIssuer) -> None:
        self._verifier = build_verifier(issuer)
        self._remembered: dict[str | None, AccessToken] = {}
        self.seen: list[str] = []

    def verify(self, credential: Credential, _jwt: Jwt | None = None) -> AccessToken:
        self.seen.append(credential.characters)
        token = self._remembered[f"Bearer {credential.characters}"] = self._verifier.verify(credential.characters)
        return token

    def recall(self, header: str | None) -> AccessToken | None:
        return self._remembered.get(header)


def show(raw: str) -> Credential:
    return Credential("Bearer", raw, "header")


def build(*issuers: MemoryIssuer, memory: int = 10) -> tuple[ChosenVerifier, list[Recording]]:
    verifiers = [Recording(each) for each in issuers]
    entries = [Issuer(None, each.identifier, {"local": one}) for each, one in zip(issuers, verifiers, strict=True)]
    return ChosenVerifier(IssuerRegistry(entries), "local", memory=memory), verifiers


def test_an_only_issuer_judges_every_token() -> None:
    chosen, (recording,) = build(ONE)
    assert chosen.verify(show(ONE.mint())).issuer == ONE.identifier
    for raw in (OTHER.mint(), "opaque", "a.b.c"):
        with pytest.raises(InvalidToken):
            chosen.verify(show(raw))
    assert len(recording.seen) == 4


def test_of_several_a_token_is_shown_to_the_one_that_it_names() -> None:
    chosen, recordings = build(ONE, OTHER)
    for issuer in (ONE, OTHER):
        assert chosen.verify(show(issuer.mint())).issuer == issuer.identifier
    assert [len(each.seen) for each in recordings] == [1, 1]


@pytest.mark.parametrize("iss", ["https://third.test", "https://one.test/", None, 7, ["https://one.test"], {}, True])
def test_of_several_a_token_that_names_none_of_them_is_shown_to_none(iss: Any) -> None:
    chosen, recordings = build(ONE, OTHER)
    with pytest.raises(InvalidToken) as caught:
        chosen.verify(show(ONE.mint({"iss": iss})))
    assert caught.value.reason == "wrong_issuer"
    for raw in ("opaque", "a.b.c", "e30.e30.AA", "", "x" * 300_000):
        with pytest.raises(InvalidToken):
            chosen.verify(show(raw))
    assert [each.seen for each in recordings] == [[], []]


@pytest.mark.parametrize("issuers", [[ONE], [ONE, OTHER], [OTHER, ONE]])
def test_what_one_of_them_remembers_is_recalled(issuers: list[MemoryIssuer]) -> None:
    chosen, _recordings = build(*issuers)
    raw = ONE.mint()
    token = chosen.verify(show(raw))
    assert chosen.recall(f"Bearer {raw}") is token
    assert chosen.recall("Bearer new") is None
    assert chosen.recall(None) is None


def test_a_remembered_token_is_not_taken_apart_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where events have subscribers, nobody has asked for remembered ones before."""
    chosen, recordings = build(ONE, OTHER)
    raw = ONE.mint()
    token = chosen.verify(show(raw))
    monkeypatch.setattr(IssuerRegistry, "choose", None)
    assert chosen.verify(show(raw)) is token
    assert [each.seen for each in recordings] == [[raw], []]


@pytest.mark.parametrize("memory", [0, 1, 3])
def test_who_verified_a_token_is_known_of_a_bounded_number(memory: int) -> None:
    chosen, recordings = build(ONE, OTHER, memory=memory)
    tokens = [issuer.mint() for issuer in (ONE, OTHER) * 5]
    for raw in tokens * 2:
        token = chosen.verify(show(raw))
        assert chosen.recall(f"Bearer {raw}") is token
        assert len(chosen._owners) <= max(memory, 1)
    assert [len({*each.seen}) for each in recordings] == [5, 5]


def test_who_no_longer_remembers_a_token_is_asked_once() -> None:
    chosen, (recording, _other) = build(ONE, OTHER)
    raw = ONE.mint()
    chosen.verify(show(raw))
    recording._remembered.clear()
    assert chosen.recall(f"Bearer {raw}") is None
    assert chosen._owners == {}
    token = chosen.verify(show(raw))
    assert chosen.recall(f"Bearer {raw}") is token


def test_the_parts_of_another_token_are_never_used() -> None:
    verify = build_verifier(ONE).verifier._verify_only
    ada, eve = ONE.mint(sub="ada"), ONE.mint(sub="eve")
    assert verify(show(ada), parse_jwt(eve)).subject == "ada"
    with pytest.raises(InvalidToken) as caught:
        verify(show(OTHER.mint(iss=ONE.identifier)), parse_jwt(eve))
    assert caught.value.reason == "unknown_key"


def test_claims_are_not_used_before_the_signature_is_good() -> None:
    chosen = build_verifier(ONE, **AMONG_OTHERS)
    head, _body, tail = ONE.mint(sub="ada").split(".")
    body = OTHER.mint(iss=ONE.identifier, sub="eve", exp=1, aud="x").split(".")[1]
    assert find_reason(chosen, f"{head}.{body}.{tail}") == "bad_signature"


@pytest.mark.parametrize("issuers", [[], [Issuer("a", "https://one.test", 1), Issuer("b", "https://one.test", 2)]])
def test_issuers_must_be_told_apart(issuers: list[Issuer[int]]) -> None:
    with pytest.raises(ValueError, match="identifiers of their own"):
        IssuerRegistry(issuers)


def test_a_token_knows_the_name_of_its_issuer() -> None:
    settings = parse_settings(ONE.settings)
    claims = {"iss": ONE.identifier, "aud": ONE.audience, "exp": int(time.time()) + 60}
    for name in (None, "partner"):
        named = replace(settings, issuer_name=name)
        token = build_access_token(dict(claims), named, mode="local", now=time.time())
        assert (token.issuer_name, token.to_dict()["issuer_name"]) == (name, name)
    assert build_verifier(ONE).verify(ONE.mint()).issuer_name is None
