"""The measure of growth tells quadratic work from linear work."""

from __future__ import annotations

import re

import pytest

from tests.growing import assert_linear


def test_linear_work_passes():
    assert_linear(lambda n: "a b " * n, str.split)


@pytest.mark.slow
def test_quadratic_work_fails():
    blanks = re.compile(r"\s+$")
    with pytest.raises(AssertionError, match="times the CPU time"):
        assert_linear(lambda n: " " * n + "x", blanks.search, size=1_000)
