"""Growth: input of twice the length may cost at most three times the CPU time. No absolute time is compared.

    assert_linear(lambda n: "Bearer " + "a" * n, parse_challenge)

`run` must take what `make_input` makes without raising: a test that expects a refusal suppresses it inside.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["assert_linear", "measure_growth"]

#: Quadratic work gives 4, linear work 2; what lies between is noise.
MAX_RATIO: Final = 3.0
_BEST_OF: Final = 5
#: A machine that is busy may spoil one measurement, but not all of them.
_ATTEMPTS: Final = 3
#: CPU seconds of one measurement of the shorter input: many times the resolution of the clock.
_MEASURABLE_SECONDS: Final = 0.003


def assert_linear(make_input: Callable[[int], Any], run: Callable[[Any], object], *, size: int = 10_000) -> None:
    """`run(make_input(2 * size))` costs at most three times the CPU time of `run(make_input(size))`, best of five.

    `size` must be so large that the work on the input outweighs the rest of `run`: for what is bounded, half of the bound.
    """
    ratios = []
    for _attempt in range(_ATTEMPTS):
        ratios.append(measure_growth(make_input, run, size=size))
        if ratios[-1] <= MAX_RATIO:
            return
    raise AssertionError(f"twice the input costs {', '.join(f'{ratio:.1f}' for ratio in ratios)} times the CPU time")


def measure_growth(make_input: Callable[[int], Any], run: Callable[[Any], object], *, size: int) -> float:
    """The CPU time for an input of 2 * `size` divided by that for one of `size`, each the best of five."""
    small, large = make_input(size), make_input(2 * size)
    repeats = _find_repeats(run, small)
    # In turn: what slows the machine down for a moment slows both.
    pairs = [(_time(run, small, repeats), _time(run, large, repeats)) for _ in range(_BEST_OF)]
    return min(pair[1] for pair in pairs) / min(pair[0] for pair in pairs)


def _find_repeats(run: Callable[[Any], object], data: Any) -> int:
    repeats = 1
    while _time(run, data, repeats) < _MEASURABLE_SECONDS:
        repeats *= 2
    return repeats


def _time(run: Callable[[Any], object], data: Any, repeats: int) -> float:
    enabled = gc.isenabled()
    gc.disable()
    try:
        began = time.process_time()
        for _ in range(repeats):
            run(data)
        return time.process_time() - began
    finally:
        if enabled:
            gc.enable()
