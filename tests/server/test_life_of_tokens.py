"""Whatever happens in whatever order: no token is active that a simple model says is dead, and none dead that should live.

The model knows three rules. A token lives from when it was made until it expires. It dies with its grant, its client and,
for as long as the application says so, its user. A code or a device code that comes a second time ends its grant, if its
client sends it, with its verifier and before it expires. So does a refresh token, but for the moment in which it may be sent
again.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from webtest import TestApp

from pyramid_oauthguard.server.store.records import AccessTokenRecord
from pyramid_oauthguard.server.tokens.status import find_token, is_active
from tests.server.conftest import basic
from tests.server.flows import Flow, build_flow, read_answer

pytestmark = pytest.mark.slow

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CODE_LIFE, DEVICE_LIFE, ACCESS_LIFE, GRACE = 60, 600, 600, 10
IDLE, MAX_AGE = 14 * 86400, 90 * 86400
USERS = ("anna", "berta")
CLIENTS = ("web", "native")


@dataclass(eq=False)
class Grant:
    """What a user allowed a client; None stands for the user of a client's own token."""

    client: str
    user: str | None
    began: float
    ended: bool = False


@dataclass(eq=False)
class Ticket:
    """A code, or the code of a device that was approved: good for tokens once."""

    text: str
    grant: Grant
    expires: float
    used: bool = False


@dataclass(eq=False)
class Token:
    text: str
    grant: Grant
    expires: float
    used: float | None = None
    successor: Token | None = field(default=None, repr=False)

    @property
    def refreshes(self) -> bool:
        return self.text.startswith("ogrt_")


