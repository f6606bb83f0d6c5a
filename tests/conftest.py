"""What every test has: the promise list and the `needs` marker."""

pytest_plugins = ("tests.promises", "tests.services", "pytester")
