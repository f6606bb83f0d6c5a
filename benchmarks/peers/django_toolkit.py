"""Django with django-oauth-toolkit as a resource server, which asks the issuer's introspection endpoint."""

import json
import sys
import tempfile

import django
import waitress
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

OPTIONS = json.loads(sys.argv[1])
CUSTOMERS = {"customers": [{"id": 1, "name": "Ada", "balance": "12.50"}]}

folder = tempfile.TemporaryDirectory()
settings.configure(
    SECRET_KEY="bench",
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{folder.name}/db.sqlite3",
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
    OAUTH2_PROVIDER={
        "RESOURCE_SERVER_INTROSPECTION_URL": OPTIONS["introspection_endpoint"],
        "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": (OPTIONS["user"], OPTIONS["password"]),
        "SCOPES": {"customer_api": "", "read:messages": ""},
    },
)
django.setup()
call_command("migrate", verbosity=0)

from oauth2_provider.decorators import protected_resource  # noqa: E402  # Django must be set up first


def show_open(request):
    return JsonResponse(CUSTOMERS)


@protected_resource(scopes=["customer_api"])
def show_remote(request):
    return JsonResponse(CUSTOMERS)


urlpatterns = [path("open", show_open), path("remote", show_remote)]

waitress.serve(
    get_wsgi_application(),
    host="127.0.0.1",
    port=OPTIONS["port"],
    threads=OPTIONS["threads"],
    connection_limit=1000,
)
