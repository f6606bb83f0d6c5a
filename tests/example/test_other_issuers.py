"""The ini lines of the docs for other issuers: each starts the example."""

from __future__ import annotations

import configparser
import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from example_app import main
from tests.documentation import find_blocks, read_page
from tests.example.conftest import dispose
from tests.example.servers import CHECKOUT

pytestmark = pytest.mark.slow

PAGES = ["auth0", "keycloak", "okta", "wso2"]
SNIPPETS = {name: find_blocks(read_page(f"how-to/issuers/{name}"), "ini")[0] for name in PAGES}


def read_snippet(name: str, folder: Path) -> dict[str, str]:
    secret = folder / "secret"
    secret.write_text("s3cret\n", "utf-8")
    text = SNIPPETS[name].replace("/run/secrets/introspection", str(secret))
    text = text.replace("/etc/ssl/certs/wso2.pem", str(write_certificate(folder)))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string("[app:main]\n" + text)
    return dict(parser["app:main"])


def write_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wso2.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "wso2.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


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
