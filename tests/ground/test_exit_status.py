"""The exit status of an error: whether something has to be changed, or trying again may help."""

from __future__ import annotations

from typing import Any

import pytest

from pyramid_oauthguard.client.errors import as_command_error
from pyramid_oauthguard.discovery import fetch_metadata
from pyramid_oauthguard.errors import CoolingError, UnavailableError
from pyramid_oauthguard.exit_status import NETWORK, USAGE, find_exit_status
from pyramid_oauthguard.fetch import Answer


class Issuer:
    """Answers every request with the same answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.answer = Answer(status, {}, body)

    def get(self, url: str) -> Answer:
        return self.answer


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"issuer": "https://other.example"}, USAGE),
        (200, {}, USAGE),
        (404, {}, USAGE),
        (429, {}, NETWORK),
        (503, {}, NETWORK),
    ],
)
def test_an_answer_that_will_not_change_is_a_matter_of_configuration(
    status: int, body: dict[str, Any], expected: int
) -> None:
    issuer: Any = Issuer(status, body)
    with pytest.raises(UnavailableError) as caught:
        fetch_metadata(issuer, "https://issuer.example")
    assert find_exit_status(caught.value) == expected


@pytest.mark.parametrize("lasting", [False, True])
def test_verbs_of_the_client_and_of_the_guard_have_the_same_status(lasting: bool) -> None:
    for error in (
        UnavailableError("not_json", "no JSON", lasting=lasting),
        CoolingError("not_json", "no JSON", wait=3, lasting=lasting),
    ):
        assert as_command_error(error).exit_status == find_exit_status(error) == (USAGE if lasting else NETWORK)


def test_a_repeated_error_says_the_same() -> None:
    error = UnavailableError("bad_jwks", "no key set", retry_after=30, lasting=True)
    for again, detail in ((error.repeat(), "no key set"), (error.repeat("look here"), "look here")):
        assert again is not error
        assert (again.reason, again.detail, again.retry_after, again.lasting) == ("bad_jwks", detail, 30, True)


def test_trying_again_may_help_unless_an_error_says_otherwise() -> None:
    assert find_exit_status(UnavailableError("unreachable")) == NETWORK
