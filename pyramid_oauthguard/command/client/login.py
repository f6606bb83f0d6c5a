"""``oauthguard login``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import click

from ...client.errors import CommandError
from ...client.identity import fetch_identity, find_name
from ...client.storage.profiles import Profile, as_profile_name
from ...client.text import is_utf8
from ...client.tokens import Tokens
from ...exit_status import USAGE
from ..output import format_moment
from ..parameters import DURATION, client_options, pass_run
from ..run import Run
from .known_by_url import prepare
from .missing import ask_for_missing
from .sign_in import FLOWS, Wish, sign_in

# The sign-in sets these itself; another value would disable a protection.
_OURS = frozenset(
    ["client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_mode", "response_type", "state"]
)


@click.command()
@click.argument("url", required=False)
@click.option(
    "--flow",
    type=click.Choice(FLOWS),
    default="auto",
    show_default=True,
    help="The browser here, a code for another device, or an address to paste.",
)
@click.option(
    "--timeout",
    type=DURATION,
    default="5m",
    show_default=True,
    help="How long the user has to sign in: 90s, 5m, at most 1h.",
)
@click.option(
    "--redirect-uri",
    metavar="URI",
    default="http://127.0.0.1/callback",
    show_default=True,
    help="As registered for the client; without a port a random one is used. http://[::1]/callback for IPv6.",
)
@click.option(
    "--store", type=click.Choice(["auto", "keyring", "file"]), default="auto", help="Where the tokens are kept."
)
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="One more parameter of the authorization request."
)
@client_options
@pass_run
def login(  # click gives each option by its name
    run: Run, url: str | None, flow: str, timeout: float, redirect_uri: str, store: str, params: tuple[str, ...]
) -> None:
    """Sign in as a user and keep the tokens under a profile.

    With the URL of an API, issuer, resource and scopes are found out from its answers, and this command registers itself
    where no client is known and the server allows it.

    Authorization code with PKCE through the system's browser and a port of this machine that is open for the attempt only
    (RFC 8252), or the device flow (RFC 8628).

    \b
    Examples:
      Any API that says where its tokens come from (RFC 9728), such as an MCP server:
        oauthguard login https://api.example.com/mcp
      The example application:
        oauthguard login --issuer http://localhost:6543 --client-id customer-cli
      Okta (native application, this redirect URI registered):
        oauthguard login --issuer https://ID.okta.com/oauth2/default --client-id ID
            --scope 'openid offline_access' --redirect-uri http://127.0.0.1:8765/callback
      Auth0 (native application; mind the slash at the issuer's end):
        oauthguard login --issuer https://TENANT.auth0.com/ --client-id ID
            --audience https://api.example.com --scope 'openid offline_access'
            --redirect-uri http://127.0.0.1:8765/callback
      Keycloak (public client, valid redirect URI http://127.0.0.1/*):
        oauthguard login --issuer https://HOST/realms/REALM --client-id ID
      WSO2 Identity Server (callback regexp=http://127.0.0.1:[0-9]+/callback):
        oauthguard login --issuer https://HOST:9443/oauth2/token --client-id ID
            --ca-file wso2.pem

    On a terminal, it asks for the issuer and the client id if they are missing.
    """
    if params and flow == "device":
        raise CommandError(USAGE, "--param is for the authorization request, which --flow device does not send")
    as_profile_name(run.profile_name)
    run.store.check_place()  # before the user is sent away: a server gives the tokens once
    if url is not None:
        prepare(run, url, redirect_uri)
    ask_for_missing(run)
    extra = _as_params(params, run.options.scope)
    wish = Wish(
        redirect_uri=redirect_uri, timeout=timeout, extra=extra, finish=lambda tokens: _finish(run, tokens, store)
    )
    sign_in(run, flow, wish)


def _finish(run: Run, tokens: Tokens, store: str) -> str | None:
    """Keep the tokens and say who signed in. The name of the user, or None."""
    run.console.protect(tokens.access_token, tokens.refresh_token, tokens.id_token)
    profile = _keep(run, tokens, store)
    who = _fetch_name(run, tokens)
    if who:
        _keep_name(run, profile, who)
    _report(run, profile, tokens, who)
    return who


def _report(run: Run, profile: Profile, tokens: Tokens, who: str | None) -> None:
    run.console.say(f"Signed in as {who}." if who else "Signed in; the server does not name the user.")
    if tokens.expires_at is not None:
        renewed = "; it is then renewed by itself" if tokens.refresh_token else "; then sign in again"
        run.console.say(f"  expires  {format_moment(tokens.expires_at)}{renewed}")
    run.console.say(f"  profile  {profile.name}")
    run.console.say("  next     oauthguard call GET URL, or oauthguard inspect")


def _keep(run: Run, tokens: Tokens, store: str) -> Profile:
    """Store the tokens. The name is asked for later, so that a failure cannot lose the tokens."""
    with run.store.lock(run.profile_name):
        kept = replace(tokens, issued_secret=run.issued_secret)
        profile = run.store.save(_build_profile(run), kept, prefer=store)
        run.profiles.choose(profile.name)
    return profile


def _keep_name(run: Run, profile: Profile, who: str) -> None:
    with run.store.lock(profile.name):
        if run.profiles.load(profile.name) == profile:  # no other login has replaced it meanwhile
            run.profiles.save(replace(profile, signed_in_as=who))


def _build_profile(run: Run) -> Profile:
    options = run.options
    return Profile(
        name=run.profile_name,
        issuer=options.require_issuer(),
        client_id=options.require_client_id(),
        scope=options.scope,
        audience=options.audience,
        resource=options.resource,
        # A client that got its tokens without a secret has none, so the keyring need not be asked later.
        auth_method=options.auth_method or (None if run.client_secret else "none"),
        client_secret_file=run.secret_file,
        issuer_origin=None if options.issuer_is_the_users else options.issuer_origin,
        client_origin=run.client_origin,
    )


def _fetch_name(run: Run, tokens: Tokens) -> str | None:
    """The name of the user, or None: the login works without it."""
    try:
        # Few servers let a public client introspect. A request would only add a refusal to the log of the server.
        return find_name(fetch_identity(run.session, tokens, may_introspect=run.client_secret is not None))
    except CommandError as error:
        run.console.say(f"The name of the user is not known: {error}")
        return None


def _as_params(params: tuple[str, ...], scope: str | None) -> Mapping[str, str]:
    extra = dict(each.partition("=")[::2] for each in params)
    for name, value in extra.items():
        if name in _OURS or not name:
            raise CommandError(USAGE, f"--param can't set {name or 'nothing'}")
        if not is_utf8(name + value):
            raise CommandError(USAGE, "--param is not UTF-8 text", "write it again, in UTF-8")
    words = (scope or "").split()
    if "openid" in words and "offline_access" in words:
        extra.setdefault("prompt", "consent")  # OpenID Connect Core 1.0 section 11 asks for it
    return extra
