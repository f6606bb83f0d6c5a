"""The tour and Swagger UI as people meet them, in Chromium: with and without script, narrow and wide, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.example.servers import find_free_port, serve
from tests.example.test_pages import CONTRAST
from tests.focus import check_focus, tab_to

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]

STORY = {
    "token": ["200 OK"],
    "calls": ["200 OK", "201 Created", "201 Created"],
    "revoke": ["200 OK"],
    "again": ["200 OK", "201 Created", "401 Unauthorized"],
    "scope": ["200 OK", "403 Forbidden"],
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve("development.ini", tmp_path_factory.mktemp("tour"), ports={"6543": find_free_port()}) as server:
        yield server.url


@pytest.fixture(params=[("light", 1280), ("dark", 400)], ids=["light and wide", "dark and narrow"])
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    scheme, width = request.param
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    yield page
    assert problems == []
    context.close()


@pytest.fixture
def plain_page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def read_statuses(page: Any, step: str) -> list[str]:
    return list(page.locator(f"#{step} .exchange .status").all_inner_texts())


def sign_in(page: Any) -> None:
    page.fill("#name", "demo")
    page.fill("#password", "demo")
    page.click("button[type=submit]")


def is_readable(page: Any) -> bool:
    fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return bool(fits and page.evaluate(CONTRAST)["text"] >= 4.5)


def test_the_tour_tells_its_story_without_leaving_the_page(page: Any, address: str) -> None:
    page.goto(address)
    for step, statuses in STORY.items():
        page.click(f"#{step} form button")
        page.wait_for_selector(f"#{step} .exchange")
        assert read_statuses(page, step) == statuses
    assert page.url == f"{address}/"
    assert read_statuses(page, "token") == ["200 OK"], "what came before stays"
    assert "refused: inactive" in page.inner_text("#again .why")
    assert "requires the scope customer_api" in page.inner_text("#scope .why")
    assert is_readable(page)


def test_without_script_the_tour_tells_the_same_story(plain_page: Any, address: str) -> None:
    plain_page.goto(address)
    for step, statuses in STORY.items():
        plain_page.click(f"#{step} form button")
        assert read_statuses(plain_page, step) == statuses
    assert plain_page.locator("#calls .seen .status").all_inner_texts() == ["200", "201", "201"]


def test_a_person_signs_in_and_sees_the_consent_page(page: Any, address: str) -> None:
    page.goto(address)
    page.click("#person form button")
    sign_in(page)
    page.click("button:has-text('Allow')")
    page.wait_for_selector("#person .exchange")
    assert read_statuses(page, "person") == ["200 OK", "200 OK"]
    assert '"client_id": "customer-docs"' in page.inner_text("#person")
    assert "signed in as demo" in page.inner_text("main")
    page.click("text=Applications you allowed")
    assert "Customers API documentation" in page.inner_text("main")


BUTTONS = {
    "token": "Get a token",
    "calls": "List, create, charge",
    "revoke": "Revoke it",
    "again": "The same three calls",
    "scope": "Get one and list customers",
}


def allow_by_keyboard(page: Any) -> None:
    page.wait_for_function("document.activeElement.id === 'name'")
    page.keyboard.type("demo")
    page.keyboard.press("Tab")
    page.keyboard.type("demo")
    tab_to(page, "Sign in")
    page.keyboard.press("Space")
    page.wait_for_selector("button[value=allow]")
    tab_to(page, "decision")
    page.keyboard.press("Tab")  # beyond "Deny"
    page.keyboard.press("Enter")


def test_the_tour_by_keyboard_alone(page: Any, address: str) -> None:
    page.goto(address)
    for step, button in BUTTONS.items():
        tab_to(page, button)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#{step} .exchange")
        assert page.evaluate("document.activeElement.closest('section').id") == step, "the focus stays at the button"
    tab_to(page, "Sign in and see the consent page")
    page.keyboard.press("Enter")
    allow_by_keyboard(page)
    page.wait_for_selector("#person .exchange")
    assert read_statuses(page, "person") == ["200 OK", "200 OK"]


def test_swagger_ui_by_keyboard_alone(page: Any, address: str) -> None:
    """Its boxes for scopes could not be reached."""
    page.goto(f"{address}/docs")
    page.wait_for_selector(".opblock")
    tab_to(page, "Authorize")
    page.keyboard.press("Enter")
    page.wait_for_selector(".auth-container")
    tab_to(page, "customer_api-authorizationCode-checkbox-oauth2")
    box = page.locator("input:focus")
    assert box.is_checked()
    page.keyboard.press("Space")
    assert not box.is_checked()
    drawn = "each => getComputedStyle(each.nextElementSibling.querySelector('.item')).outlineWidth"
    assert box.evaluate(drawn) == "3px"
    page.keyboard.press("Space")
    with page.expect_popup() as opened:
        tab_to(page, "Apply given OAuth2 credentials")
        page.keyboard.press("Enter")
    allow_by_keyboard(opened.value)
    page.locator(".auth-container >> text=Logout").first.wait_for()


def test_the_focus_is_seen_and_goes_on_as_the_page_is_read(page: Any, address: str) -> None:
    """In the dark, the outline of Swagger UI was white on white, and that of its first link a dotted line."""
    page.goto(address)
    for step in STORY:
        page.click(f"#{step} form button")
        page.wait_for_selector(f"#{step} .exchange")
    page.click("#token summary")
    names = [each for each in check_focus(page) if each != "Documentation"]  # a link where the site was built
    assert names[:3] == ["Swagger UI", "Applications you allowed", "Sign in"]
    assert [each for each in names if each in {"Revoke it", "Start over"}] == ["Revoke it", "Start over"]
    for path in ("/nothing", "/docs/oauth2-redirect", "/sign-in", "/docs"):
        page.goto(address + path)
        if path == "/docs":
            page.wait_for_selector(".opblock")
        assert check_focus(page), path


def authorize(page: Any, flow: str) -> Any:
    page.wait_for_selector(".opblock")
    page.click(".auth-wrapper button.authorize")
    return page.locator(".auth-container", has_text=f"OAuth2, {flow}")


def list_customers(page: Any) -> str:
    page.click(".btn-done >> nth=0")
    page.click("#operations-customers-listCustomers button.opblock-summary-control")
    page.click("#operations-customers-listCustomers button.execute")
    page.wait_for_selector("#operations-customers-listCustomers .live-responses-table tr.response .response-col_status")
    return str(page.inner_text("#operations-customers-listCustomers .live-responses-table"))


@pytest.mark.promise("EX-01")
def test_swagger_ui_signs_a_person_in_by_code_and_pkce(page: Any, address: str) -> None:
    page.goto(f"{address}/docs?url=https://evil.example/openapi.json&persistAuthorization=true")
    box = authorize(page, "authorizationCode")
    asked: list[Any] = []
    page.on("request", lambda each: asked.append(each))  # noqa: PLW0108  # Playwright marks the function
    with page.expect_popup() as opened:
        box.locator("button.authorize").click()
    popup = opened.value
    assert "code_challenge_method=S256" in popup.url or "next=" in popup.url
    sign_in(popup)
    popup.click("button:has-text('Allow')")
    box.locator("text=Logout").wait_for()
    (redeemed,) = [each for each in asked if each.url.endswith("/oauth/token")]
    assert "code_verifier=" in redeemed.post_data
    assert "Ada Lovelace" in list_customers(page)
    assert page.evaluate("Object.keys(localStorage).length") == 0
    assert {each.url.split("/")[2] for each in asked} == {address.split("/")[2]}, "nothing is loaded from elsewhere"
    page.goto(f"{address}/docs")
    page.wait_for_selector(".auth-wrapper button.authorize.unlocked")


def test_what_is_typed_into_swagger_ui_can_be_read(page: Any, address: str) -> None:
    """In the dark, its fields had the light text of our pages on white."""
    page.goto(f"{address}/docs")
    page.wait_for_selector(".opblock")
    page.click("#operations-customers-listCustomers button.opblock-summary-control")
    page.wait_for_selector("#operations-customers-listCustomers input")
    colours = "each => [getComputedStyle(each).color, getComputedStyle(each).backgroundColor]"
    assert page.eval_on_selector("#operations-customers-listCustomers input", colours) == [
        "rgb(59, 65, 81)",
        "rgb(255, 255, 255)",
    ]


def test_swagger_ui_gets_a_token_by_client_credentials(page: Any, address: str) -> None:
    page.goto(f"{address}/docs")
    box = authorize(page, "clientCredentials")
    box.locator("#client_id_clientCredentials").fill("customer-manager")
    box.locator("#client_secret_clientCredentials").fill("customer-manager-secret")
    box.locator("button.authorize").click()
    box.locator("text=Logout").wait_for()
    assert "Ada Lovelace" in list_customers(page)


def find_violations(page: Any, *, but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What axe-core finds on the page, by rule."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="not installed: axe-playwright-python"
    ).Axe()
    found = axe.run(page).response["violations"]
    return {each["id"]: [node["target"] for node in each["nodes"]] for each in found if each["id"] not in but}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_core_finds_nothing(chromium: Any, address: str, scheme: str, width: int) -> None:
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        bypass_csp=True,  # for the script of axe-core
    )
    page = context.new_page()
    page.goto(address)
    for step in STORY:
        page.click(f"#{step} form button")
        page.wait_for_selector(f"#{step} .exchange")
    page.click("#token summary")
    assert find_violations(page) == {}
    for path in ("/nothing", "/docs/oauth2-redirect", "/sign-in"):
        page.goto(address + path)
        assert find_violations(page) == {}, path
    page.goto(f"{address}/docs")
    page.wait_for_selector(".opblock")
    # Swagger UI has a link inside the button of each operation, and headings of any level in its dialog.
    its_own = frozenset({"nested-interactive", "heading-order"})
    assert find_violations(page, but=its_own) == {}
    authorize(page, "authorizationCode").wait_for()
    assert find_violations(page, but=its_own) == {}, "the dialog"
    list_customers(page)
    assert find_violations(page, but=its_own) == {}, "a call and its answer"
    context.close()
