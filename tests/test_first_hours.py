"""The first hour of a user with each of four tasks, from an environment that has the wheel alone.

Each script does what a page of the documentation says, with the code and the commands of that page, and nothing else. A step
that needs a look into the source is a fault of the page.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.documentation import ROOT, find_blocks, read_page
from tests.example.postgres import run_postgresql
from tests.example.servers import find_free_port
from tests.test_wheel import NOT_SOURCE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CACHE = ROOT / ".cache" / "first-hours"
#: What the pages tell the reader to install, and what the application of the reader has already.
NEEDED = ["cornice>=6.1", "gunicorn", "plaster_pastedeploy", "pyramid_tm", "pytest", "waitress", "WebTest", "Werkzeug"]
FOREIGN = "pyramid_jwt==1.6.1"
START_SECONDS = 60


@dataclass
class Reader:
    """A user with an environment and an empty folder."""

    folder: Path
    programs: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def run(self, command: str, *, stdin: str = "", status: int = 0) -> str:
        """Type a command of a page; what it prints on both outputs."""
        words = command.replace(".venv/bin/", f"{self.programs}/")
        done = subprocess.run(
            ["sh", "-c", words],
            cwd=self.folder,
            env=self.find_environ(),
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=180,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}"
        return done.stdout

    def find_environ(self) -> dict[str, str]:
        """What the terminal of the user has."""
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "NO_COLOR": "1",
            "OAUTHGUARD_HOME": str(self.folder / "logins"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **self.environ,
        }

    @contextmanager
    def serve(self, ini: str, port: int) -> Iterator[str]:
        """Keep `pserve` running."""
        with (self.folder / f"{ini}.log").open("w") as log:
            process = subprocess.Popen(
                [self.programs / "pserve", ini], cwd=self.folder, env=self.find_environ(), stdout=log, stderr=log
            )
            try:
                deadline = time.monotonic() + START_SECONDS
                url = f"http://localhost:{port}"
                while subprocess.run(["curl", "-s", "-o", os.devnull, url], check=False).returncode:
                    assert process.poll() is None, (self.folder / f"{ini}.log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
                yield url
            finally:
                process.terminate()
                process.wait(30)


def find_code(page: str, words: str, language: str = "python") -> str:
    """The one block of a page that has these words."""
    (found,) = [block for block in find_blocks(read_page(page), language) if words in block]
    return found


def find_command(page: str, words: str) -> str:
    """The one command of a page that has these words, put together where it goes on in the next line."""
    lines = [line for block in find_blocks(read_page(page), "sh") for line in block.replace("\\\n", "").splitlines()]
    return next(line.partition("  #")[0] for line in lines if words in line)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    return build_wheel(source, tmp_path_factory.mktemp("dist"))


def build_wheel(source: Path, dist: Path) -> Path:
    """Build it from these files alone."""
    _check([sys.executable, "-m", "build", "--wheel", "--outdir", dist, source])
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def programs(wheel: Path) -> Path:
    """The programs of an environment with the wheel and what the extras ask for."""
    return install_programs(CACHE, wheel, "server,client,postgresql,redis", NEEDED)


def install_programs(cache: Path, wheel: Path, extras: str, needed: list[str]) -> Path:
    """The folder of the programs, in an environment that is made once."""
    key = (ROOT / "pyproject.toml").read_bytes() + repr((extras, needed, sys.version)).encode()
    home = cache / hashlib.sha256(key).hexdigest()[:16]
    pip = [home / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not (home / "done").exists():
        shutil.rmtree(cache, ignore_errors=True)
        _check([sys.executable, "-m", "venv", home / "env"])
        _check([*pip, f"{wheel}[{extras}]", *needed])
        (home / "done").touch()
    _check([*pip, "--no-deps", "--force-reinstall", wheel])
    return home / "env" / "bin"


def _check(command: list[object]) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def reader(programs: Path, tmp_path: Path, record_property: pytest.FixtureRequest) -> Iterator[Reader]:
    begun = time.monotonic()
    yield Reader(tmp_path, programs)
    record_property("seconds", round(time.monotonic() - begun, 1))  # type: ignore[operator]  # it is a function


# ── an application that has Cornice, pyramid_tm, a sign-in and a forbidden view ──────────────────────────────────

POLICY = """
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.authorization import ACLHelper, Authenticated, Everyone

class MySecurityPolicy:
    def __init__(self):
        self.helper, self.acl = SessionAuthenticationHelper(), ACLHelper()
    def identity(self, request):
        return self.helper.authenticated_userid(request)
    authenticated_userid = identity
    def permits(self, request, context, permission):
        own = {Authenticated} if self.identity(request) else set()
        return self.acl.permits(context, {Everyone, *own}, permission)
    def remember(self, request, userid, **kw):
        return self.helper.remember(request, userid, **kw)
    def forget(self, request, **kw):
        return self.helper.forget(request, **kw)
