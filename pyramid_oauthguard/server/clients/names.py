"""Names of clients that register themselves: they are shown to users, so they must not imitate anything else on the page."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["clean_name", "is_taken"]

_MAX_CHARACTERS: Final = 80
_MAX_MARKS: Final = 2  # accents on one letter
#: The page has the name in quotes: the name must not seem to end earlier.
_QUOTES: Final = frozenset("\"'`´‘’‚‛“”„‟‹›«»〝〞〟＂＇｀″‴‶‷❛❜❝❞ʺ˝˵˶״〃")
#: Letters and what of ASCII they look like (Unicode Technical Standard 39). Capitals that look like something else than their
#: small letters do come first, since the others are looked up after case folding.
_CAPITALS_ALIKE: Final = str.maketrans("ΗΜΝΥΧΖ", "hmnyxz")
_ALIKE: Final = str.maketrans({
    char: like
    for chars, likes in (
        ("авекмнорстухһіјѕԁԛԝӏпгѵь", "abekmhopctyxhijsdqwlnrvb"),  # Cyrillic
        ("αβεηικνορτυχϝζγωσ", "abenikvoptuxfzywo"),  # Greek
        ("օոսհյցքզ", "onuhjgfq"),  # Armenian
        ("ᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᎡᏒᏚᎢᏙᎳᏔᏃᎽᎩᏎ", "abcdeghijklmprrstvwwzyy4"),  # Cherokee
        ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "bpdtgkjczfmnlsrvhwxyaelou"),  # Lisu
        ("ᑭᗅᗷᑕᗞᖴᕼᒍᒪᗰᑎᖇᑌᐯ᙭", "pabcdfhjlmnruvx"),  # Canadian syllabics
        ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz"),  # Latin small capitals
        ("ɑɡıɩɭłøđħŧƀƅƒʋ", "agiillodhtbbfv"),  # other Latin letters
        ("\u05d5\u05df\u05e1\u0627\u0647", "llolo"),  # Hebrew, Arabic
        ("1ǀ0", "llo"),
    )
    for char, like in zip(chars, likes, strict=True)
})  # fmt: skip
#: Signs that look like a letter, and that also separate words.
_BARS: Final = str.maketrans(dict.fromkeys("|¦‖∣⏐│｜", "l"))


def clean_name(text: str) -> str:
    """The name in one line: without quotes, control characters, and characters that change the direction of writing or are
    not visible. Empty if nothing is left."""
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text)[: _MAX_CHARACTERS * 4]:
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if char.isspace():
            kept.append(" ")
        elif char.isprintable() and char not in _QUOTES and not _is_blank(char) and marks <= _MAX_MARKS:
            kept.append(char)
    return " ".join("".join(kept).split())[:_MAX_CHARACTERS].strip()


def is_taken(name: str, others: Iterable[str]) -> bool:
    """Whether a user could take ``name`` for one of the others: they differ in case, width, spaces, punctuation or letters that
    look alike only."""
    wanted = _list_readings(name)
    return any(not wanted.isdisjoint(_list_readings(other)) for other in others)


@functools.lru_cache(maxsize=1024)
def _list_readings(name: str) -> frozenset[str]:
    """The letters that a user may read: a bar is one of them, or separates words."""
    return frozenset({_simplify(name), _simplify(name.translate(_BARS))})


def _simplify(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).translate(_CAPITALS_ALIKE).casefold()
    letters = "".join(char for char in folded if char.isalnum()).translate(_ALIKE)
    return letters.replace("i", "l").replace("rn", "m").replace("vv", "w")  # a capital I is a small l in many fonts


def _is_blank(char: str) -> bool:
    """Letters that are shown as nothing, such as the Hangul fillers."""
    return char in "\u115f\u1160\u3164\uffa0\u2800"
