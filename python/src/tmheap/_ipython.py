"""The cell magic `%%tmheap` of IPython and Jupyter: what a cell takes of memory, and which lines what it leaves is from."""

from __future__ import annotations

import linecache
from typing import Any

from tmheap import _bytes
from tmheap._measure import Measurement

_LINES = 10


def register(shell: Any) -> None:
    """Registers the magic."""
    shell.register_magic_function(lambda line, cell: _run_cell(shell, line, cell), "cell", "tmheap")


def _run_cell(shell: Any, line: str, cell: str) -> None:
    """%%tmheap [N]: runs the cell; shows its peak, what it leaves, and the N lines (10) that have most of that."""
    try:
        n_lines = int(line) if line.strip() else _LINES
    except ValueError:
        print(f"tmheap: {line.strip()!r} is no number of lines; %%tmheap takes one, like %%tmheap 20")
        return
    measurement = Measurement(with_tracebacks=True)
    shell.run_cell(cell)
    measured = measurement.end()
    if measured is None:
        return
    print(f"peak {_bytes.text(measured.peak)}, left {_bytes.text(measured.left)}")
    by_line: dict[tuple[str, int], list[int]] = {}
    for trace, size, count in measured.grown:
        frame = trace[-1]
        sums = by_line.setdefault((frame.filename, frame.lineno), [0, 0])
        sums[0] += size
        sums[1] += count
    rows = sorted(by_line.items(), key=lambda row: row[1][0], reverse=True)
    for (filename, lineno), (size, count) in rows[:n_lines]:
        source = linecache.getline(filename, lineno).strip()
        print(f"{_bytes.text(size):>12} in {count} blocks  {filename}:{lineno}  {source}")
    if len(rows) > n_lines:
        print(f"... and {len(rows) - n_lines} more lines")
