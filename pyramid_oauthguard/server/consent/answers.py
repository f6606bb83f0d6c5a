"""How the answer to an authorization request gets to its client: in the query of a redirect (RFC 6749 section 4.1.2), or
in a form that the browser posts to the redirect URI (OAuth 2.0 Form Post Response Mode)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from pyramid.request import Request

from ..clients.redirect_uris import build_answer_uri
from ..grants.authorization_code import FORM_POST
from .naming import describe_destination
from .pages import CONTENT_POLICY, redirect, render_page

__all__ = ["answer_client"]

# As on the other pages there is no form-action: browsers would hold the client's own redirect after the form to it as well.
#: Sends the form at once. It has no character that HTML escapes. The policy of the page allows it by its hash.
_SCRIPT: Final = "document.forms.answer.submit()"
_HASH: Final = base64.b64encode(sha256(_SCRIPT.encode()).digest()).decode()


def answer_client(request: Request, redirect_uri: str, mode: str, parameters: Mapping[str, str | None]) -> Any:
    """The response that takes these parameters to a client; those that are None are left out.

    :param redirect_uri: one that the client has registered.
    :param mode: see :func:`~pyramid_oauthguard.server.grants.authorization_code.choose_mode`.
    """
    if mode == FORM_POST:
        return _show_form(request, redirect_uri, parameters)
    return redirect(build_answer_uri(redirect_uri, parameters))


def _show_form(request: Request, redirect_uri: str, parameters: Mapping[str, str | None]) -> Any:
    """A page that posts the form by itself, or when the user presses its button."""
    fields = {name: value for name, value in parameters.items() if value is not None}
    destination = describe_destination(redirect_uri)
    how: dict[str, Any] = {"action": redirect_uri, "fields": fields, "destination": destination.host, "script": _SCRIPT}
    response = render_page(request, "form_post", **how)
    response.headers["Content-Security-Policy"] = f"{CONTENT_POLICY}; script-src 'sha256-{_HASH}'"
    return response
