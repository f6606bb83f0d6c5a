"""CPU time of two things in interleaved pairs. Standard library only: peers run this in environments of their own."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

__all__ = ["Comparison", "Options", "compare", "summarize"]

Operation = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure.

    :ivar pairs: interleaved pairs behind each median.
    :ivar seconds: CPU time of one sample of a pair.
    :ivar quick: leave out what takes long.
    :ivar peers: measure the other libraries, too; installs them.
    """

    pairs: int = 31
    seconds: float = 0.05
    quick: bool = False
    peers: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a subject costs over a base: the median of the pairs' ratios and its quartiles, and µs of either's median."""

    ratio: float
    low: float
    high: float
    subject: float
    base: float
    pairs: int

    @property
    def inverse(self) -> Comparison:
        """The base over the subject, as a share of what an unguarded request costs."""
        return Comparison(1 / self.ratio, 1 / self.high, 1 / self.low, self.subject, self.base, self.pairs)


def compare(subject: Operation, base: Operation, options: Options) -> Comparison:
    """CPU time of this thread in ``subject`` over ``base``, pair by pair, each pair in the other order."""
    count = _calibrate(base, options.seconds)
    for operation in (subject, base):
        _time(operation, max(1, count // 4))
    subjects, bases = [], []
    for number in range(options.pairs):
        if number % 2:
            subjects.append(_time(subject, count))
            bases.append(_time(base, count))
        else:
            bases.append(_time(base, count))
            subjects.append(_time(subject, count))
    return summarize(subjects, bases)


def summarize(subjects: list[float], bases: list[float]) -> Comparison:
    """The comparison out of pairs of seconds per operation."""
    ratios = [ours / theirs for ours, theirs in zip(subjects, bases, strict=True)]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios * 3)
    return Comparison(median(ratios), low, high, median(subjects) * 1e6, median(bases) * 1e6, len(ratios))


def _calibrate(operation: Operation, seconds: float) -> int:
    count = 1
    while (taken := _time(operation, count) * count) < seconds / 10:
        count *= 4
    return max(1, round(count * seconds / taken))


def _time(operation: Operation, count: int) -> float:
    """Seconds of this thread's CPU for one operation.

    Samples are short and many: what else runs on the machine then spoils some of them, and the median none.
    """
    gc.collect()
    for _ in range(1 + count // 10):  # the collector has swept the caches
        operation()
    rounds = range(count)
    begun = time.thread_time_ns()
    for _ in rounds:
        operation()
    return (time.thread_time_ns() - begun) / count / 1e9
