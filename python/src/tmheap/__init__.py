"""tm, a heap profiler, for Python programs: who allocates, by Python line.

    import tmheap.tracemalloc as tracemalloc    the whole of tracemalloc, over tm's data
    tmheap.install()                            so that code which imports tracemalloc uses it unchanged
    tmheap.total_size(obj)                      the bytes of an object and all that it holds, native memory too
    tmheap.tag("phase"), tmheap.mark("name")    names for what a recording shows
    python -m tmheap run script.py              records a program; `python -m tmheap stats FILE` reports
"""

from tmheap._scopes import mark, tag
from tmheap._size import total_size

__all__ = ["__version__", "install", "load_ipython_extension", "mark", "tag", "total_size"]

__version__ = "0.1.0"


def install() -> None:
    """Makes tmheap.tracemalloc the module that `import tracemalloc` finds from here on: for pytest, Django, the "Object
    allocated at" of warnings. Modules that have imported the standard one before keep it.
    """
    import sys

    from tmheap import _tracemalloc, tracemalloc

    sys.modules["_tracemalloc"] = _tracemalloc
    sys.modules["tracemalloc"] = tracemalloc


def load_ipython_extension(shell: object) -> None:
    """Is called by `%load_ext tmheap`: gives IPython and Jupyter the magic `%%tmheap`."""
    from tmheap import _ipython

    _ipython.register(shell)
