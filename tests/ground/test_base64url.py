"""The decoder of base64url says what the library says of every text that the library would write, and refuses all others."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.jwt.base64url import parse_segment

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode_with_library(segment: bytes) -> bytes | None:
    """The bytes, if the library would write them as this very segment."""
    try:
        data = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except ValueError:
        return None
    return data if encode(data) == segment else None


def decode(segment: bytes) -> bytes | None:
    try:
        return parse_segment(segment)
    except InvalidToken:
        return None


@given(st.binary(max_size=70))
def test_what_the_library_writes_is_read(data: bytes) -> None:
    assert decode(encode(data)) == data


#: Texts of the alphabet, of base64's other one, with padding, white space, NUL and bytes beyond ASCII.
texts = st.lists(st.sampled_from([bytes([each]) for each in ALPHABET + b"+/==*\n \t\0\x80\xff.~"]), max_size=12).map(
    b"".join
)


@pytest.mark.slow
@given(texts | st.binary(max_size=12))
@example(b"")
@example(b"A")
@example(b"AA=")
@example(b"AA==")
@example(b"AAA=")
@example(b"A===")
@example(b"====")
@example(b"AB")
@example(b"AAB")
@example(b"AA\n")
@example(b"AAAA\n")
@example(b"AA+/")
@example(b"A*AA")
def test_what_the_library_would_not_write_is_refused(segment: bytes) -> None:
    assert decode(segment) == decode_with_library(segment)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_last_character_is_judged_as_the_library_judges_it(size: int) -> None:
    for first in (b"A" * size, b"_" * size, b"AAAA" + b"z" * size):
        for last in range(256):
            segment = first[:-1] + bytes([last])
            assert decode(segment) == decode_with_library(segment), segment
