"""What every token verifier must do. It may check more."""
# ruff: noqa: S101  # a suite is made of assertions; pytest rewrites them here, too

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final

import pytest

from ...access_token import AccessToken
from ...errors import InvalidToken, TokenError, UnavailableError
from ..issuer import MemoryIssuer

__all__ = ["VerifierContract"]

_BAD: Final[dict[str, Callable[[MemoryIssuer], str]]] = {
    "expired": lambda issuer: issuer.mint_expired(),
    "not yet valid": lambda issuer: issuer.mint(nbf=int(time.time()) + 3600),
    "signed by somebody else": lambda issuer: issuer.mint_foreign(),
    "changed after it was signed": lambda issuer: issuer.mint_tampered(),
    "of another issuer": lambda issuer: issuer.mint(iss="https://other.test"),
    "for another audience": lambda issuer: issuer.mint(aud="https://other.test"),
    "without an audience": lambda issuer: issuer.mint(aud=[]),
    "without an end": lambda issuer: issuer.mint(exp=None),
    "an ID token": lambda issuer: issuer.mint({"nonce": "n", "at_hash": "h"}, header={"typ": "JWT"}),
    "a refresh token": lambda issuer: issuer.mint(typ="Refresh"),
    "a logout token": lambda issuer: issuer.mint(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "bound to a key": lambda issuer: issuer.mint(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    "random characters": lambda _issuer: "dGhpcyBpcyBub3QgYSB0b2tlbg",
    "three random parts": lambda _issuer: "bm90.YQ.dG9rZW4",
    "not ASCII": lambda _issuer: "tök€n\udcff\0",
    "empty": lambda _issuer: "",
}


class VerifierContract:
    """The contract of :class:`~pyramid_oauthguard.interfaces.ITokenVerifier`, as tests.

    ::

        class TestMyVerifier(VerifierContract):
            mode = "mine"

            def make_verifier(self, issuer):
                return MyVerifier(issuer)

    :cvar mode: what ``AccessToken.mode`` must say, or None if it may say anything.
    """

    mode: ClassVar[str | None] = None

    def make_verifier(self, issuer: MemoryIssuer) -> Any:
        """A new verifier that trusts ``issuer`` for ``issuer.audience``; with nothing remembered."""
        raise NotImplementedError

    @pytest.fixture
    def issuer(self) -> MemoryIssuer:
        """The issuer that the verifier under test trusts."""
        return MemoryIssuer()

    @pytest.fixture
    def verifier(self, issuer: MemoryIssuer) -> Any:
        """The verifier under test."""
        return self.make_verifier(issuer)

    def test_a_good_token_becomes_an_access_token(self, verifier: Any, issuer: MemoryIssuer) -> None:
        raw = issuer.mint(sub="ada", client_id="app", scope="read write", jti="number-1")
        token = verifier.verify(raw)
        assert isinstance(token, AccessToken)
        assert (token.subject, token.client_id, token.token_id) == ("ada", "app", "number-1")
        assert token.scopes == {"read", "write"}
        assert token.audience == (issuer.audience,)
        assert token.issuer == issuer.identifier
        assert token.expires_at > time.time()
        assert self.mode is None or token.mode == self.mode

    def test_a_good_token_is_good_twice(self, verifier: Any, issuer: MemoryIssuer) -> None:
        raw = issuer.mint()
        assert verifier.verify(raw) == verifier.verify(raw)

    @pytest.mark.parametrize("flaw", _BAD)
    def test_a_bad_token_is_refused(self, verifier: Any, issuer: MemoryIssuer, flaw: str) -> None:
        raw = _BAD[flaw](issuer)
        verifier.verify(issuer.mint())  # what was learnt from a good token must not help a bad one
        for _again in range(2):
            with pytest.raises(InvalidToken):
                verifier.verify(raw)

    @pytest.mark.parametrize("flaw", _BAD)
    def test_a_refusal_does_not_show_the_token(self, verifier: Any, issuer: MemoryIssuer, flaw: str) -> None:
        raw = _BAD[flaw](issuer)
        with pytest.raises(TokenError) as caught:
            verifier.verify(raw)
        shown = f"{caught.value!s} {caught.value!r} {caught.value.reason}"
        assert not raw or raw not in shown
        assert all(part not in shown for part in raw.split(".") if len(part) > 4)

    def test_what_was_verified_cannot_be_changed(self, verifier: Any, issuer: MemoryIssuer) -> None:
        token = verifier.verify(issuer.mint(groups=["a", {"b": ["c"]}]))
        with pytest.raises(dataclasses.FrozenInstanceError):
            token.subject = "root"
        with pytest.raises(TypeError):
            token.claims["sub"] = "root"
        with pytest.raises(TypeError):
            token.claims["groups"][1]["b"] = "root"

    def test_an_issuer_that_is_down_is_not_reported_as_a_bad_token(self, verifier: Any, issuer: MemoryIssuer) -> None:
        with issuer.outage(), pytest.raises(UnavailableError):
            verifier.verify(issuer.mint())

    def test_an_issuer_that_came_back_is_asked_again(self, verifier: Any, issuer: MemoryIssuer) -> None:
        raw = issuer.mint()
        assert verifier.verify(raw).subject == "test-user"
        with issuer.outage():
            pass
        assert verifier.verify(raw).subject == "test-user"

    def test_many_threads_share_it(self, verifier: Any, issuer: MemoryIssuer) -> None:
        raws = [issuer.mint(sub=f"user-{number}") for number in range(16)]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda raw: verifier.verify(raw).subject, raws * 4))
        assert found == [f"user-{number}" for number in range(16)] * 4
