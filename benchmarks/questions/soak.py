"""A minute of everything at once, on a real server: rotation, revocation, withdrawal and outage. How many decisions are wrong?

Eight clients send good and bad tokens all the while; one operator at the issuer rotates and withdraws keys, revokes tokens, and
breaks the issuer for a second or two at a time. Both sides write down when; what a decision had to be follows from that.
"""

from __future__ import annotations

import http.client
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..harness.guarded import CLAIMS
from ..harness.issuer import Issuer
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.subjects import OURS, Server, pin_load

__all__ = ["answer"]

_CLIENTS = 8
_LIFETIME, _COOLDOWN, _TIMEOUT = 5, 1, 0.5
_SETTINGS = {
    "oauthguard.cache.jwks.expiration_time": str(_LIFETIME),
    "oauthguard.cache.inactive.expiration_time": "1",
    "oauthguard.http.timeout": str(_TIMEOUT),
}
#: How long after an outage the guard may take to notice that it is over: a cool-down, or the circuit's pause.
_RECOVERY = 2.5
_FAULTS = ("reset", "slow", "broken", "garbage", "hang")


@dataclass(slots=True)
class _Key:
    """When a signing key was published, and withdrawn."""

    published_at: float
    withdrawn_at: float = math.inf
    known_at: float = math.inf  # the guard has let in a token of it


@dataclass(slots=True)
class _Token:
    raw: str
    key: _Key | None  # None: nobody may ever let it in
    revoking_at: float = math.inf
    revoked_at: float = math.inf


@dataclass(slots=True)
class _Outages:
    spans: list[list[float]] = field(default_factory=list)

    def overlaps(self, begun: float, ended: float) -> bool:
        """Whether the issuer was down in that time, or the guard may still have thought so."""
        return any(start <= ended and begun <= end + _RECOVERY for start, end in self.spans)

    def find_end(self, since: float) -> float:
        """When the issuer was reachable for good after ``since``."""
        return max([since, *(end for start, end in self.spans if end > since)])


