"""Prints the line table of each code object in Python files, and which lines CPython itself reads from it.

One code object a line: how the table is written (as LineTableKind has it), co_firstlineno, the table in hexadecimal or -,
and the lines of the code units as COUNTxLINE; 0 is no line. python3 dump.py FILE...
"""

import ctypes
import sys
import types
from itertools import groupby

KIND = 1 if sys.version_info < (3, 10) else 2 if sys.version_info < (3, 11) else 3
addr_to_line = ctypes.pythonapi.PyCode_Addr2Line
addr_to_line.argtypes = [ctypes.py_object, ctypes.c_int]


def dump(code):
    table = code.co_lnotab if KIND == 1 else code.co_linetable
    units = range(len(code.co_code) // 2)
    lines = (max(addr_to_line(code, 2 * unit), 0) for unit in units)
    runs = [f"{len(list(run))}x{line}" for line, run in groupby(lines)]
    print(KIND, code.co_firstlineno, table.hex() or "-", *runs)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            dump(constant)


for name in sys.argv[1:]:
    with open(name, "rb") as file:
        dump(compile(file.read(), name, "exec", dont_inherit=True))
