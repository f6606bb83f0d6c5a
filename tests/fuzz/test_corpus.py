"""The corpus of the fuzzer, without the fuzzer; and some random inputs, for a harness that no longer runs is worth nothing."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

from fuzz.harnesses import NAMES
from fuzz.source import Source

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"


def test_each_harness_has_a_corpus_and_each_corpus_a_harness():
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_has_no_finding(name):
    run = importlib.import_module(f"fuzz.harnesses.{name}").run
    for path in sorted((CORPUS / name).iterdir()):
        run(path.read_bytes())


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