"""
LEGACY = """
from pyramid.authorization import Allow, Authenticated
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.security import remember
from pyramid.session import JSONSerializer, SignedCookieSessionFactory

class Root:
    __acl__ = [(Allow, Authenticated, "page"), (Allow, "scope:reports", "read-report")]
    def __init__(self, request):
        pass

def sign_in(request):
    return Response("signed in", headers=remember(request, "ada"))

def show_page(request):
    return Response("hello " + request.authenticated_userid)

def main(global_config, **settings):
    with Configurator(settings=settings, root_factory=Root) as config:
        config.set_session_factory(SignedCookieSessionFactory("k" * 40, serializer=JSONSerializer()))
        config.include("cornice")
        config.include("pyramid_tm")
        config.include("security")
        for name, path in (("sign_in", "/sign-in"), ("page", "/page"), ("report", "/api/report")):
            config.add_route(name, path)
        config.add_view(sign_in, route_name="sign_in")
        config.add_view(show_page, route_name="page", permission="page")
        config.scan("views")
        return config.make_wsgi_app()
"""
HOUR_OF_THE_GUARD = """
from webtest import TestApp
from pyramid_oauthguard.testing import MemoryIssuer, trust
from legacy import main

issuer = MemoryIssuer()

def make_app():
    made = main({}, **issuer.settings, **{"oauthguard.policy": "off"})
    trust(made, issuer)
    return TestApp(made)

def test_pages_work_as_before():
    app = make_app()
    assert "/sign-in?next=" in app.get("/page", status=303).headers["Location"]
    app.get("/sign-in")
    assert app.get("/page").text == "hello ada"
    app.get("/api/orders", status=401)  # a session does not count there

def test_the_api_takes_tokens():
    app = make_app()
    refused = app.get("/api/orders", status=401)
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert app.get("/api/orders", headers=issuer.bearer(scope="orders:read", sub="bob")).json == {"for": "bob"}
    app.get("/api/orders", headers=issuer.bearer(scope="other"), status=403)
    token = issuer.mint(scope="orders:write")
    headers = {"Authorization": f"Bearer {token}"}
    app.post("/api/orders", headers=headers)
    issuer.revoke(token)
    app.post("/api/orders", headers=headers, status=401)
    assert app.get("/api/report", headers=issuer.bearer(scope="reports", sub="bob")).json == {"by": "bob"}
    app.get("/api/report", headers=issuer.bearer(scope="other"), status=403)
    app.get("/page", headers=issuer.bearer(sub="bob"), status=303)  # a token does not count here
"""


def test_guard_an_application_that_there_is(reader: Reader) -> None:
    page = "how-to/guard/existing-application"
    reader.write("policy.py", POLICY)
    reader.write("legacy.py", LEGACY)
    reader.write("security.py", "from policy import MySecurityPolicy\n" + find_code(page, "TokensUnder"))
    reader.write("views.py", find_code(page, "from cornice") + "\n" + find_code(page, "token_refused"))
    reader.write("test_legacy.py", HOUR_OF_THE_GUARD)
    assert "2 passed" in reader.run("python -m pytest -q -p no:cacheprovider")
    ini = "[app:main]\nuse = call:legacy:main\n" + find_code(page, "oauthguard.policy = off", "ini")
    reader.write("secret", "s3cret-of-the-orders-api")
    (reader.folder / "secret").chmod(0o600)
    ini = ini.replace("/run/secrets/introspection", str(reader.folder / "secret"))
    reader.write("production.ini", ini.replace("https://login.example.com", "http://localhost:9"))
    said = reader.run("PYTHONPATH=. " + find_command(page, "oauthguard check"), status=6)  # no issuer answers there
    assert "TokensUnder: access tokens count under /api/" in said
    assert re.search(r"/api/orders.*checked remotely", said)


# ── from pyramid_jwt ─────────────────────────────────────────────────────────────────────────────────────────────

#: What an application keeps that had the class of pyramid_jwt: the guard behind its names.
BEHIND_ITS_NAMES = """
import time
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid_oauthguard.testing import MemoryIssuer, trust

PyramidJSONEncoderFactory = JWTCookieAuthenticationPolicy = None

def show_claims(request):
    return {} if request.access_token is None else dict(request.access_token.claims)

