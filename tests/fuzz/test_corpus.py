"""The corpus of the fuzzer, without the fuzzer; and some random inputs, for a harness that no longer runs is worth nothing."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from fuzz import __main__ as program
from fuzz.harnesses import NAMES
from fuzz.harnesses.tokens import find_refusal_of_pyjwt
from fuzz.source import Source

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"


def test_each_harness_has_a_corpus_and_each_corpus_a_harness():
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_has_no_finding(name):
    run = importlib.import_module(f"fuzz.harnesses.{name}").run
    for path in sorted((CORPUS / name).iterdir()):
        run(path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_random_inputs_have_no_finding(name):
    run = importlib.import_module(f"fuzz.harnesses.{name}").run
    numbers = random.Random(name)  # noqa: S311  # inputs, not secrets
    for size in [0, 1, *range(2, 400, 8)]:
        run(numbers.randbytes(size))


def test_the_same_bytes_give_the_same_values():
    data = random.Random(1).randbytes(500)  # noqa: S311  # inputs, not secrets
    assert repr(Source(data).take_object(("a", "b"))) == repr(Source(data).take_object(("a", "b")))
    assert Source(b"").take_object(("a",)) == {}


@pytest.mark.parametrize(("claims", "refused"), [
    ({}, None),
    ({"sub": None, "jti": None}, None),
    ({"sub": 1}, "InvalidSubjectError"),
    ({"aud": ["https://other.test"]}, "InvalidAudienceError"),
    ({"exp": 0.5}, "ExpiredSignatureError"),
    ({"nbf": 2**31}, "ImmatureSignatureError"),
])  # fmt: skip
def test_the_harness_of_tokens_reports_the_claims_that_pyjwt_refuses_and_not_those_that_may_differ(claims, refused):
    good = {"iss": "https://issuer.test", "aud": "https://api.test", "exp": 2**31 + 0.5}
    assert (find_refusal_of_pyjwt({**good, **claims}) or "None").split("(")[0] == str(refused)


def test_a_seed_alone_fixes_how_often_each_harness_runs(monkeypatch, tmp_path):
    commands = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program.sys, "argv", ["fuzz", "files", "tokens", "--seed", "7"])
    monkeypatch.setattr(
        program.subprocess, "run", lambda command, **_rest: commands.append(command) or SimpleNamespace(returncode=0)
    )
    assert program.main() == 0
    assert [each[3:] for each in commands] == [
        ["--child", name, "--runs", str(program.RUNS[name]), "--seed", "7"] for name in ("files", "tokens")
    ]


def test_the_input_of_a_finding_is_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(program, "_FINDINGS", tmp_path)
    run = program.keep_findings("files", lambda data: 1 / len(data))
    run(b"good")
    with pytest.raises(ZeroDivisionError):
        run(b"")
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("files-")
    assert kept.read_bytes() == b""
    assert str(kept) in capsys.readouterr().err