class LifeOfTokens(RuleBasedStateMachine):
    """Drives the server over its endpoints, with users and clients of its own in each run."""

    flow: ClassVar[Flow]
    clock: ClassVar[Any]
    runs: ClassVar[Any] = itertools.count()

    codes = Bundle("codes")
    devices = Bundle("devices")
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        run = next(self.runs)
        self.names = {user: f"{user}-{run}" for user in USERS}
        how: dict[str, Any] = {
            "scopes": ["read", "write"],
            "redirect_uris": ["https://app.example/", "http://127.0.0.1/"],
        }
        grants = ["authorization_code", "refresh_token", "device_code"]
        create = self.flow.server.clients.create
        self.made = {
            "web": create("Web", grants=[*grants, "client_credentials"], **how),
            "native": create("Native", grants=grants, public=True, **how),
        }
        self.ended: set[str] = set()
        self.flow.people.gone.clear()
        self.all: list[Token] = []
        self.grants: list[Grant] = []
        self.tickets: list[Ticket] = []

    # What the model knows.

    def may_act(self, grant: Grant) -> bool:
        gone = grant.user is not None and self.names[grant.user] in self.flow.people.gone
        return not (grant.ended or grant.client in self.ended or gone)

    def lives(self, token: Token) -> bool:
        return token.used is None and time.time() < token.expires and self.may_act(token.grant)

    def add(self, grant: Grant, answer: dict[str, Any]) -> list[Token]:
        """The tokens of an answer that are new."""
        now = time.time()
        made = [Token(answer["access_token"], grant, int(now) + ACCESS_LIFE)]
        known = {token.text for token in self.all}
        if "refresh_token" in answer and answer["refresh_token"] not in known:
            made.append(Token(answer["refresh_token"], grant, min(now + IDLE, grant.began + MAX_AGE)))
        self.all += made
        return made

    # What clients do.

    def post(self, path: str, client: str, form: dict[str, str]) -> Any:
        made = self.made[client]
        if made.secret is None:
            body, headers = {**form, "client_id": made.client.client_id}, {}
        else:
            body, headers = form, basic(made.client.client_id, made.secret)
        answer = TestApp(self.flow.server.app.app).post(f"/oauth/{path}", body, headers=headers, status="*")
        if client in self.ended:
            assert answer.status_int == 401
        assert answer.status_int in {200, 400, 401}
        return answer

    def present(self, ticket: Ticket, client: str, form: dict[str, str], *, sound: bool = True) -> list[Token]:
        """Send a code; what the model expects of it is the same for both kinds."""
        answer = self.post("token", client, form)
        if client != ticket.grant.client or client in self.ended:
            expected = 401 if client in self.ended else 400
        elif ticket.used:
            ticket.grant.ended = ticket.grant.ended or (sound and time.time() < ticket.expires)
            expected = 400
        else:
            good = sound and time.time() < ticket.expires and self.may_act(ticket.grant)
            expected = 200 if good else 400
        assert answer.status_int == expected, answer
        if expected != 200:
            return []
        ticket.used = True
        self.tickets.append(ticket)
        return self.add(ticket.grant, answer.json)

    @rule(
        target=codes,
        client=st.sampled_from(CLIENTS),
        user=st.sampled_from(USERS),
        scope=st.sampled_from(["read", "read write"]),
    )
    def authorize(self, client: str, user: str, scope: str) -> Any:
        code = self.ask(client, user, scope)
        return multiple() if code is None else code

    def ask(self, client: str, user: str, scope: str) -> Ticket | None:
        uri = "https://app.example/" if client == "web" else "http://127.0.0.1/"
        ask = self.flow.ask(self.made[client], scope=scope, redirect_uri=uri)
        browser = self.flow.sign_in(self.names[user])
        page = browser.get("/oauth/authorize", ask, status="*")
        if client in self.ended:
            assert page.status_int == 400
            return None
        if self.names[user] in self.flow.people.gone:
            assert read_answer(page)["error"] == "access_denied"
            return None
        if page.status_int == 200:
            page = page.form.submit("decision", value="allow")
        self.grants.append(grant := Grant(client, user, time.time()))
        return Ticket(read_answer(page)["code"], grant, time.time() + CODE_LIFE)

    @rule(
        target=tokens,
        code=codes,
        client=st.none() | st.sampled_from(CLIENTS),
        verifier=st.sampled_from(["v" * 43] * 4 + ["w" * 43]),
    )
    def redeem_code(self, code: Ticket, client: str | None, verifier: str) -> Any:
        return multiple(*self.redeem(code, client, verifier))

    def redeem(self, code: Ticket, client: str | None, verifier: str) -> list[Token]:
        uri = "https://app.example/" if code.grant.client == "web" else "http://127.0.0.1/"
        form = {"grant_type": "authorization_code", "code": code.text, "redirect_uri": uri, "code_verifier": verifier}
        sound = verifier == "v" * 43
        return self.present(code, client or code.grant.client, form, sound=sound)

    @initialize(target=tokens)
    def begin(self) -> Any:
        return multiple(*self.sign_in("web", "anna"), *self.sign_in("native", "berta"))

    @rule(target=tokens, client=st.sampled_from(CLIENTS), user=st.sampled_from(USERS))
    def log_in(self, client: str, user: str) -> Any:
        return multiple(*self.sign_in(client, user))

    def sign_in(self, client: str, user: str) -> list[Token]:
        code = self.ask(client, user, "read write")
        return [] if code is None else self.redeem(code, None, "v" * 43)

    @precondition(lambda self: any(ticket.used and self.may_act(ticket.grant) for ticket in self.tickets))
    @rule(data=st.data())
    def present_again(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from([each for each in self.tickets if each.used and self.may_act(each.grant)]))
        if ticket.text.startswith("ogdc_"):
            self.poll(ticket, None)
        else:
            self.redeem(ticket, None, "v" * 43)

    @rule(target=devices, client=st.sampled_from(CLIENTS), user=st.sampled_from(USERS))
    def approve_device(self, client: str, user: str) -> Any:
        answer = self.post("device_authorization", client, {"scope": "read"})
        if client in self.ended:
            return multiple()
        began = time.time()
        page = self.flow.sign_in(self.names[user]).get("/oauth/device")
        page.form["user_code"] = answer.json["user_code"]
        page = page.form.submit()
        if self.names[user] in self.flow.people.gone:
            assert "Device not connected" in page.follow().text
            return multiple()
        page.form.submit("decision", value="allow", status=303)
        self.grants.append(grant := Grant(client, user, began))
        return Ticket(answer.json["device_code"], grant, began + DEVICE_LIFE)

    @rule(target=tokens, device=devices, client=st.none() | st.sampled_from(CLIENTS))
    def poll_device(self, device: Ticket, client: str | None) -> Any:
        return multiple(*self.poll(device, client))

    def poll(self, device: Ticket, client: str | None) -> list[Token]:
        form = {"grant_type": DEVICE, "device_code": device.text}
        return self.present(device, client or device.grant.client, form)

    @precondition(lambda self: self.find(used=False))
    @rule(
        target=tokens,
        data=st.data(),
        scope=st.sampled_from([None, "read"]),
        again=st.sampled_from([None, 0, GRACE - 1, GRACE]),
        onwards=st.booleans(),
    )
    def refresh(self, data: st.DataObject, scope: str | None, again: int | None, onwards: bool) -> Any:
        """Refresh; with ``again`` send the same token once more so many seconds later, with ``onwards`` use the new one first."""
        token = data.draw(st.sampled_from(self.find(used=False)))
        made = self.send(token, None, scope)
        if again is not None:
            self.clock.shift(again)
            made += self.send(made[-1], None, None) if onwards and made else []
            made += self.send(token, None, None)
        return multiple(*made)

    @precondition(lambda self: self.find(used=True))
    @rule(target=tokens, data=st.data())
    def refresh_again(self, data: st.DataObject) -> Any:
        return multiple(*self.send(data.draw(st.sampled_from(self.find(used=True))), None, None))

    @rule(target=tokens, token=tokens, client=st.none() | st.sampled_from(CLIENTS))
    def refresh_with_anything(self, token: Token, client: str | None) -> Any:
        return multiple(*self.send(token, client, None))

    def find(self, *, used: bool) -> list[Token]:
        """The refresh tokens that could still do something."""
        found = [token for token in self.all if token.refreshes and (token.used is not None) is used]
        return [token for token in found if self.may_act(token.grant)]

    def send(self, token: Token, client: str | None, scope: str | None) -> list[Token]:
        """Send a refresh token, or what a client takes for one."""
        client, now = client or token.grant.client, time.time()
        form = {"grant_type": "refresh_token", "refresh_token": token.text, **({"scope": scope} if scope else {})}
        answer = self.post("token", client, form)
        grant, expected = token.grant, 400
        if client in self.ended:
            expected = 401
        elif client == grant.client and token.refreshes and not grant.ended:
            following = token.successor
            shielded = following is not None and now - (token.used or 0) < GRACE and following.used is None
            shielded = shielded and following is not None and now < following.expires
            if token.used is not None and not shielded:
                grant.ended = True
            elif (shielded or now < token.expires) and now < grant.began + MAX_AGE and self.may_act(grant):
                expected = 200
        assert answer.status_int == expected, answer
        if expected != 200:
            return []
        made = self.add(grant, answer.json)
        if token.used is None:
            token.used, token.successor = now, made[1]
        else:
            assert answer.json["refresh_token"] == token.successor.text
        return made

    @rule(target=tokens)
    def act_for_itself(self) -> Any:
        answer = self.post("token", "web", {"grant_type": "client_credentials"})
        if "web" in self.ended:
            return multiple()
        return multiple(*self.add(Grant("web", None, time.time()), answer.json))

    @rule(
        token=tokens,
        client=st.none() | st.sampled_from(CLIENTS),
        hint=st.sampled_from(["", "access_token", "refresh_token"]),
    )
    def revoke(self, token: Token, client: str | None, hint: str) -> None:
        client = client or token.grant.client
        answer = self.post("revoke", client, {"token": token.text, "token_type_hint": hint})
        if client in self.ended:
            return
        assert answer.status_int == (200 if client == token.grant.client else 400)
        if client == token.grant.client:
            token.grant.ended = True

    # What people do.

    @rule(
        client=st.sampled_from(CLIENTS),
        user=st.sampled_from(USERS),
        what=st.sampled_from(["withdraw", "disable", "revoke"]),
    )
    def interfere(self, client: str, user: str, what: str) -> None:
        if what == "withdraw":
            self.withdraw(client, user)
        elif what == "disable":
            self.flow.people.gone ^= {self.names[user]}
        elif client not in self.ended and len(self.grants) > 4:
            self.flow.server.clients.revoke(self.made[client].client.client_id)
            self.ended.add(client)

    def withdraw(self, client: str, user: str) -> None:
        page = self.flow.sign_in(self.names[user]).get("/oauth/applications")
        names = [heading.text for heading in page.html.find_all("h2")]
        theirs = [grant for grant in self.grants if (grant.client, grant.user) == (client, user)]
        if client.title() in names:
            page.forms[names.index(client.title())].submit(status=303)
            for grant in theirs:
                grant.ended = True
        else:
            live = [grant for grant in theirs if not grant.ended]
            assert client in self.ended or not live, "an application that has tokens is on the page"

    @rule(seconds=st.sampled_from([1, 5, 9, 10, 11, 59, 60, 600, 86400, IDLE - 1, IDLE]))
    def wait(self, seconds: int) -> None:
        self.clock.shift(seconds)

    # What must be true whenever anyone looks.

    @invariant()
    def the_server_agrees(self) -> None:
        service = self.flow.server.service
        with service.store.reading() as unit:
            for token in self.all:
                found = find_token(unit, service.pepper, token.text, None)
                assert found is not None
                if isinstance(found, AccessTokenRecord):
                    assert is_active(found, service) is self.lives(token), token
                else:
                    assert (self.flow.server.find_refresh_token(token.text) is not None) is self.lives(token), token

    @invariant()
    def of_a_grant_one_refresh_token_is_live(self) -> None:
        live = [token.grant for token in self.all if token.refreshes and self.lives(token)]
        assert len(live) == len(set(live))

    def teardown(self) -> None:
        for token in self.all:
            assert self.flow.is_active(token.text) is self.lives(token)


@pytest.mark.timeout(900)  # a failure is looked at until it is short
@pytest.mark.promise("AS-09", "AS-40", "TK-04", "TK-05", "TK-08", "IN-03", "RV-41", "RV-03")
def test_no_token_lives_or_dies_against_the_rules(build):
    LifeOfTokens.flow = build_flow(build)
    with time_machine.travel(int(time.time()), tick=False) as clock:
        LifeOfTokens.clock = clock
        run_state_machine_as_test(
            LifeOfTokens,
            settings=settings(
                max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
