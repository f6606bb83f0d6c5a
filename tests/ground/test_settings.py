"""Tables of settings: read once, wrong ones refused by name."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.settings import (
    REQUIRED,
    Setting,
    as_bool,
    as_choice,
    as_duration,
    as_int,
    as_list,
    as_str,
    as_url,
    parse,
)


@dataclass(frozen=True)
class Settings:
    name: str
    size: int
    secret: str | None
    a_b: tuple[str, ...]
    tree: Any


TABLE = (
    Setting("name", as_str, REQUIRED, "The name."),
    Setting("size", as_int, 7, "The size."),
    Setting("secret", as_str, None, "The secret.", secret=True),
    Setting("a.b", as_list, (), "Words."),
    Setting("tree.*", dict, {}, "Whatever is below."),
)


def read(**given: Any) -> Settings:
    return parse(TABLE, {f"x.{key.replace('__', '.')}": value for key, value in given.items()}, "x", into=Settings)


def test_a_table_becomes_a_frozen_dataclass():
    settings = read(name=" n ", a__b="1 2", tree__p="q", tree__r__s="t")
    assert settings == Settings("n", 7, None, ("1", "2"), {"p": "q", "r.s": "t"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.name = "other"


def test_others_keys_are_not_looked_at():
    assert parse(TABLE, {"x.name": "n", "xx.name": 1, "y.z": 2, "x": 3}, "x", into=Settings).name == "n"
    given = {"x.name": "n", "x.other.key": 1}
    assert parse(TABLE, given, "x", into=Settings, foreign=("other.",)).name == "n"
    with pytest.raises(SettingError):
        parse(TABLE, given, "x", into=Settings)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "x.name: is required (The name.)"),
        ({"name": " "}, "x.name: is required (The name.)"),
        ({"name": "n", "siz": 1}, "x.siz: is not a setting (did you mean x.size?)"),
        ({"name": "n", "xyzzy": 1}, "x.xyzzy: is not a setting (see the list of settings)"),
        ({"name": "n", "size": "big"}, "x.size: must be a whole number, not 'big'"),
        ({"name": "n", "secret": 7}, "x.secret: is not usable as a secret: it must be text, not int"),
        ({"name": "n", "a__b": "1 ; two"}, "x.a.b: must have no comment in the line of a value: ';' and what follows would be elements"),
        ({"name": "n", "a__b": "1 # two"}, "x.a.b: must have no comment in the line of a value: '#' and what follows would be elements"),
        ({"name": "n", "name_file": "/etc/hostname"}, "x.name_file: is not a setting (did you mean x.name?)"),
        ({"name": "n\0"}, "x.name: has a NUL character, which no setting may contain (save the file as UTF-8)"),
        ({"name": "n", "secret": "a\0b"}, "x.secret: has a NUL character, which no setting may contain (save the file as UTF-8)"),
        ({"name": "n", "tre": "x"}, "x.tre: is not a setting (did you mean x.tree?)"),
        *(
            (given, f"x.{name}: has a variable such as ${{NAME}}, which nothing has replaced: an ini file does not read the environment (set the value where the settings are made, or, of a secret, name a file)")
            for name, given in {
                "name": {"name": "https://${HOST}/realms"},
                "a.b": {"name": "n", "a__b": "1 ${TWO}"},
                "secret": {"name": "n", "secret": "${SECRET}"},
                "tree.key": {"name": "n", "tree__key": "redis://${HOST}/0"},
            }.items()
        ),
    ],
)  # fmt: skip
def test_an_error_names_the_key_and_what_to_do(given, text):
    with pytest.raises(SettingError) as caught:
        read(**given)
    assert str(caught.value) == text


def test_an_error_has_a_key_a_problem_and_a_hint():
    error = SettingError("x.y", "is odd", "make it even")
    assert (error.key, error.problem, error.hint, error.reason) == ("x.y", "is odd", "make it even", "setting")
    assert str(error) == "x.y: is odd (make it even)"
    assert str(SettingError("x.y", "is odd")) == "x.y: is odd"


def test_a_value_that_only_looks_like_a_variable(tmp_path):
    assert read(name="a$b {c} $D ${} ${1}").name == "a$b {c} $D ${} ${1}"
    (tmp_path / "secret").write_text("${whatever}")
    assert read(name="n", secret_file=str(tmp_path / "secret")).secret == "${whatever}"


@pytest.mark.promise("GD-26")
def test_a_secret_from_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    assert read(name="n", secret_file=str(path)).secret == "s3cret"
    assert read(name="n", secret_file=path).secret == "s3cret"
    assert read(name="n", secret_file="").secret is None
    with pytest.raises(SettingError, match=r"^x\.secret: is given twice: here and as x\.secret_file"):
        read(name="n", secret="other", secret_file=str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(SettingError, match=r"^x\.secret_file: can't be read"):
        read(name="n", secret_file=str(path))


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (as_str, " a b ", "a b"),
        (as_list, "a  b\n\tc", ("a", "b", "c")),
        (as_list, "", ()),
        (as_list, ["a b"], ("a b",)),
        (as_list, "[fd00::1] a,b it's", ("[fd00::1]", "a,b", "it's")),
        (as_bool, "Yes", True),
        (as_bool, "0", False),
        (as_bool, 1, True),
        (as_bool, True, True),
        (as_int, "12", 12),
        (as_int, " 12 ", 12),
        (as_int, 12.0, 12),
        (as_duration, "90", 90.0),
        (as_duration, "1.5h", 5400.0),
        (as_duration, "7d", 604_800.0),
        (as_duration, 0, 0.0),
        (as_choice("a", "b"), " b ", "b"),
        (as_url, " https://a.test ", "https://a.test"),
    ],
)
def test_good_values(convert, value, expected):
    assert convert(value) == expected


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (as_str, 7),
        (as_str, None),
        (as_list, 7),
        (as_list, {"a": "b"}),
        (as_list, ["a", 7]),
        (as_list, "a, b"),
        (as_list, "a ,b"),
        (as_list, "a,"),
        (as_list, '"a"'),
        (as_list, "'a b'"),
        (as_list, '["a", "b"]'),
        (as_list, "['a']"),
        (as_bool, "maybe"),
        (as_bool, ""),
        (as_bool, None),
        (as_bool, 2),
        (as_int, "1.5"),
        (as_int, 1.5),
        (as_int, "-1"),
        (as_int, True),
        (as_int, None),
        (as_int, float("inf")),
        (as_int, float("nan")),
        (as_int, "9" * 5_000),
        (as_duration, "1y"),
        (as_duration, "-1"),
        (as_duration, "9" * 400),
        (as_duration, "1 2"),
        (as_duration, ""),
        (as_duration, None),
        (as_duration, True),
        (as_duration, float("nan")),
        (as_choice("a", "b"), "c"),
        (as_choice("a", "b"), None),
        (as_url, 7),
    ],
)
def test_bad_values(convert, value):
    with pytest.raises(ValueError, match="must"):
        convert(value)


def test_a_choice_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'remote'"):
        as_choice("local", "remote")("Remot")
    with pytest.raises(ValueError, match="did you mean 'client_secret_basic'"):
        as_choice("client_secret_basic", "client_secret_post", "none")("basic")
    with pytest.raises(ValueError, match=r"not 'secret'$"):
        as_choice("client_secret_basic", "client_secret_post", "none")("secret")


@pytest.mark.slow
@pytest.mark.parametrize("convert", [as_bool, as_int, as_duration, as_list, as_str, as_choice("a"), as_url])
@given(
    value=st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none(), st.booleans(), st.lists(st.text()))
)
def test_a_converter_gives_a_value_or_a_value_error(convert, value):
    with contextlib.suppress(ValueError):
        convert(value)
