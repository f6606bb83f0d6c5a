"""`make pictures`: the pictures of the documentation, made in Chromium from the running example.

What each picture shows is written beside it as words (words.json). tests/test_pictures.py opens the same pages again and
compares the words, so a picture that is out of date fails a test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = ROOT / "docs" / "_static" / "pictures"
WORDS: Final = "words.json"
_BIN: Final = Path(sys.executable).parent
_SIZE: Final = {"width": 720, "height": 560}
_PORT: Final = "6543"
_START_SECONDS: Final = 60
#: What differs from run to run.
_CHANGES: Final = (
    (re.compile(r"(localhost|127\.0\.0\.1|\[::1\]):\d+"), r"\1:6543"),
    (re.compile(r"eyJ[\w.-]+|og[a-z]{2}_[\w-]+"), "…"),
    (re.compile(r"\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b"), "WDJB-MJHT"),
    (re.compile(r"(/oauth/authorize\?)\S+"), r"\1…"),
    (re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?|\b\d+ (seconds?|minutes?|days?)\b"), "…"),
)
_TERMINAL: Final = """<!doctype html><meta charset="utf-8"><title>terminal</title><style>
body {{ margin: 0; background: #14181f; color: #e6e9ee; }}
pre {{ margin: 0; padding: 20px 24px; font: 15px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }}
b {{ color: #7ee0a8; font-weight: 600; }}
</style><pre>{}</pre>"""


@dataclass
class Album:
    """The pictures that are taken; without a folder, only their words."""

    browser: Browser
    folder: Path | None
    words: dict[str, list[str]] = field(default_factory=dict)

    def take(self, page: Page, name: str) -> None:
        """Picture a page in light and in dark."""
        self.words[name] = _find_words(page.inner_text("body"))
        for scheme, ending in (("light", ""), ("dark", "-dark")):
            if self.folder is not None:
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two
                page.screenshot(path=self.folder / f"{name}{ending}.png", full_page=True, animations="disabled")

    def take_terminal(self, name: str, session: str) -> None:
        """Picture what a terminal showed. A line that begins with `$` is what was typed."""
        text = normalize(session)
        page = self.browser.new_page(viewport={"width": 720, "height": 120})
        lines = (f"<b>{escape(line)}</b>" if line.startswith("$ ") else escape(line) for line in text.splitlines())
        page.set_content(_TERMINAL.format("\n".join(lines)))
        self.words[name] = _find_words(text)
        if self.folder is not None:
            page.screenshot(path=self.folder / f"{name}.png", full_page=True)
        page.close()


def normalize(text: str) -> str:
    """Return the text without what differs from run to run."""
    for pattern, replacement in _CHANGES:
        text = pattern.sub(replacement, text)
    return text


def _find_words(text: str) -> list[str]:
    lines = (" ".join(line.split()) for line in normalize(text).splitlines())
    return [line for line in lines if line]


def take_all(browser: Browser, folder: Path | None = None) -> dict[str, list[str]]:
    """Take every picture of the documentation and return their words."""
    album = Album(browser, folder)
    with serve_example() as (url, home):
        _take_calls(album, url)
        _take_sign_in(album, url, home)
    return album.words


def _take_calls(album: Album, url: str) -> None:
    """The answers of the guard, as curl shows them."""
    token = _run("token", url=url, OAUTHGUARD_SCOPE="customer_api").strip()
    lines = []
    for typed, path, header in (
        ("curl localhost:6543/customers", "/customers", None),
        ('curl -H "Authorization: Bearer $TOKEN" localhost:6543/customers', "/customers", token),
        ('curl -H "Authorization: Bearer $TOKEN" localhost:6543/api/private-scoped', "/api/private-scoped", token),
    ):
        lines += [f"$ {typed} -i", _ask(url + path, header), ""]
    album.take_terminal("calls", "\n".join(lines))


def _ask(url: str, token: str | None) -> str:
    """Return the first line of an answer, its challenge or its body."""
    import urllib3

    answer = urllib3.request("GET", url, headers={} if token is None else {"Authorization": f"Bearer {token}"})
    shown = answer.headers.get("WWW-Authenticate")
    more = f"WWW-Authenticate: {shown}" if shown else answer.data.decode()
    return f"HTTP/1.1 {answer.status} {answer.reason}\n{more}"


def _take_sign_in(album: Album, url: str, home: Path) -> None:
    """The sign-in of a user through the browser, then what the user allowed, and the page for a device."""
    typed = f"oauthguard login --issuer {url} --client-id customer-cli --scope customer_api"
    page = album.browser.new_page(viewport=_SIZE, color_scheme="light")  # type: ignore[arg-type]  # two numbers
    page.emulate_media(reduced_motion="reduce")
    with _start_login(typed, home) as login:
        stream: Any = login.stdout
        said = _read_until_address(stream)
        page.goto(re.findall(r"http://\S+", said)[-1])
        _take_page(album, page, "sign-in")
        page.fill("#name", "demo")
        page.fill("#password", "demo")
        page.click("button[type=submit], form button")
        page.wait_for_selector("button[value=allow]")
        _take_page(album, page, "consent")
        page.wait_for_timeout(1200)  # the page ignores a double click for a second
        page.click("button[value=allow]")
        said += stream.read()
    album.take_terminal("login", f"$ {typed}\n{said}")
    for name, path in (("applications", "/oauth/applications"), ("device", "/oauth/device")):
        page.goto(url + path)
        _take_page(album, page, name)
    page.close()


def _take_page(album: Album, page: Page, name: str) -> None:
    page.evaluate(
        "port => { const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);"
        " while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data.replace(/(localhost|127\\.0\\.0\\.1):\\d+/g, '$1:' + port); }",
        _PORT,
    )
    album.take(page, name)


@contextmanager
def serve_example() -> Iterator[tuple[str, Path]]:
    """Serve the example on a port of its own: its address, and a folder for logins."""
    with tempfile.TemporaryDirectory() as folder:
        port = _find_free_port()
        text = (ROOT / "development.ini").read_text("utf-8").replace(_PORT, str(port))
        ini = Path(folder, "development.ini")
        ini.write_text(text, "utf-8")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([_BIN / "pserve", ini], cwd=ROOT, **quiet)
        try:
            _wait_for(port, process)
            yield f"http://localhost:{port}", Path(folder, "logins")
        finally:
            process.terminate()
            process.wait()


def _find_free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the example does not start")


def _environ(**more: str) -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("OAUTHGUARD_")}
    return {**own, "BROWSER": "true %s", "COLUMNS": "78", "NO_COLOR": "1", **more}


def _run(*words: str, url: str, **environ: str) -> str:
    """Run the command as the demo client, and return what it prints."""
    demo = {"OAUTHGUARD_CLIENT_ID": "customer-manager", "OAUTHGUARD_CLIENT_SECRET": "customer-manager-secret"}
    env = _environ(OAUTHGUARD_ISSUER=url, **demo, **environ)
    done = subprocess.run([_BIN / "oauthguard", *words], env=env, capture_output=True, text=True, check=True)
    return done.stdout


@contextmanager
def _start_login(typed: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    env = _environ(OAUTHGUARD_HOME=str(home), PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring")
    words = [_BIN / "oauthguard", *typed.split()[1:]]
    streams: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(words, env=env, text=True, **streams) as process:
        yield process
        process.terminate()


def _read_until_address(stream: IO[str]) -> str:
    said = ""
    for line in stream:
        said += line
        if "/oauth/authorize?" in line:
            return said
    raise SystemExit(f"the sign-in does not begin: {said}")


def main() -> None:
    """Make all pictures anew."""
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        program: Any = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        words = take_all(browser, PICTURES)
        browser.close()
    (PICTURES / WORDS).write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
