"""Signing a user in: through the browser of this machine, another device, or a pasted address."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from ...client.errors import CommandError, RefusedError
from ...client.login import browser
from ...client.login.attempt import Attempt, build_attempt
from ...client.login.device import as_device_authorization, poll
from ...client.login.loopback import Answers, open_listener, parse_redirect_uri
from ...client.tokens import Tokens
from ...exit_status import TIMEOUT
from ..output import Console
from ..run import Run

__all__ = ["FLOWS", "sign_in"]

FLOWS: Final = ("auto", "loopback", "device", "paste")


def sign_in(run: Run, flow: str, *, redirect_uri: str, timeout: float, extra: Mapping[str, str]) -> Tokens:
    """Let the user sign in and agree. The tokens.

    :param flow: one of FLOWS; ``auto`` takes the browser where there is one, else the device flow where the
        server offers it, else a pasted address.
    :param timeout: seconds that the user has.
    :param extra: more parameters of the authorization request.
    :raises CommandError: denied, refused, too late.
    """
    parse_redirect_uri(redirect_uri)
    if flow == "auto":
        return _sign_in_automatically(run, redirect_uri, timeout, extra)
    if flow == "device":
        return _sign_in_on_another_device(run, timeout)
    return _sign_in_here(run, redirect_uri, timeout, extra, paste=flow == "paste")


def _sign_in_automatically(run: Run, redirect_uri: str, timeout: float, extra: Mapping[str, str]) -> Tokens:
    if browser.is_available(run.environ):
        return _sign_in_here(run, redirect_uri, timeout, extra, paste=False)
    if run.session.offers("device_authorization_endpoint"):
        try:
            return _sign_in_on_another_device(run, timeout)
        except RefusedError as error:
            if error.code not in ("unauthorized_client", "unsupported_grant_type"):
                raise
            run.console.say("The server does not let this client use the device flow.")
    return _sign_in_here(run, redirect_uri, timeout, extra, paste=True)


def _sign_in_here(run: Run, redirect_uri: str, timeout: float, extra: Mapping[str, str], *, paste: bool) -> Tokens:
    """The code grant (RFC 6749 section 4.1) with a listener; the port is open only during this call."""
    session, console = run.session, run.console
    session.require_endpoint("authorization_endpoint")
    deadline = time.monotonic() + timeout
    answers: Answers = queue.SimpleQueue()
    with open_listener(redirect_uri) as listener:
        attempt = build_attempt(session, listener.redirect_uri)
        console.protect(attempt.verifier)
        url = attempt.build_url(session, extra)
        with listener.serve(attempt, answers):
            _open(console, url, attempt=attempt, answers=answers, paste=paste)
            code = _wait(console, answers, deadline)
    console.protect(code)
    return attempt.redeem(session, code)


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
    """Lines of standard input until one of them is an answer to the attempt; the listener goes on meanwhile."""
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
    with console.waiting("Waiting for the other device", deadline) as tick:

        def sleep(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                tick()
                time.sleep(min(left, 0.5))

        return poll(run.session, authorization, deadline=deadline, sleep=sleep)
