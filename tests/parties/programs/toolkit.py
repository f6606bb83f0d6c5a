"""django-oauth-toolkit with opaque tokens that have a prefix, and with keys that it publishes, on a SQLite file.

Started with JSON as its argument: folder, issuer. Prints JSON when it listens: its port, and the ids and secrets of its clients.
"""

import json
import sys
from pathlib import Path

import django
import waitress.server
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from oauthlib.common import generate_token

OPTIONS = json.loads(sys.argv[1])
FOLDER = Path(OPTIONS["folder"])


def make_token(request, refresh_token=False):
    return f"dot_{generate_token()}"


def make_key():
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


settings.configure(
    SECRET_KEY="test",
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(FOLDER / "toolkit.sqlite3")}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
    OAUTH2_PROVIDER={
        "SCOPES": {"read": "Read", "introspection": "Introspect"},
        "DEFAULT_SCOPES": ["read"],
        "ACCESS_TOKEN_GENERATOR": make_token,
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": OPTIONS["issuer"],
        "OIDC_RSA_PRIVATE_KEY": make_key(),
    },
)
django.setup()
call_command("migrate", verbosity=0)

from oauth2_provider.models import Application  # noqa: E402  # Django must be set up first

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]


def add_client(name):
    secret = f"toolkit-{name}-secret"
    made = Application.objects.create(
        name=name,
        client_id=name,
        client_type="confidential",
        authorization_grant_type="client-credentials",
        client_secret=secret,
        hash_client_secret=False,
    )
    return [made.client_id, secret]


clients = {name: add_client(name) for name in ("program", "api")}
server = waitress.server.create_server(get_wsgi_application(), host="127.0.0.1", port=0, threads=2)
print(json.dumps({"port": server.effective_port, "clients": clients}), flush=True)  # noqa: T201  # the protocol
server.run()
