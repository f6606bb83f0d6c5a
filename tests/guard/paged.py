"""The pages about issuers, run: their settings, a token of their form, and what the command says about both."""

from __future__ import annotations

import configparser
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from webtest import TestApp

from pyramid_oauthguard.command.guard.explanation import explain_token
from pyramid_oauthguard.command.guard.report import Findings, Outcomes
from pyramid_oauthguard.command.output import Console
from pyramid_oauthguard.discovery import build_metadata_urls
from pyramid_oauthguard.fetch import Answer, Fetcher
from pyramid_oauthguard.guard.self_check import judge_guard
from pyramid_oauthguard.interfaces import Step
from pyramid_oauthguard.testing import ABSENT, generate_key, mint
from tests.certificates import write_certificate
from tests.documentation import find_blocks, read_page
from tests.guard.guarding import ask

KEY = generate_key("RS256", kid="key-1")
_TIMES = {"iat": 0, "nbf": 0, "auth_time": 0, "exp": 600}


@dataclass(frozen=True)
class Example:
    """One token and the settings that accept it, as a page has them."""

    page: str
    number: int

    @property
    def claims(self) -> dict[str, Any]:
        """Those of the token, with times of now."""
        claims: dict[str, Any] = json.loads(self._find("json", self.number))
        now = int(time.time())
        return {**claims, **{name: now + shift for name, shift in _TIMES.items() if name in claims}}

    @property
    def ini(self) -> str:
        """The settings: the last block of a page that shows those before a change, too."""
        blocks = find_blocks(read_page(f"how-to/issuers/{self.page}"), "ini")
        tokens = find_blocks(read_page(f"how-to/issuers/{self.page}"), "json")
        return blocks[self.number if len(blocks) == len(tokens) else -1]

    @property
    def principals(self) -> list[str]:
        return self._find("text", self.number).split()

    @property
    def check(self) -> str:
        return self._find("console", 2 * self.number)

    @property
    def explanation(self) -> str:
        return self._find("console", 2 * self.number + 1)

    def _find(self, language: str, number: int) -> str:
        return find_blocks(read_page(f"how-to/issuers/{self.page}"), language)[number]


class Running:
    """An application with the settings of a page, whose issuers answer from memory at their real addresses."""

    def __init__(self, example: Example, folder: Path) -> None:
        self.settings = read_settings(example.ini, folder)
        config = Configurator(settings=dict(self.settings))
        config.include("pyramid_oauthguard")
        config.add_route("local", "/local")
        config.add_view(_show, route_name="local", renderer="json", token_check="local")
        self.registry = config.registry
        self.app = TestApp(config.make_wsgi_app())
        self.parsed = self.registry.oauthguard.settings

    @contextmanager
    def issuers(self) -> Iterator[None]:
        """The network: what the issuers of the settings publish, and 404 for everything else."""
        documents = {url: body for each in self.parsed.list_issuers() for url, body in _publish(each)}

        def get(_fetcher: Any, url: str) -> Answer:
            return Answer(200 if url in documents else 404, {}, documents.get(url, {}))

        with mock.patch.object(Fetcher, "get", get):
            yield

    def find_principals(self, raw: str) -> list[str]:
        """Those of a request with the token, without Pyramid's own."""
        answer = ask(self.app, "/local", raw)
        assert answer.status_int == 200, self.explain(raw)
        return sorted(name for name in answer.json if not name.startswith("system."))

    def check(self) -> str:
        """What `oauthguard check` prints of the issuers."""
        shown = _Shown()
        found = Findings(shown.console, "text")
        for each in judge_guard(self.registry):
            if not isinstance(each, Step):
                found.show(each)
        lines = shown.read().splitlines()
        return "\n".join(line for line in lines if "/local: " not in line) + "\n"

    def explain(self, raw: str) -> str:
        """What `oauthguard explain` prints."""
        shown = _Shown()
        Outcomes(shown.console, "text").show(explain_token(self.registry, raw, "local"))
        return shown.read()


class _Shown:
    def __init__(self) -> None:
        self.console = mock.Mock(spec=Console)
        self._lines = StringIO()
        self.console.write_line.side_effect = lambda text: self._lines.write(f"{text}\n")

    def read(self) -> str:
        return self._lines.getvalue()


def _show(request: Any) -> list[str]:
    return sorted(request.registry.getUtility(ISecurityPolicy).effective_principals(request))


def _publish(settings: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The documents of an issuer, by their addresses."""
    template = settings.template
    tenants = [settings] if template is None else [settings.fill(value) for value in sorted(template.values or ())]
    for each in tenants:
        base = each.issuer.rstrip("/")
        jwks_uri = settings.jwks_uri or f"{base}/keys"
        metadata = {"issuer": each.issuer, "jwks_uri": jwks_uri, "introspection_endpoint": f"{base}/introspect"}
        yield settings.metadata_url or build_metadata_urls(each.issuer)[1], metadata
        yield jwks_uri, {"keys": [KEY.jwk]}


def read_settings(ini: str, folder: Path) -> dict[str, str]:
    """The settings of a block, with files of this machine in place of those of the page."""
    secret, token, key = (folder / name for name in ("secret", "token", "key.json"))
    secret.write_text("s3cret-of-this-test\n", "utf-8")
    token.write_text("a-token-of-a-service-account\n", "utf-8")
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    key.write_text(json.dumps({"type": "application", "keyId": "1", "key": pem.decode(), "clientId": "x"}), "utf-8")
    key.chmod(0o600)
    authority = write_certificate(folder)
    for there, here in {
        "/run/secrets/introspection": secret,
        "/run/secrets/zitadel.json": key,
        "/etc/ssl/certs/wso2.pem": authority,
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt": authority,
        "/var/run/secrets/kubernetes.io/serviceaccount/token": token,
    }.items():
        ini = ini.replace(there, str(here))
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as PasteDeploy does
    parser.read_string("[app:main]\n" + ini)
    return dict(parser["app:main"])


def mint_like(example: Example, **changed: Any) -> str:
    """A token of the form that the page shows."""
    claims = {**example.claims, **changed}
    return mint({name: value for name, value in claims.items() if value is not ABSENT}, KEY)
