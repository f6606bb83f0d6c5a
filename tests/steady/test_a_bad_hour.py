"""An hour of rotations, withdrawals, revocations, outages and nonsense in any order: no wrong decision."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass

import pytest

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.interfaces import KeyDocument
from pyramid_oauthguard.testing import MemoryIssuer, SigningKey
from tests.steady.apps import ALGORITHM, DAY, Distant, build_trusting

pytestmark = pytest.mark.slow

LIFETIME = 300
COOLDOWN = 30
STEP = 30


class Moody(Distant):
    """An issuer that is sometimes not itself."""

    mood = "well"

    def fetch_keys(self):
        document = super().fetch_keys()
        self._suffer()
        odd = {"empty": (), "nonsense": ("x", {"kty": "RSA"}), "symmetric": ({"kty": "oct", "k": "AAAA"},)}
        return KeyDocument(odd[self.mood]) if self.mood in odd else document

    def introspect(self, raw):
        answer = super().introspect(raw)
        self._suffer()
        return answer

    def _suffer(self):
        if self.mood == "down":
            raise UnavailableError("unreachable")
        if self.mood == "raving":
            raise RuntimeError("not a word of sense")


MOODS = ["well", "well", "well", "down", "raving", "empty", "nonsense", "symmetric"]


@dataclass
class Key:
    token: str
    native: SigningKey
    published_at: float
    seen: bool = False  # accepted once
    withdrawn_at: float | None = None


class Hour:
    def __init__(self, clock, seed):
        self.random = random.Random(seed)  # noqa: S311  # the same hour each time
        self.clock = clock
        self.issuer = Moody()
        self.api = build_trusting(
            self.issuer, cache__jwks__expiration_time=LIFETIME, cache__inactive__expiration_time=0
        )
        self.stranger = MemoryIssuer("https://stranger.test", algorithm=ALGORITHM)
        self.well_since = time.time()
        self.keys = []
        self.add_key()
        self.opaque = {self.mint_opaque(): False for _ in range(3)}  # revoked?
        self.api.ask("local", self.keys[0].token)
        self.keys[0].seen = True

    def add_key(self):
        if self.keys:
            self.issuer.rotate()
        self.keys.append(Key(self.issuer.mint(exp=time.time() + DAY), self.issuer.signing_key, time.time()))

    def mint_opaque(self):
        return self.issuer.mint_opaque(exp=time.time() + DAY)

    def happen(self):
        event = self.random.choice(["mood", "mood", "rotate", "withdraw", "revoke", "nothing"])
        if event == "mood":
            before, self.issuer.mood = self.issuer.mood, self.random.choice(MOODS)
            if self.issuer.mood == "well" != before:
                self.well_since = time.time()
        if event == "rotate" and len(self.keys) < 8:
            self.add_key()
        if event == "withdraw":
            published = [key for key in self.keys[:-1] if key.withdrawn_at is None]
            if published:
                gone = self.random.choice(published)
                gone.withdrawn_at = time.time()
                self.issuer.withdraw(gone.native.kid)
        if event == "revoke":
            raw = self.random.choice(list(self.opaque))
            self.issuer.revoke(raw)
            self.opaque[raw] = True

    def pass_by(self):
        """Time passes, somebody uses the application, what that starts in the background comes to its end."""
        self.clock.shift(self.random.randint(1, STEP))
        self.api.ask("local", self.keys[-1].token)
        for thread in threading.enumerate():
            if thread.name == "oauthguard-keys":
                thread.join(10)

    def check(self):
        now = time.time()
        well = self.issuer.mood == "well"
        for key in self.keys:
            status = self.api.ask("local", key.token)
            if key.withdrawn_at is None:
                # A new key has to wait for the next attempt: a cool-down and the pauses between requests.
                due = well and now > max(key.published_at, self.well_since) + COOLDOWN + 2 * STEP
                key.seen = key.seen or due or status == 200
                assert status == 200 or not key.seen, "a good token was refused"
            elif well and now > max(key.withdrawn_at + LIFETIME, self.well_since + COOLDOWN + STEP) + STEP:
                assert status == 401, "a withdrawn key lives on"
        mine = self.random.choice(self.keys).native
        forged = self.issuer.mint(key=SigningKey(mine.kid, mine.algorithm, self.stranger.signing_key.native))
        assert self.api.ask("local", forged) in {401, 503}, "a forged token was accepted"
        answers = self.issuer.mood not in {"down", "raving"}
        for raw, revoked in self.opaque.items():
            assert self.api.ask("remote", raw) == ((401 if revoked else 200) if answers else 503)


@pytest.mark.promise("GD-17", "GD-20", "GD-21")
@pytest.mark.parametrize("seed", range(4))
def test_an_hour_of_everything_without_a_wrong_decision(clock, seed):
    hour = Hour(clock, seed)
    end = time.time() + 3_600
    while time.time() < end:
        hour.happen()
        hour.pass_by()
        hour.check()
    assert len(hour.keys) > 5
    assert any(key.withdrawn_at for key in hour.keys)
