"""The suite's own plug-ins: what counts as shown, and what a missing program does."""

from __future__ import annotations

import pytest

from tests.promises import format_summary, read_promises

SUITE = """
    import pytest

    @pytest.mark.promise("GD-63", "GD-02")
    def test_passes(): pass

    @pytest.mark.promise("GD-04")
    def test_skips(): pytest.skip("no reason")

    @pytest.mark.promise("GD-05")
    def test_fails(): assert False

    @pytest.mark.needs("no-such-program")
    def test_needs(): pass
"""


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, *args: str, suite: str = SUITE) -> pytest.RunResult:
    pytester.makepyfile(suite)
    return pytester.runpytest("-p", "tests.promises", "-p", "tests.services", *args)


@pytest.mark.slow
def test_only_a_passing_test_shows_a_promise(pytester: pytest.Pytester) -> None:
    result = run(pytester)
    count = len(read_promises())
    result.stdout.fnmatch_lines([f"promises shown: 2 of {count}; not yet shown: GD-04 GD-05 *"])


@pytest.mark.slow
def test_part_of_the_suite_says_nothing(pytester: pytest.Pytester) -> None:
    for part in (("-k", "passes"), ("test_part_of_the_suite_says_nothing.py",), ("-x",)):
        run(pytester, *part).stdout.no_fnmatch_line("promises shown*")


def test_unknown_promise_stops_the_run(pytester: pytest.Pytester) -> None:
    result = run(pytester, suite=SUITE.replace("GD-04", "GD-99"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_skips*GD-99*"])


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "outcome"), [("", {"skipped": 1}), ("true", {"errors": 1})])
def test_missing_program(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    run(pytester, "-k", "needs").assert_outcomes(deselected=3, **outcome)


def test_summary_when_everything_is_shown() -> None:
    assert format_summary(["GD-05", "GD-02"], {"GD-05", "GD-02"}) == "promises shown: 2 of 2"
