"""JSON with nothing left to interpretation."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_oauthguard.strict_json import parse_object

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.slow
@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_an_object_is_read_as_it_was_written(value, ascii_only, indent):
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == value


@pytest.mark.slow
@pytest.mark.promise("GD-64")
@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"null", b"true", b"7", b'"a"', b"[]", b"[{}]", b"{", b"}", b"{}{}", b"{} x", b"{},", b"{'a':1}", b"{a:1}", b'{"a":1,}', b'{"a"}', b'{"a":01}', b'{"a":+1}', b'{"a":.5}', b'{"a":0x1}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e400}', b'{"a":-1e999}', b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":1,"\\u0061":2}', b'{"a":"\\ud800"}', b'{"\\udfff":1}', b'{"a":"\xff"}', b'\xef\xbb\xbf{}', b"{\0}", b"{}\0", b'{"a":"\n"}', b'{"a":"\x00"}', b"// x\n{}", b'{"a":/**/1}', "{}".encode("utf-16"), b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\xaf"}', b'{"a":True}', b'{"a":undefined}'],
)  # fmt: skip
def test_what_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011  # json's own errors are as welcome as ours
        parse_object(data)


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b" {} ",
        b"\r\n\t{}\n",
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":1E5}',
        b'{"":1}',
        b'{"a":-0}',
        b'{"a":"\\u0000"}',
        b'{"a":1e-999}',
    ],
)
def test_what_is_not(data):
    assert isinstance(parse_object(data), dict)


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"])
def test_depth_is_refused_without_harm(deep):
    began = time.perf_counter()
    with pytest.raises(ValueError):  # noqa: PT011  # as above
        parse_object(deep)
    assert time.perf_counter() - began < 2


@pytest.mark.promise("GD-11")
def test_a_long_number_is_refused_without_harm():
    began = time.perf_counter()
    with pytest.raises(ValueError):  # noqa: PT011  # as above
        parse_object(b'{"a":' + b"9" * 1_000_000 + b"}")
    assert time.perf_counter() - began < 2


@given(st.binary())
def test_any_bytes_are_an_object_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        assert isinstance(parse_object(data), dict)


@pytest.mark.slow
@given(st.lists(st.sampled_from(["[", "]", "{", "}", '"', "\\", "a", " "]), max_size=30).map("".join))
def test_brackets_inside_of_strings_do_not_count(text):
    inside = json.dumps({"text": text * 20, "deep": [[[]]]})
    assert parse_object(inside.encode()) == json.loads(inside)
