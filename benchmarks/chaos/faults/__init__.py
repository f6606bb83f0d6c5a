"""All faults, one file for each thing that fails. A new file is added to ``_FILES``."""

from __future__ import annotations

from ..fault import Fault
from . import callers, database, redis, starting, writes

__all__ = ["FAULTS"]

_FILES = (callers, database, starting, writes, redis)
FAULTS: tuple[Fault, ...] = tuple(fault for file in _FILES for fault in file.FAULTS)
