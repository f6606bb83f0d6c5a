"""`@pytest.mark.promise("GD-07")`: a test names the lines of docs/project/promises.md that it shows.

A run of the whole suite ends with the lines that no passing test shows yet. An id that the page does not have stops the run.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "project" / "promises.md"
_LINE = re.compile(r"^- \*\*([A-Z]{2}-\d{2})\*\* (.+)$", re.MULTILINE)


def read_promises(page: Path = PAGE) -> dict[str, str]:
    """Return each promise's id and first line of its sentence, in the page's order."""
    found = _LINE.findall(page.read_text(encoding="utf-8"))
    promises = dict(found)
    if len(promises) != len(found):
        raise pytest.UsageError(f"{page.name} gives one id to two promises")
    return promises


def pytest_configure(config: pytest.Config) -> None:
    """Keep the book of this run on the controlling process."""
    config.pluginmanager.register(_Book(config, read_promises()), "promise-book")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the promises on the report, which also travels from pytest-xdist's workers."""
    report = yield
    report.promises = _named_by(item)
    return report


class _Book:
    def __init__(self, config: pytest.Config, promises: dict[str, str]) -> None:
        self.promises = promises
        self.shown: set[str] = set()
        self.whole = _is_whole_suite(config)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            unknown = [name for name in _named_by(item) if name not in self.promises]
            if unknown:
                raise pytest.UsageError(f"{item.nodeid} names promises that {PAGE.name} does not have: {unknown}")

    def pytest_deselected(self) -> None:
        self.whole = False

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.shouldfail or session.shouldstop:
            self.whole = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.shown.update(getattr(report, "promises", ()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        ran = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if ran and self.whole:
            terminalreporter.section("promises")
            terminalreporter.write_line(format_summary(self.promises, self.shown))


def format_summary(promises: Iterable[str], shown: set[str]) -> str:
    """Return the closing line: how many promises a passing test shows, and which none does."""
    names = list(promises)
    missing = [name for name in names if name not in shown]
    line = f"promises shown: {len(names) - len(missing)} of {len(names)}"
    return f"{line}; not yet shown: {' '.join(missing)}" if missing else line


def _named_by(item: pytest.Item) -> list[str]:
    return [name for marker in item.iter_markers("promise") for name in marker.args]


def _is_whole_suite(config: pytest.Config) -> bool:
    """Part of the suite says nothing about the promises that the rest of it shows."""
    chosen = config.getoption("keyword") or config.getoption("markexpr") or config.getoption("lf", default=False)
    whole_args = config.args_source is not pytest.Config.ArgsSource.ARGS or config.args == config.getini("testpaths")
    return whole_args and not chosen
