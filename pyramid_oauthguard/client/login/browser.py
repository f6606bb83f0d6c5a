"""The system's browser (RFC 8252 section 6): whether there is one, and opening it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

__all__ = ["is_available", "open_url"]

# The address goes through a pipe; messages of the browser must not be mixed with our output.
_OPEN: Final = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.stdin.readline().strip()))"
_PATIENCE_SECONDS: Final = 3.0


def is_available(environ: Mapping[str, str]) -> bool:
    """Whether a browser that the user sees can be opened from here."""
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False  # the browser would open on the wrong machine, or not at all
    if sys.platform in ("darwin", "win32"):
        return True
    if not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME")):
        return False
    import webbrowser

    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def open_url(url: str) -> bool:
    """Open ``url``. False if it certainly failed. The end of the process is not awaited: some browsers do not end."""
    # -I: a webbrowser.py in the working directory is not ours.
    process = subprocess.Popen(  # noqa: S603  # this interpreter, and nothing of the user's in its arguments
        [sys.executable, "-I", "-c", _OPEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        process.communicate(url + "\n", timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return process.returncode == 0
