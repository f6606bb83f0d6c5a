"""A verifier of one issuer, and one of many, without an application: for scripts, workers, and other frameworks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from pyramid.registry import Registry

from ...access_token import AccessToken
from ...errors import InvalidRequest, InvalidToken, SettingError
from ...interfaces import Credential
from ...jwt.jws import find_jwt, looks_like_jwt, parse_segment_object, split
from ..assembly.issuer_parts import build_modes, build_parts
from ..credentials.header import is_token68
from ..settings import PREFIX, TABLE, GuardSettings, parse_settings
from ..verifiers import RANKS
from ..verifiers.chosen import Verifiers

__all__ = ["IssuerVerifier", "VerifierSet", "build_verifier"]

#: What belongs to an application, and templates, which :class:`VerifierSet` takes the place of.
_NOT_HERE: Final = frozenset(
    {"issuers", "issuer_values", "policy", "token_source", "token_prefix", "principals", "once.*"}
)
_KEYS: Final = {row.field: row.name for row in TABLE if row.name not in _NOT_HERE}


class IssuerVerifier:
    """Checks the tokens of one issuer. Safe for threads; make one and keep it, because it keeps the issuer's keys."""

    def __init__(
        self,
        settings: GuardSettings,
        verifiers: Verifiers,
        fetch_metadata: Callable[[], Any],
        *,
        require: Collection[str],
        single_audience: bool,
    ) -> None:
        self.issuer = settings.issuer
        self._mode = settings.token_check
        self._verifiers = verifiers
        self._fetch_metadata = fetch_metadata
        self._require = tuple(require)
        self._single_audience = single_audience

    def verify(self, raw: str, mode: str | None = None) -> AccessToken:
        """The access token ``raw``.

        :param mode: ``"local"``, ``"remote"`` or ``"userinfo"``; None: the one that the verifier was made with.
        :raises TokenError: it is refused. :raises UnavailableError: the issuer can't be asked.
        """
        mode = mode or self._mode
        if mode not in RANKS:
            raise ValueError(f"mode must be one of {', '.join(RANKS)}, not {mode!r}")
        if not is_token68(raw):
            raise InvalidRequest("malformed_token")
        token = self._verifiers[mode].verify(Credential("Bearer", raw, "argument"))
        self._check(raw, token)
        return token

    def metadata(self) -> Mapping[str, Any]:
        """The issuer's metadata (RFC 8414), as they are kept. :raises UnavailableError: they can't be fetched."""
        document: Mapping[str, Any] = self._fetch_metadata().document
        return document

    def _check(self, raw: str, token: AccessToken) -> None:
        if self._single_audience and len(token.audience) != 1:
            raise InvalidToken("several_audiences")
        for name in self._require:
            if name == "kid":
                found = parse_segment_object(split(raw)[0]).get("kid") if looks_like_jwt(raw) else None
            else:
                found = token.claims.get(name)
            if found is None or found == "":
                raise InvalidToken("missing_claim")


class VerifierSet:
    """Checks the tokens of many issuers.

    :param find: gives the verifier (:func:`build_verifier`) of an issuer identifier, or None for one that is not trusted. It is
        called with what the token says, before anything is verified: it must not fetch anything, and it should keep its verifiers.
    """

    def __init__(self, find: Callable[[str], IssuerVerifier | None]) -> None:
        self._find = find

    def verify(self, raw: str, mode: str | None = None) -> AccessToken:
        """The access token ``raw``, checked by the verifier of its issuer. An opaque token is refused: it names no issuer.

        :raises TokenError: it is refused. :raises UnavailableError: the issuer can't be asked.
        """
        if not is_token68(raw):
            raise InvalidRequest("malformed_token")
        jwt = find_jwt(raw)
        if jwt is None:
            raise InvalidToken("opaque_of_no_issuer")
        identifier = jwt[-1].get("iss")
        found = self._find(identifier) if isinstance(identifier, str) else None
        if found is None or found.issuer != identifier:
            raise InvalidToken("wrong_issuer")
        return found.verify(raw, mode)


def build_verifier(
    *,
    issuer: str,
    audience: str | Collection[str],
    require: Collection[str] = (),
    single_audience: bool = False,
    **settings: Any,
) -> IssuerVerifier:
    """A verifier of one issuer.

    :param issuer: the issuer identifier.
    :param audience: what ``aud`` must name.
    :param require: what must be there: names of claims, and ``kid``.
    :param single_audience: whether ``aud`` must name nothing else.
    :param settings: the settings of ``oauthguard.*`` that concern an issuer, with underscores for dots: ``algorithms``,
        ``jwks_uri``, ``introspection_client_id``.
    :raises SettingError: one is missing, unknown or wrong.
    """
    given: dict[str, Any] = {
        f"{PREFIX}.issuer": issuer,
        f"{PREFIX}.audience": audience if isinstance(audience, str) else list(audience),
    }
    for name, value in settings.items():
        if name not in _KEYS:
            raise SettingError(f"{PREFIX}.{name}", "is not a setting of one issuer", "write underscores for the dots")
        given[f"{PREFIX}.{_KEYS[name]}"] = value if isinstance(value, (str, bool, int, float)) else list(value)
    parsed = parse_settings(given)
    if parsed.template is not None:
        raise SettingError(f"{PREFIX}.issuer", "has a placeholder", "VerifierSet checks the tokens of many issuers")
    parts = build_parts(Registry("oauthguard verifier"), parsed)
    return IssuerVerifier(
        parsed, build_modes(parsed, parts), parts.fetch_metadata, require=require, single_audience=single_audience
    )
