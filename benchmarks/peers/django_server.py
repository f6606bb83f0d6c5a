"""Django with django-oauth-toolkit as an authorization server, on a SQLite file."""

import base64
import hashlib
import json
import random
import secrets
import sys
from datetime import timedelta
from pathlib import Path

import django
import waitress
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

OPTIONS = json.loads(sys.argv[1])
FOLDER = Path(OPTIONS["folder"])
CALLBACK = "https://web.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

settings.configure(
    SECRET_KEY="bench",
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(FOLDER / "db.sqlite3"),
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
    OAUTH2_PROVIDER={"SCOPES": {"read": "Read", "introspection": "Introspect"}, "DEFAULT_SCOPES": ["read"]},
)
django.setup()
call_command("migrate", verbosity=0)

from django.contrib.auth.models import User  # noqa: E402  # Django must be set up first
from django.utils import timezone  # noqa: E402
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken  # noqa: E402

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
EXPIRES = timezone.now() + timedelta(days=1)


def add_application(name, grant, **more):
    secret = secrets.token_urlsafe(32)
    made = Application.objects.create(
        name=name,
        client_type="confidential",
        authorization_grant_type=grant,
        client_secret=secret,
        hash_client_secret=OPTIONS.get("hashed", False),
        **more,
    )
    return made, (made.client_id, secret)


def add_tokens(application, count):
    wanted, found = set(random.sample(range(count), min(count, 1000))), []
    for begin in range(0, count, 10_000):
        batch = []
        for number in range(begin, min(begin + 10_000, count)):
            text = secrets.token_urlsafe(22)
            batch.append(AccessToken(token=text, application=application, expires=EXPIRES, scope="read"))
            if number in wanted:
                found.append(text)
        AccessToken.objects.bulk_create(batch)
    return found


def add_grants(application, user, count):
    codes, refresh_tokens = [], []
    for _ in range(count):
        code, refresh = secrets.token_urlsafe(22), secrets.token_urlsafe(22)
        Grant.objects.create(
            user=user,
            code=code,
            application=application,
            expires=EXPIRES,
            redirect_uri=CALLBACK,
            scope="read",
            code_challenge=CHALLENGE,
            code_challenge_method="S256",
        )
        access = AccessToken.objects.create(
            user=user, token=secrets.token_urlsafe(22), application=application, expires=EXPIRES, scope="read"
        )
        RefreshToken.objects.create(user=user, token=refresh, application=application, access_token=access)
        codes.append(code)
        refresh_tokens.append(refresh)
    return codes, refresh_tokens


user = User.objects.create(username="anna")
program, program_client = add_application("Program", "client-credentials")
web, web_client = add_application("Web", "authorization-code", redirect_uris=CALLBACK)
_api, api_client = add_application("API", "client-credentials")
codes, refresh_tokens = add_grants(web, user, OPTIONS["prepared"])
given = {
    "paths": {"token": "/o/token/", "introspect": "/o/introspect/"},
    "clients": {"program": program_client, "web": web_client, "api": api_client},
    "tokens": add_tokens(program, OPTIONS["live"]),
    "codes": codes,
    "refresh_tokens": refresh_tokens,
    "code_form": {"redirect_uri": CALLBACK, "code_verifier": VERIFIER},
}
(FOLDER / "given.json").write_text(json.dumps(given))
waitress.serve(
    get_wsgi_application(), host="127.0.0.1", port=OPTIONS["port"], threads=OPTIONS["threads"], connection_limit=1000
)
