"""What a piece of code takes of memory: its peak, and what it leaves. For the pytest plugin and the magic of IPython."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any, Optional

from tmheap import _library, _tracemalloc, tracemalloc

_NFRAME = 64


@dataclass
class Measured:
    """What was measured between start and end."""

    peak: int
    """Bytes at most, above those of the start."""
    left: int
    """Bytes at the end, above those of the start; collected garbage is gone."""
    grown: list[tuple[Any, int, int]]
    """(traceback, bytes, blocks) of what was allocated and is left, the largest first; empty unless it was asked for."""


class Measurement:
    """Measures from its making to end().

    If nothing was traced before, only what is allocated meanwhile counts, and tracing ends with it. Else the peak is reset:
    that of tracemalloc, not that of reports about the recording.
    """

    def __init__(self, with_tracebacks: bool = False) -> None:
        gc.collect()
        self._was_tracing = _tracemalloc.is_tracing()
        if not self._was_tracing:
            _tracemalloc.start(_NFRAME)
        self.is_measuring = _tracemalloc.is_tracing()
        self._before: Optional[Any] = None
        if with_tracebacks and self.is_measuring and (self._was_tracing or _library.is_preloaded()):
            self._before = tracemalloc.take_snapshot()
        self._with_tracebacks = with_tracebacks
        _tracemalloc.reset_peak()
        self._current = _tracemalloc.get_traced_memory()[0]

    def end(self) -> Optional[Measured]:
        """Returns what was measured; None if tm cannot be used, which was warned of."""
        if not self.is_measuring:
            return None
        peak = _tracemalloc.get_traced_memory()[1]
        gc.collect()
        current = _tracemalloc.get_traced_memory()[0]
        grown = self._grown() if self._with_tracebacks else []
        if not self._was_tracing:
            _tracemalloc.stop()
        return Measured(max(0, peak - self._current), max(0, current - self._current), grown)

    def _grown(self) -> list[tuple[Any, int, int]]:
        after = tracemalloc.take_snapshot()
        if self._before is None:
            groups = ((group.traceback, group.size, group.count) for group in after.statistics("traceback"))
        else:
            differences = after.compare_to(self._before, "traceback")
            groups = ((group.traceback, group.size_diff, group.count_diff) for group in differences)
        return sorted((group for group in groups if group[1] > 0), key=lambda group: group[1], reverse=True)