class JWTAuthenticationPolicy:
    issuers = {}
    def __init__(self, secret, expiration=None, audience=None, leeway=0, **kw):
        self.issuer = self.issuers.setdefault(secret, MemoryIssuer())
        self.expiration, self.audience, self.leeway = expiration, audience, leeway

    def create_token(self, principal, expiration=None, audience=None, **claims):
        audience = audience or self.audience or self.issuer.audience
        expires = time.time() + (expiration or self.expiration or 600)
        return self.issuer.mint(sub=str(principal), aud=audience, exp=expires, **claims)

    def get_claims(self, request):
        settings = {**self.issuer.settings, "oauthguard.leeway": self.leeway, "oauthguard.token_check": "local"}
        settings["oauthguard.audience"] = self.audience or self.issuer.audience
        with Configurator(settings=settings) as config:
            config.include("pyramid_oauthguard")
            config.add_route("claims", "/")
            config.add_view(show_claims, route_name="claims", renderer="json")
            app = config.make_wsgi_app()
        trust(app, self.issuer)
        header = request.headers.get("Authorization", "").replace("JWT ", "Bearer ")
        return Request.blank("/", headers={"Authorization": header}).get_response(app).json

    def unauthenticated_userid(self, request):
        subject = request.jwt_claims.get("sub")
        return None if subject is None else int(subject)
"""
#: The tests of pyramid_jwt that say how a token is checked. The others are about its class, its cookie and its encoder.
BEHAVIOUR = [
    "test_token_most_be_str",
    "test_minimal_roundtrip",
    "test_audience_valid",
    "test_audience_invalid",
    "test_extra_claims",
    "test_wrong_auth_scheme",
    "test_invalid_authorization_header",
    "test_expired_token",
    "test_dynamic_expired_token",
]
MOVED = """
from pyramid.authorization import Allow, Authenticated
from pyramid.config import Configurator

class Root:
    __acl__ = [(Allow, Authenticated, "read")]
    def __init__(self, request):
        pass

{views}

def main(global_config, **settings):
    with Configurator(settings=settings) as config:
{include}
        config.add_route("profile", "/profile")
        config.add_view(show_profile, route_name="profile", renderer="json", permission="read")
        return config.make_wsgi_app()
