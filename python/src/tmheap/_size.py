"""The size of an object with all that it holds: the recipe that the documentation of sys.getsizeof names, and native memory.

Native memory is known where libtm.so was preloaded. What an object holds of it is found by tm_total_size from the object's own
block, if Python's objects were recorded from the start of the process, and from the address of its buffer. sys.getsizeof includes some of it already (that
of a numpy array which owns its data): it is counted once, and so is what several objects hold.
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from itertools import chain
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional

from tmheap import _layout, _library, _tracemalloc
from tmheap._layout import Api, TotalSizeOptions

Handler = Callable[[Any], Iterable[Any]]

_FOLLOW, _STOP, _SKIP = 0, 1, 2
_GC_HEAD_BYTES = 16
_PLAIN = frozenset(
    (int, float, complex, bool, type(None), str, bytes, bytearray, tuple, list, dict, set, frozenset, deque, range, slice)
)
"""Types whose memory is all Python's, and is in sys.getsizeof."""


def total_size(o: Any, handlers: Mapping[type, Handler] = {}, verbose: bool = False) -> int:
    """Returns the bytes of an object and of all that it holds, each object and each block of native memory once.

    Followed are tuple, list, deque, dict, set, frozenset and their subclasses, what a memoryview and a numpy array are views
    of, and what `handlers` say: {SomeClass: iter, OtherClass: OtherClass.get_elements}. With verbose a line is written to
    standard error for each object.
    """
    all_handlers: dict[type, Handler] = {
        tuple: iter,
        list: iter,
        deque: iter,
        dict: lambda d: chain.from_iterable(d.items()),
        set: iter,
        frozenset: iter,
        memoryview: _viewed,
    }
    numpy = sys.modules.get("numpy")
    if hasattr(numpy, "ndarray"):
        all_handlers[numpy.ndarray] = _viewed  # type: ignore[union-attr]
    all_handlers.update(handlers)
    return _Walk(all_handlers, verbose).total(o)


class _Walk:
    """A walk over objects, in the order of the recipe but without its recursion."""

    def __init__(self, handlers: Mapping[type, Handler], verbose: bool) -> None:
        self.handlers = handlers
        self.verbose = verbose
        self.default_size = sys.getsizeof(0)
        # Kept alive: the number of one that is gone may become another's.
        self.seen: dict[int, Any] = {}
        self.native = _Native.of_this_process()

    def total(self, o: Any) -> int:
        size = 0
        waiting: list[Iterator[Any]] = [iter((o,))]
        while waiting:
            for found in waiting[-1]:
                if id(found) in self.seen:
                    continue
                self.seen[id(found)] = found
                size += self.own_size(found)
                inner = self.inner(found)
                if inner is not None:
                    waiting.append(inner)
                    break
            else:
                waiting.pop()
        return size

    def own_size(self, o: Any) -> int:
        size = sys.getsizeof(o, self.default_size)
        native = 0 if self.native is None or type(o) in _PLAIN else self.native.beyond(o, size)
        if self.verbose:
            suffix = f" and {native} bytes of native memory" if native > 0 else ""
            print(size, type(o), repr(o) + suffix, file=sys.stderr)
        return size + native

    def inner(self, o: Any) -> Optional[Iterator[Any]]:
        for kind, handler in self.handlers.items():
            if isinstance(o, kind):
                return iter(handler(o))
        return None


class _Native:
    """Native memory as tm knows it, each block once."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.counted: set[int] = set()

    @classmethod
    def of_this_process(cls) -> Optional[_Native]:
        api = _library.loaded()
        is_known = api is not None and _library.is_preloaded() and api.is_tracing()
        return cls(api) if is_known else None  # type: ignore[arg-type]

    def beyond(self, o: Any, size: int) -> int:
        """Returns the bytes of native memory that `o` holds and nobody has counted, beyond those in its own `size`; less than
        0 if its size has some that were counted."""
        blocks = self.blocks(o)
        if not blocks:
            return 0
        old = sum(bytes_ for address, bytes_ in blocks.items() if address in self.counted)
        new = sum(blocks.values()) - old
        self.counted.update(blocks)
        included = max(0, size - type(o).__basicsize__ - _GC_HEAD_BYTES)
        return max(0, new - max(0, included - old)) - min(included, old)

    def blocks(self, o: Any) -> dict[int, int]:
        """Returns the addresses and sizes of the blocks of native memory that `o` holds."""
        found = {}
        # Else what Python had from malloc before its objects were recorded would be taken for native memory.
        if _tracemalloc.objects_from_start() and _tracemalloc.is_tracing():
            found = self.reached(id(o), is_object=True)
        address = _buffer_address(o)
        if address is not None and not _is_view_of_plain(o):
            found.update(self.reached(address, is_object=False) or self.mapping(address))
        return found

    def reached(self, address: int, is_object: bool) -> dict[int, int]:
        """Walks from the block that holds an address: from an object to all native memory, else over that block alone."""
        found: dict[int, int] = {}

        def handle(_context: Any, block: Any, _walk: Any) -> int:
            block = block.contents
            if is_object and block.depth == 0:
                return _FOLLOW
            if block.domain == _layout.DOMAIN_PYTHON:
                return _SKIP
            found[block.address] = block.size
            return _FOLLOW if is_object else _STOP

        handler = _layout.HANDLER(handle)
        options = TotalSizeOptions(handler=handler)
        result = ctypes.c_void_p()
        if self.api.total_size(address, ctypes.byref(options), ctypes.byref(result)) == _layout.OK:
            self.api.total_size_free(result)
        return found

    def mapping(self, address: int) -> dict[int, int]:
        """Returns the mapping that begins at an address: that of a mmap.mmap."""
        place = ctypes.POINTER(_layout.Traceback)()
        if self.api.get_object_traceback(address, ctypes.byref(place)) != _layout.OK:
            return {}
        found = {place.contents.address: place.contents.size}
        if place.contents.domain == _layout.DOMAIN_PYTHON:
            found = {}
        self.api.traceback_free(place)
        return found


def _viewed(o: Any) -> tuple[Any, ...]:
    """Returns what a memoryview or a numpy array is a view of, if it is a view."""
    owner = None
    if isinstance(o, memoryview):
        try:
            owner = o.obj
        except ValueError:
            # It was released.
            pass
    elif _is_array(o):
        owner = o.base
    return () if owner is None else (owner,)


def _is_array(o: Any) -> bool:
    array = getattr(sys.modules.get("numpy"), "ndarray", None)
    return array is not None and isinstance(o, array)


def _is_view_of_plain(o: Any) -> bool:
    """Tells whether the buffer of an object is the memory of another one that sys.getsizeof knows."""
    owner = _viewed(o)
    while owner and type(owner[0]) not in _PLAIN:
        owner = _viewed(owner[0])
    return bool(owner)


class _Buffer(ctypes.Structure):
    """`Py_buffer`."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_FULL_READ_ONLY = 0x11C
"""`PyBUF_FULL_RO`: whatever shape it has."""


def _buffer_address(o: Any) -> Optional[int]:
    """Returns where the buffer of an object begins, or None if it has none."""
    buffer = _Buffer()
    try:
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(o), ctypes.byref(buffer), _FULL_READ_ONLY)
    except (BufferError, TypeError, ValueError):
        return None
    address: Optional[int] = buffer.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address
