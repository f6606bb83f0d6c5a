"""One run of the command: its options, console and stores, each made when a verb needs it."""

from __future__ import annotations

import difflib
import os
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .. import processes
from ..client.errors import CommandError
from ..client.options import (
    DOTENV,
    ENVIRONMENT,
    FLAG,
    NAMES,
    PROFILE,
    ClientOptions,
    Source,
    belongs,
    check_absolute,
    expand_path,
    find_options,
)
from ..exit_status import USAGE
from .environment import find_path, read_environment, read_folder
from .output import Console

if TYPE_CHECKING:
    import ssl

    from ..client.issued_secret import IssuedSecret
    from ..client.recipients import Credential
    from ..client.session import OAuthSession
    from ..client.storage.folder import Folder
    from ..client.storage.profiles import Profile, Profiles
    from ..client.storage.token_store import TokenStore
    from ..client.transport import TracingFetcher
    from ..discovery import IssuerMetadata
    from ..fetch import Proxy
    from .registered import Registered

__all__ = ["Run"]

_TIMEOUT_SECONDS: Final = 10.0


class Run:
    """The first argument of every verb.

    :ivar flags: what was given on the command line, by option name.
    :ivar verb: the name of the verb, empty until it is known.
    :ivar found: what the API at a URL said; it comes right after the flags.
    :ivar registered: the client that this run registered at the issuer.
    """

    def __init__(self, console: Console | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self.console = Console() if console is None else console
        self.environ = environ
        self.flags: dict[str, str] = {}
        self.verb = ""
        self.found: Source | None = None
        self.registered: Registered | None = None

    def add_flag(self, name: str, value: str) -> None:
        """Count a value as given on the command line."""
        self.flags[name] = value
        for kept in ("sources", "options"):  # they are made of the flags
            self.__dict__.pop(kept, None)

    # ── options ──────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Where options come from, the strongest first. A profile named by a flag is as strong as a flag."""
        chosen = {name: value for name, value in self.flags.items() if name in {*NAMES, "client_secret_file"}}
        flags = Source(FLAG, chosen)
        environment = Source(ENVIRONMENT, read_environment(self.environ))
        dotenv = Source(DOTENV, read_folder(self.console), is_folder=True)
        login = self.profile
        kept = {} if login is None else login.list_options()
        profile = Source(PROFILE, kept, is_folder=bool(login and login.issuer_origin))
        rest = (profile, environment, dotenv) if "profile" in self.flags else (environment, dotenv, profile)
        if self.found is None:
            return flags, *rest
        # The user named a URL. A client that they have elsewhere does not work at the issuer of this URL.
        issuer = self.found.values["issuer"]
        return flags, self.found, *(each for each in rest if each.values.get("issuer") in (None, issuer))

    @cached_property
    def options(self) -> ClientOptions:
        options = find_options(self.sources)
        if options.issuer_origin == DOTENV:
            self.console.say(f"The issuer is {options.issuer}, from .env.")
        return options

    @cached_property
    def client_secret(self) -> Credential | None:
        """:raises CommandError: it can't be read, or this issuer may not receive it."""
        from ..client.recipients import check_recipient
        from ..client.storage.credentials import load_client_secret
        from .registered import check_known

        issued = self.issued_secret
        secret = issued.credential if issued else load_client_secret(self.options, self._secret_sources)
        if secret is None:
            check_known(self)
        else:
            self.console.protect(secret.text)
            check_recipient(secret, self.options)
        return secret

    @cached_property
    def issued_secret(self) -> IssuedSecret | None:
        """The secret of the registration of this command at the issuer, in this run or before."""
        from .registered import load_issued_secret

        return load_issued_secret(self)

    @property
    def client_origin(self) -> str | None:
        """``"registration"`` if this command registered the client itself, otherwise None."""
        from ..client.storage.profiles import REGISTRATION

        if self.registered is not None:
            return REGISTRATION
        return None if self.login is None else self.login.client_origin

    @property
    def secret_file(self) -> str | None:
        """The file that the user's secret came from, absolute, if it can be read again."""
        if self.issued_secret is not None:
            return None
        for source in self._secret_sources:
            path = source.values.get("client_secret_file")
            if path or "client_secret" in source.values:
                return str(expand_path(path).absolute()) if path and path != "-" else None
        return None

    @property
    def _secret_sources(self) -> tuple[Source, ...]:
        """The sources of a secret. The secret of a profile is for its own issuer and client only."""
        options = self.options
        return tuple(source for source in self.sources if belongs(source, options))

    def load_token(self, path: str | None) -> Credential | None:
        """The token from ``path`` ("-" is standard input) or the environment, or None."""
        from ..client.storage.credentials import load_token

        token = load_token(self.environ, path)
        if token:
            self.console.protect(token.text)
        return token

    # ── the issuer ───────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def fetcher(self) -> TracingFetcher:
        from ..client.transport import TracingFetcher

        try:
            return TracingFetcher(self.console, timeout=_TIMEOUT_SECONDS, ca_file=self._ca_file, proxy=self.proxy)
        except OSError as error:  # ssl's errors are among them
            raise self._explain_ca_file(error) from error

    @cached_property
    def proxy(self) -> Proxy | None:
        """What requests with TLS go through, by the environment."""
        from ..fetch.proxies import build_proxy, read_environment

        address, variable, bypass = read_environment(self.environ)
        try:
            return build_proxy(address, bypass) if address else None
        except ValueError as error:
            raise CommandError(USAGE, f"the environment variable {variable} {error}", "or unset it") from None

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """For requests to APIs, which are not the issuer."""
        return self.build_tls()

    def build_tls(self) -> ssl.SSLContext:
        """A new context that trusts the same authorities."""
        from ..fetch.trust import build_context

        try:
            return build_context(self._ca_file)
        except OSError as error:
            raise self._explain_ca_file(error) from error

    def adopt(self, found: Source, registered: Registered | None = None) -> None:
        """Use what an API said about itself, and the client that was registered for it, from now on."""
        self.found, self.registered = found, registered
        for name in ("sources", "options", "issued_secret"):
            self.__dict__.pop(name, None)

    @property
    def _ca_file(self) -> str | None:
        path = self.flags.get("ca_file") or find_path(self.environ, "OAUTHGUARD_CA_FILE")
        if path is None:  # OpenSSL reads these then, and does not expand ~
            check_absolute(self.environ, "SSL_CERT_FILE", "SSL_CERT_DIR")
        return path

    def _explain_ca_file(self, error: OSError) -> CommandError:
        why = error.strerror or "it contains no certificate"
        return CommandError(USAGE, f"{self._ca_file} can't be used as --ca-file: {why}", "it must be a PEM file")

    @cached_property
    def metadata(self) -> IssuerMetadata:
        from ..client.session import discover

        return discover(self.fetcher, self.options.require_issuer())

    @cached_property
    def session(self) -> OAuthSession:
        from ..client.session import OAuthSession

        self.options.require_issuer()
        self.options.require_client_id()
        secret = self.client_secret  # before any request, so that a missing secret is reported first
        return OAuthSession(self.fetcher, self.metadata, options=self.options, client_secret=secret)

    # ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def folder(self) -> Folder:
        from ..client.storage.folder import Folder

        home = find_path(self.environ, "OAUTHGUARD_HOME")
        if home:
            return Folder(Path(home))
        import platformdirs

        state = platformdirs.user_state_path("oauthguard", appauthor=False)
        if not state.is_absolute():
            advice = "make HOME and XDG_STATE_HOME absolute, or set OAUTHGUARD_HOME"
            raise CommandError(
                USAGE, f"{state} is not an absolute path, so it means another folder in each working folder", advice
            )
        return Folder(state)

    @cached_property
    def profiles(self) -> Profiles:
        from ..client.storage.profiles import Profiles

        return Profiles(self.folder)

    @cached_property
    def store(self) -> TokenStore:
        from ..client.storage.token_store import TokenStore

        return TokenStore(self.folder, self.console)

    @cached_property
    def profile_name(self) -> str:
        named = self.flags.get("profile") or self.environ.get("OAUTHGUARD_PROFILE")
        return named or self.profiles.current

    @cached_property
    def profile(self) -> Profile | None:
        """The profile that is used, or None if there is no login of its name."""
        return self.profiles.load(self.profile_name)

    @property
    def login(self) -> Profile | None:
        """The profile, if it belongs to the client and the issuer of the options."""
        profile = self.profile
        if profile is None or self.options.issuer != profile.issuer or self.options.client_id != profile.client_id:
            return None
        return profile

    def require_login(self) -> Profile:
        """The login. :raises CommandError: there is none."""
        profile = self.login
        if profile is None:
            client = f" as {self.options.client_id}" if self.options.client_id else ""
            whom = f"{client} at {self.options.issuer}" if self.options.issuer else ""
            text = f"profile {self.profile_name} is not signed in{whom}"
            raise CommandError(USAGE, text, self._suggest_profile() or "oauthguard login")
        return profile

    def _suggest_profile(self) -> str | None:
        """The profile that the user may have meant, as a question."""
        if self.profile is not None:
            return None
        near = difflib.get_close_matches(self.profile_name, self.profiles.list(), 1)
        return f"did you mean {near[0]}?" if near else None


def _renew_locks(owner: type) -> None:
    """Replace the locks in a forked child: in Python 3.11, cached properties have locks that a thread of the parent may hold."""
    for each in vars(owner).values():
        if isinstance(each, cached_property) and hasattr(each, "lock"):
            each.lock = threading.RLock()


processes.register(Run, _renew_locks)
