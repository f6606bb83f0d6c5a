"""The last line that a failed start prints names the setting, the include or the view, with file and line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import pytest
from pyramid.paster import get_app

ROOT = Path(__file__).parent.parent
GUARD = {"oauthguard.issuer": "https://id.example", "oauthguard.audience": "https://api.example"}
SERVER = {
    "oauthguard.server.issuer": "http://localhost:6543",
    "oauthguard.server.audience": "https://api.example",
    "oauthguard.server.sqlalchemy.url": "sqlite://",
    "oauthguard.server.signing.algorithm": "ES256",
}
HEAD = """
from pyramid.authorization import Allow
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.view import view_config


def hello(request):
    return Response("hello")


class Policy:
    def identity(self, request): ...
    authenticated_userid = permits = remember = forget = identity


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
"""
INCLUDE = 'config.include("pyramid_oauthguard")'
INCLUDE_SERVER = 'config.include("pyramid_oauthguard.server")'


class Application:
    """An application of an ini file in a folder of its own, started by pserve."""

    def __init__(self, folder):
        self.folder = folder
        self.python = folder / "started_app.py"
        self.ini = folder / "started.ini"

    def write(self, body, settings, *, top=""):
        lines = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
        self.python.write_text(
            f"{HEAD.replace('def hello', top + 'def hello')}{lines}\n    return config.make_wsgi_app()\n"
        )
        given = "\n".join(f"{name} = {value}" for name, value in settings.items())
        self.ini.write_text(
            f"[app:main]\nuse = call:started_app:main\n{given}\n\n"
            "[server:main]\nuse = egg:waitress#main\nlisten = 127.0.0.1:0\n"
        )

    def find_line(self, file, text):
        lines = file.read_text().splitlines()
        (found,) = [number for number, line in enumerate(lines, 1) if text in line]
        return f"{file}, line {found}"

    def start(self):
        """The last line that comes of starting it in this process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(self.folder))
            patch.delitem(sys.modules, "started_app", raising=False)
            with pytest.raises(Exception, match=r".") as caught:
                get_app(str(self.ini))
            patch.delitem(sys.modules, "started_app", raising=False)
        return read_last_line("".join(traceback.format_exception(caught.value)))

    def run(self, *command):
        """All that a program prints that starts it."""
        environment = {**os.environ, "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}", "PYTHONWARNINGS": "ignore"}
        command = [Path(sys.executable).with_name(command[0]), *command[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
        assert done.returncode != 0, done.stdout
        return done.stderr + done.stdout


def read_last_line(text):
    return text.rstrip().splitlines()[-1].strip()


@pytest.fixture
def application(tmp_path):
    return Application(tmp_path)


SETTINGS = [
    (INCLUDE, {**GUARD, "oauthguard.leeway": "soon"}, "oauthguard.leeway"),
    (INCLUDE, {**GUARD, "oauthguard.algorithms": "none"}, "oauthguard.algorithms"),
    (INCLUDE, {**GUARD, "oauthguard.polcy": "on"}, "oauthguard.polcy"),
    (INCLUDE, {**GUARD, "oauthguard.policy": "perhaps"}, "oauthguard.policy"),
    (INCLUDE, {**GUARD, "oauthguard.introspection.client_secret_file": "/nowhere"}, "oauthguard.introspection.client_secret_file"),
    (INCLUDE, {**GUARD, "oauthguard.cache.jwks.backend": "nothing"}, "oauthguard.cache.jwks"),
    (INCLUDE_SERVER, {**SERVER, "oauthguard.server.path": "oauth"}, "oauthguard.server.path"),
    (INCLUDE_SERVER, {**SERVER, "oauthguard.server.grants": "password"}, "oauthguard.server.grants"),
    (INCLUDE_SERVER, {**SERVER, "oauthguard.server.signing.rotation": "1h"}, "oauthguard.server.signing.rotation"),
    (INCLUDE_SERVER, {**SERVER, "oauthguard.server.pepper_file": "/dev/null/pepper"}, "oauthguard.server.pepper_file"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("body", "settings", "key"), SETTINGS, ids=[each[2] for each in SETTINGS])
def test_a_wrong_setting_is_named_with_its_line_and_the_include(application, body, settings, key):
    application.write(body, settings)
    last = application.start()
    assert f"{key}: " in last or f"{key}.*: " in last
    assert application.find_line(application.python, body) in last
    written = next((name for name in settings if name == key), None)
    assert (application.find_line(application.ini, written) if written else str(application.ini)) in last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "key"), [(INCLUDE, "oauthguard.issuer"), (INCLUDE_SERVER, "oauthguard.server.issuer")]
)
def test_a_missing_setting_is_named_with_the_file(application, body, key):
    application.write(body, {})
    last = application.start()
    assert f"{key}: is required" in last
    assert f"[{application.ini}; {application.find_line(application.python, body)}]" in last


@pytest.mark.slow
def test_a_setting_in_the_section_of_all_applications_is_named_so(application):
    """PasteDeploy does not give it to the application. The error was that it is required, with the line that has it."""
    application.write(INCLUDE, {})
    given = "\n".join(f"{name} = {value}" for name, value in GUARD.items())
    application.ini.write_text(f"[DEFAULT]\n{given}\n{application.ini.read_text()}")
    last = application.start()
    assert "oauthguard.issuer: is required" in last
    line = application.find_line(application.ini, "oauthguard.issuer")
    assert f"[{line}, in [DEFAULT] and not in the section of the application; " in last


VIEWS = [
    ('config.add_view(hello, route_name="x", token_check="loca")', "token_check: must be one of"),
    ('config.add_view(hello, route_name="x", token_require={"scpe": "a"})', "token_require: 'scpe'"),
    ('config.add_view(hello, route_name="x", token_require=7)', "token_require: scope"),
    ('config.add_view(hello, route_name="x", token_check="remote")', "oauthguard.introspection.client_id: is required"),
    ('config.set_token_verifier("quick", object())', "set_token_verifier: mode"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("call", "said"), VIEWS, ids=[each[1] for each in VIEWS])
def test_a_wrong_view_or_directive_is_named_with_the_line_of_its_call(application, call, said):
    application.write(f'{INCLUDE}\nconfig.add_route("x", "/x")\n{call}', GUARD)
    last = application.start()
    assert said in last
    assert application.find_line(application.python, call) in last


@pytest.mark.slow
def test_a_scanned_view_is_named_with_the_line_of_its_decorator(application):
    decorator = '@view_config(route_name="x", token_check="sometimes")'
    body = f'{INCLUDE}\nconfig.add_route("x", "/x")\nconfig.scan("started_app")'
    application.write(body, GUARD, top=f"{decorator}\n")
    last = application.start()
    assert "token_check: must be one of" in last
    found = re.search(rf"{re.escape(str(application.python))}, line (\d+)", last)
    line = application.find_line(application.python, decorator)
    assert found
    assert abs(int(found[1]) - int(line.rpartition(" ")[2])) <= 1


@pytest.mark.slow
def test_a_call_on_several_lines_is_named(application):
    body = f'{INCLUDE}\nconfig.add_route("x", "/x")\nconfig.add_view(\n    hello,\n    route_name="x",\n    token_require={{}},\n    token_check=[],\n)'
    application.write(body, GUARD)
    assert f"{application.python}, line" in application.start()


@pytest.mark.slow
@pytest.mark.parametrize("body", [
    f"{INCLUDE}\nconfig.set_security_policy(Policy())",
    f"config.include(lambda config: config.set_security_policy(Policy()))\n{INCLUDE}",
])  # fmt: skip
def test_another_policy_is_named_with_the_line_that_sets_it(application, body):
    application.write(body, GUARD)
    last = application.start()
    assert "oauthguard.policy: the application has another security policy, started_app.Policy" in last
    assert application.find_line(application.python, "set_security_policy(Policy())") in last


def test_views_that_would_stand_open_are_named_with_their_lines(application):
    view = 'config.add_view(hello, route_name="x", permission="read")'
    application.write(f'config.add_route("x", "/x")\n{view}\nconfig.commit()\n{INCLUDE}', GUARD)
    last = application.start()
    assert "started_app.hello: has a permission that is never checked" in last
    assert application.find_line(application.python, view) in last


def test_a_composition_is_named_with_its_line(application):
    body = f"{INCLUDE}\nfrom pyramid_oauthguard.guard import TokensUnder\nconfig.set_security_policy(TokensUnder(other=Policy()))"
    application.write(body, {**GUARD, "oauthguard.policy": "off"})
    last = application.start()
    assert "TokensUnder: needs a path prefix" in last
    assert application.find_line(application.python, "TokensUnder(other") in last


@pytest.mark.slow
@pytest.mark.parametrize("command", [("pserve",), ("oauthguard", "check"), ("oauthguard", "server", "key", "list")])
def test_programs_print_the_same_line(application, command):
    settings = {**GUARD, "oauthguard.introspection.client_id": "api", "oauthguard.introspection.client_secret": "hush"}
    application.write(INCLUDE, {**settings, "oauthguard.leeway": "soon"})
    printed = application.run(*command, str(application.ini))
    assert "oauthguard.leeway: must be a duration" in read_last_line(printed)
    assert application.find_line(application.ini, "oauthguard.leeway") in read_last_line(printed)
    assert application.find_line(application.python, INCLUDE) in read_last_line(printed)
    assert "hush" not in printed


@pytest.mark.slow
def test_a_key_of_a_file_that_the_file_uses_is_named_with_its_line_there(application):
    """The error named the file on the command line, which does not have the key."""
    application.write(INCLUDE, {**GUARD, "oauthguard.leeway": "soon"})
    base = application.ini.rename(application.folder / "base.ini")
    application.ini.write_text("[app:main]\nuse = config:base.ini\n")
    assert application.find_line(base, "oauthguard.leeway") in application.start()
    application.ini.write_text("[app:main]\nuse = config:base.ini\noauthguard.leeway = later\n")
    assert f"{application.ini}, line 3" in application.start()
    base.write_text(base.read_text() + "\n[app:other]\noauthguard.leeway = 30\n")
    application.ini.write_text("[app:main]\nuse = config:base.ini\n")
    assert f"[{application.ini}; " in application.start(), "two lines set it"


@pytest.mark.slow
def test_a_key_of_two_sections_has_the_file_without_a_line(application):
    application.write(INCLUDE, {**GUARD, "oauthguard.leeway": "soon"})
    with application.ini.open("a") as file:
        file.write("\n[app:other]\noauthguard.leeway = 30\n")
    last = application.start()
    assert f"[{application.ini}; " in last


@pytest.mark.slow
def test_settings_that_come_from_no_file_name_the_include(application):
    application.write(INCLUDE, {})
    script = application.folder / "script.py"
    script.write_text(f"import started_app\nstarted_app.main({{}}, **{GUARD | {'oauthguard.leeway': 'soon'}!r})\n")
    last = read_last_line(application.run("python", str(script)))
    assert "oauthguard.leeway: must be a duration" in last
    assert f"[{application.find_line(application.python, INCLUDE)}]" in last
