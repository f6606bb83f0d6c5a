"""Callers of a service: programs, users, readers and forgers. Each judges the answers that it gets.

A caller does as a good client does: after no answer or 503 it asks again with the same token.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..asking import Address, Answer, ask, basic
from .record import UNAVAILABLE, Leniency, Record

__all__ = ["Crowd", "World"]

_PATIENCE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.2
_RETRY_SECONDS: Final = 0.5
#: How long a guard elsewhere may accept a token of a revoked key in a local check: docs/how-to/server/keys.md.
_KEY_LIFE_SECONDS: Final = 41.0
_SAMPLE: Final = 40
#: Rounds of a forger for each secret that it guesses.
_FORGERIES: Final = 30


@dataclass
class World:
    """What callers know.

    :ivar server: where tokens are issued.
    :ivar api: where they are used.
    :ivar given: the clients with their secrets, and a refresh token of each user.
    :ivar revoked: tokens whose revocation was confirmed.
    :ivar alive: tokens that were issued and not revoked, each with whom it is about.
    """

    server: Address
    api: Address
    given: Mapping[str, Any]
    record: Record = field(default_factory=Record)
    leniency: Leniency = field(default_factory=Leniency)
    revoked: deque[str] = field(default_factory=lambda: deque(maxlen=_SAMPLE))
    alive: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_SAMPLE))

    def use(self, path: str, raw: str) -> Answer:
        """Call the API with a token."""
        return self.ask(self.api, "GET", path, headers={"Authorization": f"Bearer {raw}"})

    def post(self, endpoint: str, client: str, **form: str) -> Answer:
        """Call an endpoint of the server as a client."""
        headers = basic(tuple(self.given[client]))
        return self.ask(self.server, "POST", f"/oauth/{endpoint}", form, headers=headers)

    def check_good(self, path: str, raw: str, who: str) -> Answer:
        """Use a good token: it must be accepted as that of its owner, or not decided."""
        revoked_before = self._find_revocation(raw)
        answer = self.use(path, raw)
        if answer.status == 200:
            if answer.body.get("who") != who:
                self.record.accuse(f"{path}: the token of {who} was taken for {answer.body.get('who')}")
            if revoked_before is not None and time.monotonic() - answer.seconds > revoked_before + _allow(path):
                self.record.accuse(f"{path}: accepted a token of a revoked key")
        elif answer.status not in UNAVAILABLE and not self._is_explained(raw, answer.status):
            self.record.accuse(f"{path}: {answer.status} for a good token of {who} {dict(answer.body)}")
        return answer

    def check_bad(self, path: str, raw: str, what: str) -> None:
        """Use a token that nobody may accept."""
        answer = self.use(path, raw)
        if answer.status != 401 and answer.status not in UNAVAILABLE:
            self.record.accuse(f"{path}: {answer.status} for {what}")

    def check_evidence(self) -> None:
        """What was confirmed must be so still: each revocation, and each token."""
        for raw in list(self.revoked):
            if self.use("/remote", raw).status == 200:
                self.record.lose("a revocation")
        for raw, who in list(self.alive):
            if self.use("/remote", raw).status == 401 and not self._is_explained(raw, 401):
                self.record.lose(f"a token of {who}")
        self.revoked.clear()
        self.alive.clear()

    def ask(self, address: Address, method: str, path: str, form: Any = None, **more: Any) -> Answer:
        answer = ask(address, method, path, form, limit=_PATIENCE_SECONDS, **more)
        self.record.note(answer)
        return answer

    def _find_revocation(self, raw: str) -> float | None:
        """When the key of a token was revoked; None: it was not."""
        keys = self.leniency.revoked_keys
        return keys.get(_read_header(raw).get("kid", "")) if keys else None

    def _is_explained(self, raw: str, status: int) -> bool:
        return status == 401 and (self.leniency.clock_moved or self._find_revocation(raw) is not None)


def _allow(path: str) -> float:
    return _KEY_LIFE_SECONDS if path == "/local" else 0.5


def _read_header(raw: str) -> dict[str, Any]:
    head = raw.partition(".")[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return found


class _Caller(threading.Thread):
    """Acts again and again until it is told to stop."""

    def __init__(self, world: World, stopped: threading.Event, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.world = world
        self.stopped = stopped

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self.act()
            except Exception as error:  # noqa: BLE001  # an answer that no client could read is wrong
                self.world.record.accuse(f"{self.name}: {type(error).__name__}: {error}")
            self.stopped.wait(_PAUSE_SECONDS)

    def act(self) -> None:
        raise NotImplementedError

    def require(self, answer: Answer, status: int, what: str) -> bool:
        """Whether the answer is the one that is due; it may also be missing."""
        if answer.status != status and answer.status not in UNAVAILABLE:
            self.world.record.accuse(f"{what}: {answer.status} {dict(answer.body)}")
        return answer.status == status


class _Program(_Caller):
    """Gets a token, uses it, and revokes every second one."""

    count = 0

    def act(self) -> None:
        world, who = self.world, self.world.given["program"][0]
        answer = world.post("token", "program", grant_type="client_credentials")
        if not self.require(answer, 200, "token"):
            self.stopped.wait(_RETRY_SECONDS)
            return
        raw = answer.body["access_token"]
        world.check_good("/local", raw, who)
        world.check_good("/remote", raw, who)
        self.count += 1
        if self.count % 2:
            world.alive.append((raw, who))
        elif self.require(world.post("revoke", "program", token=raw), 200, "revocation"):
            world.revoked.append(raw)
            world.check_bad("/remote", raw, "a revoked token")


class _User(_Caller):
    """Refreshes without end, and uses each access token."""

    def __init__(self, world: World, stopped: threading.Event, number: int) -> None:
        super().__init__(world, stopped, f"user-{number}")
        self._refresh_token = world.given["tokens"][number]

    def act(self) -> None:
        answer = self.world.post("token", "web", grant_type="refresh_token", refresh_token=self._refresh_token)
        if answer.status == 400 and answer.body.get("error") == "invalid_grant":
            self.world.record.end(f"{self.name}: {answer.body.get('error_description')}")
            self.stopped.wait()
        elif self.require(answer, 200, "refresh"):
            self._refresh_token = answer.body["refresh_token"]
            raw = answer.body["access_token"]
            self.world.check_good("/remote", raw, self.name)
            for _ in range(5):
                self.world.check_good("/local", raw, self.name)
                self.stopped.wait(_PAUSE_SECONDS)
        else:
            self.stopped.wait(_RETRY_SECONDS)


class _Forger(_Caller):
    """Tries a changed signature, another user in a signed token, and a wrong secret."""

    raw = ""
    count = 0

    def act(self) -> None:
        world = self.world
        if not self.raw:
            self.raw = world.post("token", "program", grant_type="client_credentials").body.get("access_token", "")
            return
        head, claims, signature = self.raw.split(".")
        changed = signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
        other = base64.urlsafe_b64encode(b'{"sub":"user-0","scope":"read","exp":9999999999}').rstrip(b"=").decode()
        path = random.choice(("/local", "/remote"))  # noqa: S311  # no secret
        world.check_bad(path, f"{head}.{claims}.{changed}", "a changed signature")
        world.check_bad(path, f"{head}.{other}.{signature}", "changed claims")
        world.check_bad(path, "x" * 40, "a token that nobody issued")
        if self.count % _FORGERIES == 0:
            self.guess()
        self.count += 1

    def guess(self) -> None:
        """Seldom enough that no limit is reached: the service has to compare."""
        world, form = self.world, {"grant_type": "client_credentials"}
        headers = basic((world.given["program"][0], "guess"))
        if world.ask(world.server, "POST", "/oauth/token", form, headers=headers).status == 200:
            world.record.accuse("token: 200 for a wrong secret")


class Crowd:
    """All callers, from ``with`` on."""

    def __init__(self, world: World, *, programs: int = 1, users: int = 3) -> None:
        self._stopped = threading.Event()
        self._callers: list[_Caller] = [
            *(_Program(world, self._stopped, f"program-{number}") for number in range(programs)),
            *(_User(world, self._stopped, number) for number in range(users)),
            _Forger(world, self._stopped, "forger"),
        ]

    def __enter__(self) -> None:
        for caller in self._callers:
            caller.start()

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        for caller in self._callers:
            caller.join(3 * _PATIENCE_SECONDS)