"""


def indent(text: str) -> str:
    return "".join(f"        {line}\n" for line in text.splitlines())


def test_move_an_application_from_pyramid_jwt(reader: Reader) -> None:
    page = "how-to/from-pyramid-jwt"
    include = find_code(page, 'config.include("pyramid_oauthguard")')
    reader.write("myapp.py", MOVED.format(views=find_code(page, "def show_profile"), include=indent(include)))
    reader.write("test_moved.py", find_code(page, "def test_profile"))
    assert "1 passed" in reader.run("python -m pytest -q -p no:cacheprovider test_moved.py")
    reader.write("theirs/pyramid_jwt/__init__.py", "")
    reader.write("theirs/pyramid_jwt/policy.py", BEHIND_ITS_NAMES)
    tests = fetch_tests(reader)
    names = " or ".join(BEHAVIOUR)
    said = reader.run(f"cd theirs && PYTHONPATH=. python -m pytest -q -p no:cacheprovider {tests} -k '{names}'")
    assert f"{len(BEHAVIOUR)} passed" in said


def fetch_tests(reader: Reader) -> Path:
    """The tests of pyramid_jwt, from its source distribution."""
    kept = CACHE.parent / "pyramid_jwt"
    if not list(kept.glob("*.tar.gz")):
        kept.mkdir(parents=True, exist_ok=True)
        reader.run(f"python -m pip download -q --no-deps --no-binary :all: -d {kept} {FOREIGN}")
    (archive,) = kept.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(reader.folder / "sdist", filter="data")
    (tests,) = (reader.folder / "sdist").glob("*/tests/test_policy.py")
    return tests


# ── a server, and a token that gets 401 ──────────────────────────────────────────────────────────────────────────


def prepare_server(reader: Reader, port: int, **replaced: str) -> None:
    """The application and the ini file of the tutorial, at a port that is free here."""
    reader.write("myapp.py", find_code("how-to/server/start", "def main("))
    ini = find_code("tutorials/server", "[app:main]", "ini").replace("6543", str(port))
    for line, other in replaced.items():
        ini = re.sub(rf"^{re.escape(line.replace('__', '.'))} = .*$", other, ini, flags=re.MULTILINE)
    reader.write("production.ini", ini)
    name, _, value = find_command("tutorials/server", "export PYTHONPATH").removeprefix("export ").partition("=")
    reader.environ[name] = value


def read_client(made: str) -> tuple[str, str]:
    """The id and the secret that the command shows once."""
    found = dict(re.findall(r'"(client_id|client_secret)": "([^"]+)"', made))
    return found["client_id"], found["client_secret"]


def test_find_out_why_a_token_gets_401(reader: Reader) -> None:
    port, api_port = find_free_port(), find_free_port()
    prepare_server(reader, port)
    create = "oauthguard server client create production.ini --format json"
    client, secret = read_client(reader.run(f"{create} Report --grant client_credentials --scope orders:read"))
    _id, api_secret = read_client(reader.run(find_command("tutorials/guard", "--resource-server") + " --format json"))
    reader.write("shop.py", find_code("tutorials/guard", "def main("))
    for name, text in (("secret", secret), ("api-secret", api_secret)):
        reader.write(name, text)
        (reader.folder / name).chmod(0o600)
    api = find_code("tutorials/guard", "[app:main]", "ini").replace(
        "https://login.example.com", f"http://localhost:{port}"
    )
    api = api.replace("8080", str(api_port)).replace("/run/secrets/introspection", str(reader.folder / "api-secret"))
    reader.write("api.ini", api)
    page = "how-to/troubleshooting"
    with reader.serve("production.ini", port) as issuer, reader.serve("api.ini", api_port) as url:
        reader.environ |= {"OAUTHGUARD_ISSUER": issuer, "OAUTHGUARD_CLIENT_ID": client}
        reader.environ["OAUTHGUARD_CLIENT_SECRET_FILE"] = str(reader.folder / "secret")
        reader.write("token.txt", reader.run("oauthguard token --scope orders:read"))
        reader.write("header.txt", f"Authorization: Bearer {(reader.folder / 'token.txt').read_text()}")
        look = find_command(page, "-H @header.txt").replace("https://api.example.com", url)
        assert 'error="invalid_token"' in reader.run(look)
        explain = find_command(page, "oauthguard explain").replace("production.ini", "api.ini")
        why = reader.run(explain, status=5)
        assert "aud" in why
        assert "oauthguard.audience" in why
        reader.write("api.ini", api.replace("https://api.example.com", "https://api.example.org"))
        assert "accept" in reader.run(explain).lower()
    with reader.serve("production.ini", port), reader.serve("api.ini", api_port):
        assert "200 OK" in reader.run(look)


# ── a server on PostgreSQL with a look of its own, in German ─────────────────────────────────────────────────────


@pytest.mark.needs("initdb", "pg_ctl")
def test_become_a_server_on_postgresql_with_a_look_of_its_own_in_german(reader: Reader) -> None:
    port, page = find_free_port(), "tutorials/server"
    with run_postgresql() as database:
        prepare_server(reader, port)
        ini = (reader.folder / "production.ini").read_text("utf-8")
        lines = find_code(page, "pepper_file", "ini") + find_code(page, "pages.stylesheet", "ini")
        lines = re.sub(r"(?<=sqlalchemy.url = ).*", database.replace("\\", ""), lines)
        kept = [line for line in ini.splitlines() if "sqlalchemy.url" not in line and "default_locale" not in line]
        reader.write("production.ini", "\n".join(kept).replace("[app:main]", f"[app:main]\n{lines}"))
        reader.write("oauth.css", find_code(page, "--oauthguard-accent", "css"))
        assert "the tables have revision" in reader.run(find_command(page, "server upgrade"))
        client = read_public_client(reader.run(find_command(page, "server client create")))
        reader.run(find_command(page, "oauthguard check").replace("&&", ""))
        with reader.serve("production.ini", port) as url:
            consent = open_consent(reader, url, client)
            style = reader.run(f"curl -s {url}{find_styles(consent)[-1]}")
    assert '<html lang="de"' in consent
    assert ">Zulassen<" in consent
    assert "Example ID" in consent
    assert "--oauthguard-accent: #00694b" in style


def read_public_client(made: str) -> str:
    """The id of a client without a secret."""
    (found,) = re.findall(r"client-[\w-]+", made)
    return str(found)


def find_styles(html: str) -> list[str]:
    return re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)


def open_consent(reader: Reader, url: str, client: str) -> str:
    """Go to the consent page as a browser does: sign in on the page of the application, and come back."""
    curl = "curl -s -L -c jar -b jar"
    asked = (
        f"{url}/oauth/authorize?response_type=code&client_id={client}&scope=orders%3Aread&code_challenge_method=S256"
        "&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )
    form = reader.run(f"{curl} -w '%{{url_effective}}' '{asked}'")
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', form)
    address = form[form.rindex("http://") :]
    return reader.run(f"{curl} --data-urlencode csrf_token={token} '{address}'")
