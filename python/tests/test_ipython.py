"""The magic `%%tmheap` runs a cell and shows what it takes."""

from __future__ import annotations

import pytest
from conftest import Programs

SESSION = r"""
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "tmheap")
    shell.run_cell("%%tmheap 1\nbytearray(8 << 20)\nkept = [bytearray(2 << 20) for _ in range(2)]\nother = bytearray(1 << 20)")
    assert len(shell.user_ns["kept"]) == 2
    shell.run_cell("%%tmheap many\n1")
    shell.run_cell("%%tmheap\n1 / 0")
"""


def test_a_cell_is_measured(programs: Programs, mode: str) -> None:
    pytest.importorskip("IPython")
    lines = programs.script(SESSION, mode=mode, IPYTHONDIR=str(programs.folder)).splitlines()
    peak, left = lines[0].split(", ")
    assert peak.startswith("peak 8.") and left.startswith("left 5."), lines
    assert lines[1].strip().startswith("4.0 MiB in ") and lines[1].endswith("kept = [bytearray(2 << 20) for _ in range(2)]"), lines
    assert lines[2].startswith("... and "), lines
    assert lines[3] == "tmheap: 'many' is no number of lines; %%tmheap takes one, like %%tmheap 20"
    assert any("ZeroDivisionError" in line for line in lines[4:]) and lines[-1].startswith(("peak", " ", "...")), lines
