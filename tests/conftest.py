"""What every test has: the promise list, the `needs` marker, and a name that is the same in each process."""

import gc
import os
import sys
from collections.abc import Generator

import pytest

pytest_plugins = ("tests.promises", "tests.services", "pytester")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse ids with the address of an object: pytest-xdist's processes would not agree on the list of tests."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} has another id in each process: give the parameters ids")


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """For ``-n auto``: three processes for two cores. A third of the time, tests wait for a deadline, a browser or a program."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave modules and collected tests to the end: each full garbage collection would visit all of them, for half a second."""
    gc.disable()
    result = yield
    if sys.version_info < (3, 14):  # there, hypothesis asks the collector who refers to an object
        gc.freeze()
    gc.enable()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write what was captured as text that is UTF-8: pytest-xdist's processes can't send lone surrogates, and end the run."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
