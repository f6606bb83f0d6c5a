"""The ini lines of the docs for other issuers: each starts the example."""

from __future__ import annotations

import configparser
import re
import ssl
from pathlib import Path

import certifi
import pytest

from example_app import main
from tests.example.conftest import dispose
from tests.example.servers import CHECKOUT

PAGE = (CHECKOUT / "docs" / "example.md").read_text("utf-8")
SNIPPETS = dict(re.findall(r"^### (\w+).*?^```ini\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


def read_snippet(name: str, folder: Path) -> dict[str, str]:
    secret = folder / "secret"
    secret.write_text("s3cret\n", "utf-8")
    text = SNIPPETS[name].replace("/run/secrets/introspection", str(secret))
    text = text.replace("/etc/ssl/certs/wso2.pem", certifi.where())
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string("[app:main]\n" + text)
    return dict(parser["app:main"])


def test_the_docs_have_the_four() -> None:
    assert set(SNIPPETS) == {"Okta", "Auth0", "Keycloak", "WSO2"}
    assert ssl.create_default_context(cafile=certifi.where())


@pytest.mark.parametrize("name", SNIPPETS)
def test_each_starts_the_example(tmp_path: Path, name: str) -> None:
    settings = read_snippet(name, tmp_path)
    app = main({}, **{"sqlalchemy.url": f"sqlite:///{tmp_path}/customers.sqlite"}, **settings)
    assert app.registry.settings["oauthguard.issuer"] == settings["oauthguard.issuer"]
    dispose(app)


def test_api_ini_changes_in_those_lines_alone() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(CHECKOUT / "example_app" / "api.ini")
    own = {key for key in parser["app:main"] if not key.startswith("oauthguard.")}
    assert own == {"use", "sqlalchemy.url", "example.demo", "cors.origins"}
