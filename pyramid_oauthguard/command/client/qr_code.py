"""An address as a QR code on the terminal, for the camera of a phone."""

from __future__ import annotations

import io
from typing import Final

from ..output import Console

__all__ = ["draw", "show_code"]

#: A longer address makes a code that is larger than most terminals.
_LONGEST_CHARS: Final = 200


def show_code(console: Console, address: str) -> None:
    """Show the code of an address that is not too long, if there is a terminal that shows it."""
    if console.quiet or not console.is_watched or len(address) > _LONGEST_CHARS or not address.isascii():
        return
    for line in draw(address):
        console.show_inverted(line)


def draw(address: str) -> list[str]:
    """The lines of the code, in white on black."""
    import segno

    out = io.StringIO()
    segno.make(address, error="l", micro=False).terminal(out=out, border=2, compact=True)
    return out.getvalue().splitlines()
