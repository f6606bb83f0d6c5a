"""The how-to pages about issuers: each block of settings accepts a token of the form that the page shows, and what the page
says about `check`, about the principals and about the common mistake is what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyramid_oauthguard.testing import ABSENT
from tests.documentation import DOCS
from tests.guard.guarding import find_status
from tests.guard.paged import Example, Running, mint_like

Mistake = Callable[[Example], str]


def _change(**claims: object) -> Mistake:
    return lambda example: mint_like(example, **claims)


def _send(raw: str) -> Mistake:
    return lambda _example: raw


_OTHER_TENANT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
_GRAPH = "00000003-0000-0000-c000-000000000000"

#: The common mistake of each example, and why the guard refuses it.
MISTAKES: dict[Example, tuple[Mistake, str]] = {
    Example("okta", 0): (_change(iss="https://YOUR-ORG.okta.com"), "wrong_issuer"),
    Example("auth0", 0): (
        _send("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..c2l4dGVlbg.Y2lwaGVydGV4dA.dGFn"),
        "not_a_jwt",
    ),
    Example("keycloak", 0): (_change(aud="account"), "wrong_audience"),
    Example("wso2", 0): (_send("4f0a1d4c-1b7e-3d5f-9a1c-2b6b6e4c8f11"), "not_a_jwt"),
    Example("entra", 0): (_change(aud=_GRAPH), "wrong_audience"),
    Example("entra", 1): (
        _change(iss="https://login.microsoftonline.com/YOUR-TENANT-ID/v2.0", ver="2.0"),
        "wrong_issuer",
    ),
    Example("entra", 2): (
        _change(iss=f"https://login.microsoftonline.com/{_OTHER_TENANT}/v2.0", tid=_OTHER_TENANT),
        "wrong_issuer",
    ),
    Example("entra", 3): (_change(aud="38307aee-303c-4fff-8087-d8d2751ed826", scp=ABSENT, azp=ABSENT), "id_token"),
    Example("adfs", 0): (_change(aud="urn:microsoft:userinfo", scp="openid"), "wrong_audience"),
    Example("authentik", 0): (_change(azp=ABSENT, uid=ABSENT, at_hash="77QmUPtjPfzWtF2AnpK9RQ"), "id_token"),
    Example("cognito", 0): (_change(aud="5bexampleclientid", token_use="id", at_hash="h"), "wrong_token_use"),
    Example("google", 0): (_send("ya29.a0AfH6SMBx-example-of-an-opaque-token"), "not_a_jwt"),
    Example("github-actions", 0): (_change(aud="https://github.com/octo-org"), "wrong_audience"),
    Example("kubernetes", 0): (_change(aud=["https://kubernetes.default.svc.cluster.local"]), "wrong_audience"),
    Example("zitadel", 0): (_change(aud=["163840776835432345@shop"]), "wrong_audience"),
    Example("several", 0): (_change(aud="https://partner-api.example"), "wrong_audience"),
}
EXAMPLES = list(MISTAKES)


def join(text: str) -> str:
    """The text without the places where a page breaks its lines."""
    return " ".join(text.split())


def _name(example: Example) -> str:
    return f"{example.page}-{example.number}"


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_the_token_of_a_page_has_the_principals_of_the_page(example: Example, tmp_path: Path) -> None:
    running = Running(example, tmp_path)
    with running.issuers():
        assert running.find_principals(mint_like(example)) == sorted(example.principals)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_check_says_what_the_page_says(example: Example, tmp_path: Path) -> None:
    running = Running(example, tmp_path)
    with running.issuers():
        assert join(running.check()) == join(example.check)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_the_common_mistake_is_refused_as_the_page_says(example: Example, tmp_path: Path) -> None:
    make, reason = MISTAKES[example]
    running = Running(example, tmp_path)
    with running.issuers():
        raw = make(example)
        assert find_status(running.app, "/local", raw) == 401
        found = running.explain(raw)
    assert f"REFUSED: {reason}" in found
    assert join(found) == join(example.explanation)


def test_every_page_is_shown() -> None:
    pages = {path.stem for path in (DOCS / "how-to" / "issuers").glob("*.md")} - {"index"}
    assert pages == {example.page for example in EXAMPLES}


@pytest.mark.parametrize("page", sorted({example.page for example in EXAMPLES}))
def test_every_page_has_the_same_parts(page: str) -> None:
    text = (DOCS / "how-to" / "issuers" / f"{page}.md").read_text("utf-8")
    for part in ("What `oauthguard check` says", "The common mistake", "```json", "```ini", "```console"):
        assert part in text, part