class _Soak:
    def __init__(self, issuer: Issuer, port: int) -> None:
        self.issuer = issuer
        self.port = port
        self.counts: Counter[str] = Counter()
        self.outages = _Outages()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.keys = [_Key(time.monotonic())]
        self.tokens: list[_Token] = []
        self._kids = [self.issuer.call("issuer.jwks")["keys"][0]["kid"]]

    # ── the operator ─────────────────────────────────────────────────────────────────────────────────────

    def operate(self, seconds: float) -> None:
        """Something happens four times a second."""
        chance = random.Random(20261121)  # noqa: S311  # the same minute each time
        until = time.monotonic() + seconds
        self._mint()
        while time.monotonic() < until:
            time.sleep(0.25)
            what = chance.choices(
                (self._revoke, self._mint, self._rotate, self._withdraw, self._break), (6, 4, 1, 0.5, 0.8)
            )[0]
            what(chance)
            self.counts[what.__name__.strip("_")] += 1
        self.over.set()

    def _mint(self, _chance: Any = None) -> None:
        """Tokens of every sort, each as good as it will ever be."""
        key = self.keys[-1]
        good = [_Token(raw, key) for raw in self.issuer.mint(5, **CLAIMS)]
        bad = [
            self.issuer.call("issuer.mint_expired", scope="customer_api"),
            self.issuer.call("issuer.mint_foreign", **CLAIMS),
            self.issuer.call("issuer.mint_tampered", **CLAIMS),
            self.issuer.call("issuer.mint", CLAIMS, aud="https://another.test"),
            self.issuer.call("issuer.mint", CLAIMS, header={"kid": "unknown"}),
        ]
        with self.lock:
            self.tokens = [*self.tokens[-60:], *good, *(_Token(raw, None) for raw in bad)]

    def _revoke(self, chance: random.Random) -> None:
        with self.lock:
            alive = [each for each in self.tokens if each.key is not None and each.revoking_at == math.inf]
        if alive:
            token = chance.choice(alive)
            token.revoking_at = time.monotonic()
            self.issuer.call("issuer.revoke", token.raw)
            token.revoked_at = time.monotonic()

    def _rotate(self, _chance: random.Random) -> None:
        self.issuer.call("issuer.rotate")
        self._kids.append(self.issuer.call("issuer.jwks")["keys"][-1]["kid"])
        self.keys.append(_Key(time.monotonic()))
        self._mint()

    def _withdraw(self, _chance: random.Random) -> None:
        """The oldest key but the one that signs."""
        position = next((n for n, key in enumerate(self.keys[:-1]) if key.withdrawn_at == math.inf), None)
        if position is not None:
            self.keys[position].withdrawn_at = time.monotonic()
            self.issuer.call("issuer.withdraw", self._kids[position])

    def _break(self, chance: random.Random) -> None:
        span = [time.monotonic(), math.inf]
        self.outages.spans.append(span)
        self.issuer.fail(chance.choice(_FAULTS))
        time.sleep(chance.uniform(0.3, 2))
        self.issuer.heal()
        span[1] = time.monotonic()

    # ── the clients ──────────────────────────────────────────────────────────────────────────────────────

    def ask_on(self, seed: int) -> None:
        """One request after the other until it is over."""
        chance = random.Random(seed)  # noqa: S311  # the same minute each time
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.over.is_set():
            with self.lock:
                token = chance.choice(self.tokens) if self.tokens else None
            if token is None:
                time.sleep(0.01)
                continue
            path = chance.choice(("/local", "/remote"))
            begun = time.monotonic()
            connection.request("GET", path, headers={"Authorization": f"Bearer {token.raw}"})
            response = connection.getresponse()
            response.read()
            self._judge(token, path, response.status, begun, time.monotonic())

    def _judge(self, token: _Token, path: str, status: int, begun: float, ended: float) -> None:
        right = self._find_local(token, begun, ended) if path == "/local" else self._find_remote(token, begun, ended)
        wrong = ""
        if status not in right:
            wrong = "bad accepted" if status == 200 else "good refused" if 200 in right else "not as promised"
        with self.lock:
            self.counts["decisions"] += 1
            self.counts[f"{path} {status}"] += 1
            if wrong:
                self.counts[wrong] += 1
                self.counts[f"wrong: {path} {status}, right {sorted(right)}"] += 1
        if status == 200 and token.key is not None:
            token.key.known_at = min(token.key.known_at, ended)

    def _find_local(self, token: _Token, begun: float, ended: float) -> set[int]:
        """What may be answered to what the keys alone decide."""
        key = token.key
        if key is None:
            return {401, 503}
        down = self.outages.overlaps(begun, ended)
        # A withdrawn key stays good for the key set's life, which begins once the issuer can be asked.
        if begun > self.outages.find_end(key.withdrawn_at) + _LIFETIME + _RECOVERY and not down:
            return {401}
        right = {200}
        if ended >= key.withdrawn_at:
            right.add(401)
        # A key that signs from the moment it is published has to be found first, and unknown kids use up the attempts.
        if begun < key.known_at:
            settled = self.outages.find_end(key.published_at) + _COOLDOWN + _RECOVERY
            right |= {401, 503} if begun < settled or down else set()
        return right

    def _find_remote(self, token: _Token, begun: float, ended: float) -> set[int]:
        """And to what the issuer has to say at this moment. A revocation that was answered holds from then on."""
        key = token.key
        right = self._find_local(token, begun, ended)
        if self.outages.overlaps(begun, ended):
            right = right | {503}
        if key is None:
            return right
        gone = min(token.revoked_at, key.withdrawn_at + 0.1)
        if begun > gone:
            return (right - {200}) | {401}
        return right | {401} if ended >= min(token.revoking_at, key.withdrawn_at) else right


def answer(options: Options) -> Table:
    pin_load()
    seconds = 10 if options.quick else 60
    with Issuer(algorithm="ES256") as issuer, Server(OURS, issuer, cooldown=_COOLDOWN, **_SETTINGS) as server:
        soak = _Soak(issuer, server.port)
        clients = [threading.Thread(target=soak.ask_on, args=(seed,), daemon=True) for seed in range(_CLIENTS)]
        for client in clients:
            client.start()
        soak.operate(seconds)
        for client in clients:
            client.join(30)
    counts = soak.counts
    happened = ", ".join(f"{counts[name]} x {name}" for name in ("revoke", "rotate", "withdraw", "break"))
    answers = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if name.startswith("/"))
    wrong = "; ".join(f"{name} ({count})" for name, count in counts.items() if name.startswith("wrong"))
    rows = [
        Row("decisions", counts["decisions"], "", note=happened),
        Row("bad tokens accepted", counts["bad accepted"], "", at_most=0, note=answers),
        Row("good tokens refused", counts["good refused"], "", at_most=0, note=wrong),
        Row("neither as promised", counts["not as promised"], "", at_most=0),
    ]
    return Table(f"{seconds} seconds of rotation, revocation, withdrawal and outage: wrong decisions", rows)
