"""The standard library's tracemalloc over tm's data: `import tmheap.tracemalloc as tracemalloc`.

The code is the interpreter's own tracemalloc.py, so that its classes are those of this version of Python; only the C module
below it is another one, tmheap._tracemalloc.
"""

import importlib.machinery as _machinery
import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

from tmheap import _tracemalloc as _ours
from tmheap._tracemalloc import NATIVE_DOMAIN as NATIVE_DOMAIN

if _TYPE_CHECKING:
    # Its names for type checkers, which do not see the code run.
    from tracemalloc import *


def _run_standard_module() -> None:
    spec = _machinery.PathFinder.find_spec("tracemalloc")
    if spec is None or spec.loader is None:
        raise ImportError("the standard library's tracemalloc.py was not found")
    code = spec.loader.get_code("tracemalloc")  # type: ignore[attr-defined]
    theirs = _sys.modules.get("_tracemalloc")
    _sys.modules["_tracemalloc"] = _ours
    try:
        exec(code, globals())
    finally:
        if theirs is None:
            del _sys.modules["_tracemalloc"]
        else:
            _sys.modules["_tracemalloc"] = theirs
    # Programs leave out what the module itself has allocated by a filter of this name, which its code has too.
    globals()["__file__"] = spec.origin


_run_standard_module()
