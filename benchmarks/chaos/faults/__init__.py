"""All faults, one file for each thing that fails. A new file is added to ``_FILES``."""

from __future__ import annotations

from ..fault import Fault
from . import answers, callers, database, issuers, redis, starting, writes

__all__ = ["FAULTS"]

_FILES = (callers, writes, database, starting, redis, issuers, answers)
FAULTS: tuple[Fault, ...] = tuple(fault for file in _FILES for fault in file.FAULTS)
