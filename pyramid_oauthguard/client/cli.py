"""The entry point of the ``oauthguard`` command. Needs nothing, so that it can say what is missing."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with the exit status of the contract."""
    try:
        from .ending import run_to_the_end
    except ImportError as error:
        missing = f"oauthguard: the command needs {error.name}, which is not installed"
        sys.stderr.write(f"{missing}; pip install 'pyramid_oauthguard[client]'\n")
        sys.exit(1)
    sys.exit(run_to_the_end())


if __name__ == "__main__":
    main()
