"""How this application says who it is at an issuer's endpoints (RFC 6749 section 2.3, RFC 7523 section 2.2)."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from .. import processes
from ..errors import UnavailableError
from ..fetch.extras import read_token_file
from ..jwt.algorithms import FITTING
from ..private_files import FileMark, find_mark, read_secret_file
from .settings import IssuerSettings

__all__ = ["AUTH_METHODS", "ClientAuthentication", "load_signing_key"]

AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "http_basic", "private_key_jwt", "bearer", "none")
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFE_SECONDS: Final = 60
_KINDS: Final[Mapping[str, Any]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

Credentials = tuple[dict[str, str], dict[str, str]]


class _QuietRegistry(JWSRegistry):
    """joserfc warns of the name EdDSA at each signature (RFC 9864). Issuers know this name today."""

    def get_alg(self, name: str) -> Any:
        if self.allowed and name in self.allowed:
            return self.algorithms[name]
        raise UnsupportedAlgorithmError(f"{name!r} is not what the key is for")


class ClientKey(NamedTuple):
    """A private key, and what a header says of it."""

    algorithm: str
    kid: str | None
    key: Any


class ClientAuthentication:
    """The headers and the form fields by which the issuer knows us. Files are read again when they change.

    :param settings: which method, who we are, and where keys and tokens are.
    """

    def __init__(self, settings: IssuerSettings) -> None:
        self._settings = settings
        self._fixed = _build_fixed(settings)
        self._key: tuple[FileMark, ClientKey] | None = None
        self._leave_parent()
        processes.register(self, ClientAuthentication._leave_parent)

    def find(self) -> Credentials:
        """What a request carries. :raises UnavailableError: a file can't be read."""
        if self._fixed is not None:
            return self._fixed
        settings = self._settings
        if settings.introspection_auth_method == "bearer":
            return {"Authorization": f"Bearer {self._read_token()}"}, {}
        fields = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self._sign()}
        return {}, {"client_id": settings.introspection_client_id or "", **fields}

    def _leave_parent(self) -> None:
        self._lock = threading.Lock()

    def _read_token(self) -> str:
        path = self._settings.introspection_token_file or ""
        try:
            return read_token_file(path)
        except ValueError as error:
            raise UnavailableError("bad_token_file", f"{path} {error}", lasting=True) from None

    def _sign(self) -> str:
        """A new assertion for each request: an issuer takes each ``jti`` once."""
        key = self._load_key()
        name, now = self._settings.introspection_client_id, int(time.time())
        audience = self._settings.introspection_assertion_audience or self._settings.issuer
        claims = {
            "iss": name, "sub": name, "aud": audience,
            "iat": now, "exp": now + _LIFE_SECONDS, "jti": secrets.token_urlsafe(24),
        }  # fmt: skip
        header = {"alg": key.algorithm, "typ": "JWT"} | ({"kid": key.kid} if key.kid else {})
        return jwt.encode(header, claims, key.key, registry=_QuietRegistry(algorithms=[key.algorithm]))

    def _load_key(self) -> ClientKey:
        """The key as the file has it now. While it is missing or bad, the last one serves."""
        path = self._settings.introspection_key_file or ""
        with self._lock:
            try:
                mark = find_mark(path)
                if self._key is None or self._key[0] != mark:
                    self._key = (mark, load_signing_key(path))
            except (ValueError, OSError) as error:
                if self._key is None:
                    why = error.strerror if isinstance(error, OSError) else error
                    raise UnavailableError("bad_key_file", f"{path} can't be used: {why}", lasting=True) from None
            return self._key[1]


def load_signing_key(path: str) -> ClientKey:
    """The private key in a file: PEM, a JWK, or the JSON with ``keyId`` and ``key`` that zitadel gives.

    :raises ValueError: it can't be read, or it is not a private key that can sign. The message follows the name of the file in a
        sentence; it contains nothing of the content.
    """
    try:
        content = read_secret_file(Path(path))
    except OSError as error:
        raise ValueError(f"can't be read: {error.strerror}") from None
    try:
        found = json.loads(content) if content.lstrip()[:1] == b"{" else None
        if found is None:
            return _load_pem(content, None)
        if "kty" not in found:
            return _load_pem(found["key"].encode(), str(found["keyId"]) if "keyId" in found else None)
        return _describe(_KINDS[found["kty"]].import_key(found), found.get("kid"), found.get("alg"))
    except Exception:  # noqa: BLE001  # whatever a library says of what is not a key; its text may contain a part of it
        raise ValueError(
            "is not a private key that can sign: PEM or a JWK of RSA, EC or OKP, without a password"
        ) from None


def _load_pem(pem: bytes, kid: str | None) -> ClientKey:
    for kind in _KINDS.values():
        try:
            key = kind.import_key(pem)
        except Exception:  # noqa: BLE001, S112  # of another kind
            continue
        return _describe(key, kid, None)
    raise ValueError("not a key")


def _describe(key: Any, kid: Any, algorithm: Any) -> ClientKey:
    if not key.is_private:
        raise ValueError("not private")
    curve = None if key.key_type == "RSA" else key.curve_name
    fitting = [name for name, (kind, curves) in FITTING.items() if kind == key.key_type and curve in curves]
    chosen = fitting[0] if algorithm is None else algorithm
    if chosen not in fitting:
        raise ValueError("another algorithm")
    return ClientKey(chosen, kid if isinstance(kid, str) and kid else None, key)


def _build_fixed(settings: IssuerSettings) -> Credentials | None:
    """What is the same for each request; None where it is not."""
    client_id, method = settings.introspection_client_id, settings.introspection_auth_method
    secret = settings.introspection_client_secret or ""
    if method == "bearer":
        return None
    if not client_id:
        return {}, {}
    if method == "private_key_jwt":
        return None
    if method == "none":
        return {}, {"client_id": client_id}
    if method == "client_secret_post":
        return {}, {"client_id": client_id, "client_secret": secret}
    if method == "client_secret_basic":  # RFC 6749 section 2.3.1: both are form-encoded before they are joined
        client_id, secret = quote_plus(client_id), quote_plus(secret)
    pair = f"{client_id}:{secret}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}, {}
