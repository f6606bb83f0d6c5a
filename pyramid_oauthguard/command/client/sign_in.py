"""Signing a user in: through the browser of this machine, another device, or a pasted address."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ...client.errors import CommandError, DeniedError, RefusedError
from ...client.login import browser
from ...client.login.attempt import Attempt, build_attempt
from ...client.login.device import as_device_authorization, poll
from ...client.login.loopback import Answers, open_listener, parse_redirect_uri
from ...client.tokens import Tokens
from ...exit_status import TIMEOUT
from ..output import Console
from ..run import Run
from .qr_code import show_code

__all__ = ["FLOWS", "Wish", "sign_in"]

FLOWS: Final = ("auto", "loopback", "device", "paste")


Finish = Callable[[Tokens], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How the user is to sign in.

    :ivar redirect_uri: as it is registered for the client.
    :ivar timeout: seconds that the user has.
    :ivar extra: more parameters of the authorization request.
    :ivar finish: keeps the tokens, and returns the name of the user for the page in the browser.
    """

    redirect_uri: str
    timeout: float
    extra: Mapping[str, str]
    finish: Finish


def sign_in(run: Run, flow: str, wish: Wish) -> None:
    """Let the user sign in and agree, and finish with the tokens.

    :param flow: one of FLOWS; ``auto`` takes the browser where there is one, otherwise the device flow where the
        server offers it, otherwise a pasted address.
    :raises CommandError: denied, refused, too late.
    """
    parse_redirect_uri(wish.redirect_uri)
    try:
        _sign_in(run, flow, wish)
    except DeniedError as error:
        if error.told:
            run.console.show(f"The server says: {error.told}")
        raise


def _sign_in(run: Run, flow: str, wish: Wish) -> None:
    if flow == "auto":
        _sign_in_automatically(run, wish)
    elif flow == "device":
        wish.finish(_sign_in_on_another_device(run, wish.timeout))
    else:
        _sign_in_here(run, wish, paste=flow == "paste")


def _sign_in_automatically(run: Run, wish: Wish) -> None:
    if browser.is_available(run.environ):
        _sign_in_here(run, wish, paste=False)
        return
    if run.session.offers("device_authorization_endpoint"):
        try:
            tokens = _sign_in_on_another_device(run, wish.timeout)
        except RefusedError as error:
            if error.code not in ("unauthorized_client", "unsupported_grant_type"):
                raise
            run.console.say("The server does not let this client use the device flow.")
        else:
            wish.finish(tokens)
            return
    _sign_in_here(run, wish, paste=True)


def _sign_in_here(run: Run, wish: Wish, *, paste: bool) -> None:
    """The code grant (RFC 6749 section 4.1) with a listener; the port is open only during this call."""
    session, console = run.session, run.console
    session.require_endpoint("authorization_endpoint")
    deadline = time.monotonic() + wish.timeout
    answers: Answers = queue.SimpleQueue()
    with open_listener(wish.redirect_uri) as listener:
        attempt = build_attempt(session, listener.redirect_uri)
        console.protect(attempt.verifier)
        url = attempt.build_url(session, wish.extra)
        with listener.serve(attempt, answers) as ending:
            _open(console, url, attempt=attempt, answers=answers, paste=paste)
            code = _wait(console, answers, deadline)
            console.protect(code)
            ending.tell(wish.finish(attempt.redeem(session, code)))


def _open(console: Console, url: str, *, attempt: Attempt, answers: Answers, paste: bool) -> None:
    if paste:
        console.show("Open this address in a browser:")
        console.show_apart(url)
        console.show("Then paste the address at which the browser ends, even if it shows an error:")
        threading.Thread(target=_read_pasted, args=(console, attempt, answers), daemon=True).start()
    elif browser.open_url(url):
        console.say("The browser opens. If it does not, open this address:")
        if not console.quiet:
            console.show_apart(url)
    else:
        console.show("The browser could not be opened. Open this address:")
        console.show_apart(url)


def _read_pasted(console: Console, attempt: Attempt, answers: Answers) -> None:
    """Lines of standard input until one of them is an answer to the attempt; the listener still waits meanwhile."""
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            code = attempt.read_answer(_find_query(line.strip()))
        except CommandError as error:
            answers.put(error)
            return
        if code is not None:
            answers.put(code)
            return
        console.show("That is not the address of this sign-in. Paste the whole address, from http:// to its end:")


def _find_query(address: str) -> str:
    try:
        return urlsplit(address).query
    except ValueError:
        return ""


def _wait(console: Console, answers: Answers, deadline: float) -> str:
    with console.waiting("Waiting for the browser", deadline) as tick:
        while (left := deadline - time.monotonic()) > 0:
            tick()
            try:
                answer = answers.get(timeout=min(left, 0.5))
            except queue.Empty:
                continue
            if isinstance(answer, CommandError):
                raise answer
            return answer
    raise CommandError(TIMEOUT, "the sign-in did not end in time", "try again, or allow more time with --timeout")


def _sign_in_on_another_device(run: Run, timeout: float) -> Tokens:
    """The device grant (RFC 8628)."""
    console = run.console
    authorization = as_device_authorization(run.session.fetch_device_authorization(), run.metadata.issuer)
    deadline = time.monotonic() + min(authorization.expires_in, timeout)
    console.protect(authorization.device_code)
    console.show(f"Open {authorization.verification_uri} on any device and enter the code:")
    console.show_apart(authorization.user_code)
    if authorization.complete:
        console.show(f"Or open {authorization.complete} and compare the code.")
    show_code(console, authorization.complete or authorization.verification_uri)
    with console.waiting("Waiting for the other device", deadline) as tick:

        def sleep(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                tick()
                time.sleep(min(left, 0.5))

        return poll(run.session, authorization, deadline=deadline, sleep=sleep)
