"""The server's pages as people meet them, in Chromium: by keyboard, narrow, in the dark, without script."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.example.servers import find_free_port, serve
from tests.server.flows import CHALLENGE

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]
SCOPES = ["customer_api", "read:messages"]
WIDTHS = [400, 1280]
# WCAG 2.2 AA: 1.4.3 text 4.5:1, 1.4.11 controls 3:1, 2.5.8 targets of 24 px.
MEASURE = """
() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  const parse = color => {  // of any notation
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const luminance = color => {
    const [r, g, b] = parse(color).slice(0, 3).map(value => {
      value /= 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const color = getComputedStyle(element).backgroundColor;
    return parse(color)[3] === 0 ? behind(element.parentElement) : color;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const holders = [...document.querySelectorAll("main *")].filter(
    each => [...each.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())
  );
  const buttons = [...document.querySelectorAll("button:not(.link)")];
  const targets = [...document.querySelectorAll("button, label.choice")];
  return {
    texts: holders.length,
    text: Math.min(...holders.map(each => ratio(getComputedStyle(each).color, behind(each)))),
    border: Math.min(9, ...buttons.map(each => ratio(getComputedStyle(each).borderTopColor, behind(each.parentElement)))),
    target: Math.min(99, ...targets.map(each => each.getBoundingClientRect().height)),
    width: document.documentElement.scrollWidth,
    page: luminance(getComputedStyle(document.body).backgroundColor),
  };
}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("browser")
    with serve("example_app/issuer.ini", folder, ports={"6544": find_free_port()}) as server:
        yield server.url


class _Listener(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.heard.append((self.path, self.headers["Referer"]))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>Back</title>")

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def program() -> Iterator[ThreadingHTTPServer]:
    """A native program that waits on a loopback port; ``heard`` are the paths it was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listener)
    server.heard = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], ids=str)
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 700}, color_scheme=scheme, java_script_enabled=True
    )
    page = context.new_page()
    page.scheme, page.width = scheme, width
    yield page
    context.close()


def build_url(address: str, program: ThreadingHTTPServer, client: str = "customer-cli", **changes: str) -> str:
    parameters = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": f"http://127.0.0.1:{program.server_address[1]}/callback",
        "scope": " ".join(SCOPES),
        "state": "a b",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return f"{address}/oauth/authorize?{urlencode(parameters)}"


def sign_in(page: Page) -> None:
    page.fill("#name", "demo")
    page.fill("#password", "demo")
    page.click("button")


def read_callback(program: ThreadingHTTPServer) -> dict[str, str]:
    paths = [each for each in program.heard if each[0].startswith("/callback?")]  # type: ignore[attr-defined]
    ((path, referrer),) = paths
    assert referrer is None
    return {name: value for name, (value,) in parse_qs(urlsplit(path).query).items()}


def check_looks(page: Page) -> None:
    page.wait_for_load_state()  # a page is there before its style is
    found = page.evaluate(MEASURE)
    assert found["texts"] >= 2
    assert found["text"] >= 4.5
    assert found["border"] >= 3
    assert found["target"] >= 24
    assert found["width"] <= page.width
    assert (found["page"] < 0.2) is (page.scheme == "dark")


@pytest.mark.promise("AS-04", "AS-06")
def test_every_page_reads_well(page: Page, address: str, program: ThreadingHTTPServer) -> None:
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(address) else None)
    page.goto(build_url(address, program))
    sign_in(page)
    page.wait_for_selector("button[value=allow]")
    check_looks(page)
    for box in page.query_selector_all("input[type=checkbox]"):
        box.uncheck()
    page.click("button[value=allow]")
    page.wait_for_selector("[role=alert]")
    assert page.title().startswith("Error: ")
    check_looks(page)
    page.goto(f"{address}/oauth/applications")
    check_looks(page)
    assert [text for text in problems if "422" not in text] == []
    page.goto(build_url(address, program, redirect_uri="https://evil.example/"))
    check_looks(page)
    assert page.url.startswith(address)


@pytest.mark.promise("AS-06", "AS-52")
def test_by_keyboard_alone(chromium: Browser, address: str, program: ThreadingHTTPServer) -> None:
    context = chromium.new_context(viewport={"width": 400, "height": 700})
    page = context.new_page()
    page.goto(build_url(address, program))
    page.wait_for_function("document.activeElement.id === 'name'")
    page.keyboard.type("demo")
    page.keyboard.press("Tab")
    page.keyboard.type("demo")
    page.keyboard.press("Enter")
    page.wait_for_selector("button[value=allow]")
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name + '=' + document.activeElement.value"))
        outline = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert outline >= 2
    # First the button for another user, which has no name.
    assert reached == ["=", "scope.customer_api=on", "scope.read:messages=on", "decision=deny", "decision=allow"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")  # unticks reading messages
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("http://127.0.0.1:*/callback?*")
    answer = read_callback(program)
    assert answer["state"] == "a b"
    assert answer["iss"] == address
    assert answer["code"]
    page.goto(f"{address}/oauth/applications")
    assert page.locator("li").all_inner_texts() == ["Read customers and charge them"]
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # beyond the button for another user
    page.keyboard.press("Space")
    page.wait_for_selector("[role=status]")
    assert page.locator("li").count() == 0
    context.close()


@pytest.mark.promise("AS-52")
def test_enter_in_a_box_denies_rather_than_allows(
    chromium: Browser, address: str, program: ThreadingHTTPServer
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(build_url(address, program))
    sign_in(page)
    page.wait_for_selector("button[value=allow]")
    page.focus("input[type=checkbox]")
    page.keyboard.press("Enter")
    page.wait_for_url("http://127.0.0.1:*/callback?*")
    assert read_callback(program)["error"] == "access_denied"
    context.close()


@pytest.mark.promise("AS-06")
def test_without_script(chromium: Browser, address: str, program: ThreadingHTTPServer) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(build_url(address, program))
    sign_in(page)
    page.click("button[value=allow]")
    page.wait_for_url("http://127.0.0.1:*/callback?*")
    assert read_callback(program)["code"]
    context.close()


@pytest.mark.promise("AS-06", "AS-52")
def test_another_site_can_neither_frame_the_page_nor_send_its_form(
    chromium: Browser, address: str, program: ThreadingHTTPServer
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    url = build_url(address, program)
    page.goto(url)
    sign_in(page)
    page.wait_for_selector("button[value=allow]")
    evil = context.new_page()
    evil.goto(
        f"http://localhost:{program.server_address[1]}/evil"
    )  # the same site, so the session's cookie comes along
    for framed, seen in (("/frame", "http://localhost"), (url, "chrome-error:")):
        evil.set_content(f'<iframe src="{framed}"></iframe>')
        evil.wait_for_function("frames.length === 1")
        evil.frames[1].wait_for_load_state()
        assert evil.frames[1].url.startswith(seen)
    evil.set_content(
        f'<form method="post" action="{address}/oauth/authorize"><input name="decision" value="allow">'
        f'<input name="ticket" value="x"><input name="scope.customer_api" value="on"><button>Win</button></form>'
    )
    evil.click("button")
    evil.wait_for_selector("h1")
    assert evil.inner_text("h1") == "This did not work"
    assert not [path for path, _ in program.heard if "code=" in path]  # type: ignore[attr-defined]
    context.close()
