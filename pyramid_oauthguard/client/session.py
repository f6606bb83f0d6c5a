"""One client at one issuer: every request the command makes to an authorization server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..discovery import IssuerMetadata, fetch_metadata
from ..errors import UnavailableError
from ..exit_status import NETWORK, USAGE
from ..fetch import Fetcher
from ..urls import check_url
from .errors import CommandError, as_command_error
from .members import read_members
from .options import ClientOptions
from .recipients import Credential, check_recipient
from .tokens import Tokens, as_tokens
from .transport import OAuthTransport, TokenClient, check_answer, encode_basic

__all__ = ["OAuthSession", "discover"]

_AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")


def discover(fetcher: Fetcher, issuer: str) -> IssuerMetadata:
    """The metadata of ``issuer`` (RFC 8414). :raises CommandError: there is none, or not this issuer's."""
    try:
        check_url(issuer)
    except ValueError as error:
        raise CommandError(USAGE, f"the issuer {error}", "name it with --issuer or OAUTHGUARD_ISSUER") from error
    try:
        return fetch_metadata(fetcher, issuer)
    except UnavailableError as error:
        raise as_command_error(error) from error


class OAuthSession:
    """A client with its credentials at an issuer whose metadata is known.

    :ivar metadata: what the issuer says about itself.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        metadata: IssuerMetadata,
        *,
        options: ClientOptions,
        client_secret: Credential | None,
    ) -> None:
        self.metadata = metadata
        self.options = options
        self._fetcher = fetcher
        self._secret = client_secret
        self._transport = OAuthTransport(fetcher)

    def build_authorization_url(self, *, redirect_uri: str, state: str, verifier: str, extra: Mapping[str, str]) -> str:
        """The URL that starts a code grant with PKCE S256 (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""
        client = self._build_client("token_endpoint", code_challenge_method="S256")
        endpoint = self.require_endpoint("authorization_endpoint")
        wanted = {"scope": self.options.scope, **self._target(), **extra}
        try:
            url, _ = client.create_authorization_url(
                endpoint, state=state, code_verifier=verifier, redirect_uri=redirect_uri, **wanted
            )
        except ValueError:  # raised by Authlib for the query of the endpoint
            raise CommandError(USAGE, "the issuer's authorization_endpoint is not a usable URL") from None
        return str(url)

    def redeem_code(self, code: str, *, redirect_uri: str, verifier: str) -> Tokens:
        """The tokens for an authorization code (RFC 6749 section 4.1.3)."""
        return self._fetch_tokens(
            "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier, **self._resource()
        )

    def fetch_client_tokens(self) -> Tokens:
        """The client's own access token (RFC 6749 section 4.4)."""
        return self._fetch_tokens("client_credentials", scope=self.options.scope, **self._target())

    def refresh(self, refresh_token: Credential) -> Tokens:
        """New tokens for the refresh token (RFC 6749 section 6); the old one may be invalid afterwards."""
        return self._fetch_tokens("refresh_token", refresh_token=self._release(refresh_token), **self._resource())

    def fetch_device_authorization(self) -> Mapping[str, Any]:
        """The answer of RFC 8628 section 3.2, unchecked."""
        client = self._build_client("token_endpoint")
        endpoint = self.require_endpoint("device_authorization_endpoint")
        form = {"scope": self.options.scope, **self._target()}
        data = {name: value for name, value in form.items() if value}
        answer = self._transport.post(endpoint, data, {}, client.client_auth(client.token_endpoint_auth_method))
        return answer.require_body()

    def redeem_device_code(self, device_code: str) -> Tokens:
        """One poll of RFC 8628 section 3.4. :raises RefusedError: ``authorization_pending`` too."""
        return self._fetch_tokens("urn:ietf:params:oauth:grant-type:device_code", device_code=device_code)

    def redeem_assertion(self, assertion: Credential) -> Tokens:
        """The tokens of the user that another issuer asserts (RFC 7523 section 2.1)."""
        grant_type, text = "urn:ietf:params:oauth:grant-type:jwt-bearer", self._release(assertion)
        return self._fetch_tokens(grant_type, assertion=text, scope=self.options.scope, **self._target())

    def introspect(self, token: Credential, *, hint: str | None = None) -> Mapping[str, Any]:
        """The answer of RFC 7662 section 2.2 about ``token``."""
        endpoint = self.require_endpoint("introspection_endpoint")
        client = self._build_client("introspection_endpoint")
        auth = client.client_auth(client.token_endpoint_auth_method)
        answer = client.introspect_token(endpoint, token=self._release(token), token_type_hint=hint, auth=auth)
        body: Mapping[str, Any] = answer.require_body()
        if not isinstance(body.get("active"), bool):
            raise CommandError(NETWORK, f"{endpoint} answered without saying whether the token is active")
        return body

    def revoke(self, token: Credential, *, hint: str | None = None) -> None:
        """Withdraw ``token`` (RFC 7009 section 2.1). A status of 200 is success, whatever the body is (2.2)."""
        endpoint = self.require_endpoint("revocation_endpoint")
        client = self._build_client("revocation_endpoint")
        auth = client.client_auth(client.token_endpoint_auth_method)
        client.revoke_token(endpoint, token=self._release(token), token_type_hint=hint, auth=auth)

    def fetch_userinfo(self, access_token: Credential) -> Mapping[str, Any]:
        """The answer of OpenID Connect Core 1.0 section 5.3; by POST, which the section allows as well."""
        endpoint = self.require_endpoint("userinfo_endpoint")
        try:
            answer = self._fetcher.post(endpoint, {}, {"Authorization": f"Bearer {self._release(access_token)}"})
        except UnavailableError as error:
            raise as_command_error(error) from error
        check_answer(answer, endpoint)
        return answer.body

    def offers(self, endpoint: str) -> bool:
        """Whether the metadata names ``endpoint`` in a way we would use."""
        try:
            return self.metadata.find_endpoint(endpoint) is not None
        except UnavailableError:
            return False

    def require_endpoint(self, name: str) -> str:
        """The URL of ``name``. :raises CommandError: the metadata do not contain it, or it has no TLS."""
        try:
            url = self.metadata.find_endpoint(name)
        except UnavailableError as error:
            raise as_command_error(error) from error
        if url is None:
            text = f"{self.metadata.issuer} has no {name} in its metadata"
            raise CommandError(USAGE, text, "it does not offer this")
        return url

    def _fetch_tokens(self, grant_type: str, **params: str | None) -> Tokens:
        client = self._build_client("token_endpoint")
        endpoint = self.require_endpoint("token_endpoint")
        self._fetcher.read_with(read_members, endpoint)  # one wrong member must not lose the tokens
        # Authlib adds the scope of the client, if it has one. A code or a refresh token already has its scope.
        body = client.fetch_token(endpoint, grant_type=grant_type, **params)
        return as_tokens(body, issuer=self.metadata.issuer, asked_scope=params.get("scope"))

    def _build_client(self, endpoint: str, **more: Any) -> TokenClient:
        client = TokenClient(
            self._transport,
            client_id=self.options.require_client_id(),
            client_secret=self._release(self._secret) if self._secret else None,
            token_endpoint_auth_method=self._find_auth_method(endpoint),
            **more,
        )
        client.register_client_auth_method(("client_secret_basic", encode_basic))
        return client

    def _release(self, credential: Credential) -> str:
        """The characters of ``credential``. :raises CommandError: this issuer may not receive it."""
        check_recipient(credential, self.options)
        return credential.text

    def _find_auth_method(self, endpoint: str) -> str:
        """What was asked for, otherwise Basic, which every server must take (RFC 6749 section 2.3.1), unless it says no."""
        if self.options.auth_method:
            if self.options.auth_method not in _AUTH_METHODS:
                raise CommandError(USAGE, f"--auth-method must be one of {', '.join(_AUTH_METHODS)}")
            return self.options.auth_method
        if self._secret is None:
            return "none"
        document = self.metadata.document
        offered = document.get(f"{endpoint}_auth_methods_supported") or document.get(
            "token_endpoint_auth_methods_supported"
        )
        only_post = (
            isinstance(offered, list) and "client_secret_basic" not in offered and "client_secret_post" in offered
        )
        return "client_secret_post" if only_post else "client_secret_basic"

    def _target(self) -> dict[str, str | None]:
        return {"audience": self.options.audience, **self._resource()}

    def _resource(self) -> dict[str, str | None]:
        return {"resource": self.options.resource}  # RFC 8707 section 2
