"""What every test has: the promise list, the `needs` marker, and a name that is the same in each process."""

import pytest

pytest_plugins = ("tests.promises", "tests.services", "pytester")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse ids with the address of an object: pytest-xdist's processes would not agree on the list of tests."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} has another id in each process: give the parameters ids")
