"""The text for each reason of :class:`~pyramid_oauthguard.errors.InvalidToken`, for ``oauthguard explain`` and the panel of the debug toolbar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "ANSWER_WITHOUT_AUDIENCE",
    "AUDIENCE_OF_CLIENT",
    "AUDIENCE_OF_ISSUER",
    "BROKEN_JWT",
    "CLIENT_WITHOUT_AUDIENCE",
    "ENCRYPTED",
    "ENDED_IN_1970",
    "ENDLESS",
    "END_ELSEWHERE",
    "OPAQUE_OF_AUTH0",
    "OTHER_ADDRESS",
    "OTHER_CLIENT_WITHOUT_AUDIENCE",
    "OTHER_TENANT",
    "OTHER_VERSION_OF_ENTRA",
    "REASONS",
    "SAME_APPLICATION",
    "SAME_AUDIENCE",
    "SEVERAL_IN_ONE",
    "SHARED_SECRET",
    "SIGNED_ELSEWHERE",
    "TENANT_WITHOUT_CLAIM",
    "TOKEN_FOR_GRAPH",
    "TOKEN_OF_ORG_SERVER",
    "TOKEN_WITHOUT_AUDIENCE",
    "TOKEN_WITHOUT_ISSUER",
    "UNPUBLISHED_KEY",
    "UNSIGNED",
    "USERINFO",
    "Words",
]

#: The setting, what was found, what to do. Braces are filled with what the token says and the settings want.
Words = tuple[str | None, str, str]

REASONS: Final[Mapping[str, Words]] = {
    "not_a_jwt": ("token_check", "it is not a JWT: three base64url parts, separated by dots", "check opaque tokens remotely: token_check=\"remote\""),
    "bad_encoding": (None, "a part of it is not canonical base64url", "copy the token again, whole and without padding"),
    "bad_json": (None, "its header or its claims are not a valid JSON object", "ask the issuer"),
    "not_a_token": (None, "it is empty, longer than any token, or not ASCII", "copy the token again"),
    "too_long": (None, "it is longer than any token", "ask the issuer"),
    "header_too_long": (None, "its header is longer than 16 KiB", "ask the issuer"),
    "bad_algorithm": ("algorithms", "it is signed with {alg!r}; accepted are {algorithms}", "have the issuer sign with one of them"),
    "unknown_critical": (None, "its header marks an extension as critical (crit) that is not supported", "have the issuer leave it out"),
    "encrypted": (None, "its header says that it is encrypted (enc)", "configure the issuer to sign without encryption"),
    "wrong_type": ("profile", "its typ is {typ!r}, which is not the type of an access token in the profile {profile!r}", "send the access token, not the ID token; or set the profile to generic"),
    "bound_token": (None, "it is bound to a key or a certificate (cnf), and this application does not check the proof of possession", "have the issuer give this client bearer tokens: without DPoP (RFC 9449) and without certificates (RFC 8705)"),
    "wrong_token_type": (None, "its token_type is not Bearer: the issuer says that it is a token of another kind", "send the access token"),
    "wrong_token_use": (None, "its token_use is not access: the issuer says that it is a token of another kind", "send the access token"),
    "wrong_token_name": (None, "its tokenName is not access_token: the issuer says that it is a token of another kind", "send the access token"),
    "wrong_typ_claim": (None, "its claim typ names another kind of token, such as ID, Refresh, Offline or Logout", "send the access token"),
    "other_kind": (None, "its claim purpose, type, tokenType, tok_type or granted_scopes says that it is an ID token or a refresh token", "send the access token"),
    "security_event": (None, "it has the claim events: it is a logout token or another security event", "send the access token"),
    "introspection_response": (None, "it has the claim token_introspection: it is an answer about a token", "send the access token"),
    "id_token": (None, "it is an ID token: it has nonce, at_hash, c_hash or s_hash; or it is of Entra ID and has no client (azp, appid), or of Okta and its jti begins with ID.", "send the access token, not the ID token"),
    "bad_kid": (None, "its kid is not text", "ask the issuer"),
    "unknown_key": ("issuer", "the issuer {issuer!r} publishes no key {kid!r} that may verify {alg!r}", "the token's iss is {iss!r}: is this the right issuer?"),
    "bad_signature": ("issuer", "its signature is not that of the issuer's key {kid!r}", "the token was changed on the way or made elsewhere"),
    "too_many_keys": ("issuer", "none of the first 16 of the issuer's keys that may verify {alg!r} made its signature, and there are more: nothing in the token and in the keys says which one it is (kid, x5t)", "have the issuer name its keys, in the header of its tokens and in its key set"),
    "wrong_issuer": ("issuer", "its iss is {iss!r}, but must be {issuer!r}, byte for byte", "set the issuer to what the token says, trailing slash included, if you trust it"),
    "wrong_tenant": ("issuer", "its claim {claim} is {tenant!r}, which is not the value in its iss {iss!r}", "ask the issuer"),
    "opaque_of_no_issuer": ("token_prefix", "it is not a JWT, and it does not begin with the token_prefix of one issuer", "set token_prefix for the issuer that made it; an opaque token is sent to no other issuer"),
    "missing_exp": (None, "it has no exp", "have the issuer set one"),
    "bad_time": (None, "exp, nbf or iat is not a finite JSON number: {times}", "have the issuer send numbers"),
    "milliseconds": (None, "exp, nbf or iat is in milliseconds or microseconds, and a NumericDate has seconds (RFC 7519 section 2): {times}", "have the issuer send seconds"),
    "userinfo_not_allowed": ("userinfo.any_client", "it is checked by userinfo, which does not say for which client it is", "set oauthguard.userinfo.any_client = true, if tokens of every client of the issuer may come"),
    "wrong_source": ("token_source", "it came from a place where tokens of its issuer are not read", "send it where token_source says"),
    "other_token": ("introspection.judges", "the introspection answer is about another token: its exp, jti or sub is not that of this one", "the token was made elsewhere; or the issuer names its users in the answer in another way"),
    "expired": ("leeway", "it expired {ago:.0f} s ago; the leeway is {leeway:g} s", "get a new one; or set this machine's clock"),
    "not_yet_valid": ("leeway", "its nbf lies more than {leeway:g} s ahead", "compare the clocks: oauthguard check"),
    "issued_in_future": ("leeway", "its iat lies more than {leeway:g} s ahead", "compare the clocks: oauthguard check"),
    "wrong_audience": ("audience", "its aud is {aud!r}, accepted are {audience}", "request the token for this API, or add the audience"),
    "other_resource": ("audience", "its aud is {aud!r}, which is another resource of this application", "request the token for the resource that the request's path belongs to"),
    "ambiguous_path": (None, "the path of the request can be read in two ways, so it belongs to no single resource", "send the path without dot segments, empty segments and encoded slashes"),
    "several_audiences": ("audience", "its aud names several audiences, and only one is accepted here", "request a token for this API alone"),
    "bad_audience": (None, "its aud is neither text nor a list of texts: {aud!r}", "have the issuer send text"),
    "wrong_client": ("client_id", "it was issued to {client!r}, accepted are {client_id}", "add the client, or use one of these"),
    "bad_client": (None, "its client_id is not text: {client!r}", "have the issuer send text"),
    "bad_scope": ("scope_claim", "its scopes are neither text nor a list of texts", "ask the issuer"),
    "bad_claim": (None, "sub, jti or username is not text: {texts}", "have the issuer send text"),
    "missing_claim": ("profile", "claims are missing that RFC 9068 requires: {missing}", "set the profile to generic"),
    "missing_jti": (None, "it has no jti, and the view accepts a token once, which it knows by its jti", "have the issuer name its tokens (jti)"),
    "already_used": (None, "it was used before, and the view accepts a token once", "get a new token for each request"),
    "inactive": ("introspection.client_id", "the issuer calls it inactive: revoked, expired, or not for this API to see", "get a new one"),
}  # fmt: skip

#: Where the userinfo endpoint was asked.
USERINFO: Final[Mapping[str, Words]] = {
    "inactive": (None, "the userinfo endpoint refuses it: it is revoked or expired, or it was issued without the scope openid", "get a new one, with the scope openid"),
    "other_token": (None, "the userinfo endpoint names another user than its sub", "the token was made elsewhere; or the issuer names its users there in another way, and then a local check is what is possible"),
    "bad_claim": ("userinfo.endpoint", "the answer of the userinfo endpoint has no sub that is text", "is oauthguard.userinfo.endpoint that of OpenID Connect (Core section 5.3)?"),
}  # fmt: skip
#: More than the words of a reason say.
ENCRYPTED: Final[Words] = ("audience", "it is encrypted (a JWE of five parts, RFC 7516): only the owner of the key can read it", "ask the issuer for a signed access token for the audience {audience}: Auth0 encrypts if the request for the token has no audience. Or check such tokens remotely, where the issuer introspects them: token_check=\"remote\"")  # fmt: skip
BROKEN_JWT: Final[Words] = (None, "it begins like a JWT, but has {parts} parts, and a JWT has three", "copy the token again, whole and alone")  # fmt: skip
SHARED_SECRET: Final[Words] = ("algorithms", "it is signed with {alg!r}, a secret that the issuer shares with its client; accepted are {algorithms}", "have the issuer sign with one of them. Or leave such tokens to an issuer that introspects them: token_check=\"remote\" and oauthguard.introspection.judges = all")  # fmt: skip
TOKEN_WITHOUT_ISSUER: Final[Words] = ("issuer", "it has no iss, but must have {issuer!r}", "have the issuer write its name into iss; without it, nothing says whose keys verify the token")  # fmt: skip
UNSIGNED: Final[Words] = (None, "it is a JWT without a signature: its alg is {alg!r} and its third part is empty", "have the issuer sign access tokens; or the token was cut on the way")  # fmt: skip
TOKEN_WITHOUT_AUDIENCE: Final[Words] = ("audience", "it has no aud; accepted are {audience}", "request the token for this API; the issuer must name it in aud")  # fmt: skip
CLIENT_WITHOUT_AUDIENCE: Final[Words] = ("audience_by_client", "it has no aud, as tokens of Amazon Cognito; accepted are {audience}", "set oauthguard.audience_by_client = true, and list the clients of this API in oauthguard.client_id")  # fmt: skip
ANSWER_WITHOUT_AUDIENCE: Final[Words] = ("introspection.require_audience", "the introspection answer has no aud; accepted are {audience}", "have the issuer name the audience; or set oauthguard.introspection.require_audience = false, if every token that it calls active is for this API")  # fmt: skip
OTHER_CLIENT_WITHOUT_AUDIENCE: Final[Words] = ("client_id", "it has no aud, and the clients whose tokens are accepted without it are {client_id}; it was issued to {client!r}", "add the client to oauthguard.client_id, if its tokens are for this API; the client must be in the claim client_id")  # fmt: skip
AUDIENCE_OF_CLIENT: Final[Words] = ("audience", "its aud is {aud!r}, which is the client itself; accepted are {audience}", "request the token for this API. Do not add this audience: ID tokens have it, too, and this token is for the client, not for an API")  # fmt: skip
AUDIENCE_OF_ISSUER: Final[Words] = ("audience", "its aud is {aud!r}, which is an API of the issuer itself; accepted are {audience}", "request the token for this API. Do not add this audience: every client of the issuer gets tokens with it")  # fmt: skip
OTHER_TENANT: Final[Words] = ("issuer_values", "its iss is {iss!r}, which is not {issuer!r} with a value of oauthguard.issuer_values", "list the tenant in oauthguard.issuer_values, written as in the token, if you trust it")  # fmt: skip
TENANT_WITHOUT_CLAIM: Final[Words] = ("issuer", "it has no claim {claim}, which is the placeholder of the issuer", "name the placeholder of oauthguard.issuer after the claim that has the tenant: {{tid}} at Entra ID, whatever its metadata call it")  # fmt: skip
UNPUBLISHED_KEY: Final[Words] = ("issuer", "the issuer {issuer!r} publishes no key {kid!r} that may verify {alg!r}", "the issuer has withdrawn the key, or does not publish it, like the org authorization server of Okta. A custom authorization server publishes its keys. An issuer that introspects such tokens can judge them: token_check=\"remote\" and oauthguard.introspection.judges = all")  # fmt: skip
ENDED_IN_1970: Final[Words] = (None, "its exp is {exp}, a second of the years 1969 and 1970", "some issuers write this for a token that does not expire: have the issuer set a time. An introspection answer may leave exp out with oauthguard.introspection.require_expiry = false")  # fmt: skip
ENDLESS: Final[Words] = (None, "its exp is {exp}, which no clock will show", ENDED_IN_1970[2])
SAME_AUDIENCE: Final[Words] = ("audience", "its aud is {aud!r}, accepted are {audience}: the difference is a slash at the end or the case of letters, and the two are compared byte for byte", "write oauthguard.audience as the token has it")  # fmt: skip
SAME_APPLICATION: Final[Words] = ("audience", "its aud is {aud!r}, accepted are {audience}: an application of Entra ID by its id and by its URI", "tokens of version 2 of Entra ID have the id, those of version 1 the URI, and the two are compared byte for byte: write oauthguard.audience as the token has it")  # fmt: skip
SEVERAL_IN_ONE: Final[Words] = ("audience", "its aud is {aud!r}, which is one text with spaces; accepted are {audience}", "have the issuer write several audiences as a list")  # fmt: skip
OTHER_ADDRESS: Final[Words] = ("issuer", "its iss is {iss!r}, but must be {issuer!r}, byte for byte: they differ in the scheme, the host or the port only", "the issuer names itself as its callers address it: tell it its public address (at Keycloak, hostname and proxy-headers), or set oauthguard.issuer to what the token says, and oauthguard.metadata_url to an address that works here, if you trust it")  # fmt: skip
OTHER_VERSION_OF_ENTRA: Final[Words] = ("issuer", "its iss is {iss!r}, but must be {issuer!r}: tokens of version 1 of Entra ID have the one, those of version 2 the other", "set requestedAccessTokenVersion in the manifest of the API's registration (2 for login.microsoftonline.com, null for sts.windows.net), or set the issuer to what the token says")  # fmt: skip
OPAQUE_OF_AUTH0: Final[Words] = ("audience", "it is not a JWT: the client did not send the audience {audience} when it asked for the token, and Auth0 then makes tokens that only its userinfo endpoint can read", "send audience={audience} with the authorization request or the token request")  # fmt: skip
TOKEN_FOR_GRAPH: Final[Words] = ("audience", "its aud is {aud!r}: it is a token for Microsoft Graph, which only Graph can verify; accepted are {audience}", "request the token for this API: with a scope such as api://YOUR-API/.default in place of User.Read. Do not add this audience")  # fmt: skip
SIGNED_ELSEWHERE: Final[Words] = ("issuer", "its signature is not that of a key of {issuer!r}, and its iss is {iss!r}", "another issuer made it: is oauthguard.issuer right, and is the token of the same environment?")  # fmt: skip
TOKEN_OF_ORG_SERVER: Final[Words] = ("issuer", "its iss is {iss!r}, but must be {issuer!r}, byte for byte", "the client asked another authorization server than that of the settings: at Okta the one of the organization, whose tokens no other API can verify. It must use the endpoints that the metadata of oauthguard.issuer name")  # fmt: skip
END_ELSEWHERE: Final[Words] = (
    None,
    "it has no exp. Its {end} is not read: RFC 7519 and RFC 7662 have exp for this",
    "have the issuer write exp",
)
