"""The ten names of CPython's C module `_tracemalloc`, done by tm.

Domain 0 is Python's objects, as there. Native memory, which is recorded in a process that was started under libtm.so, is the
domain NATIVE_DOMAIN; mappings are in none, since the heap lies in them.
"""

from __future__ import annotations

import ctypes
import operator
import os
import threading
from typing import Any, Optional

from tmheap import _layout, _library
from tmheap._layout import Api, PythonTraces
from tmheap._library import Unavailable

__all__ = [
    "clear_traces",
    "get_traceback_limit",
    "get_traced_memory",
    "get_tracemalloc_memory",
    "is_tracing",
    "reset_peak",
    "start",
    "stop",
]

NATIVE_DOMAIN = 0x6E617476
"""Memory of malloc and its relatives that is not Python's: "natv" as a number."""

Frames = tuple[tuple[str, int], ...]
RawTrace = tuple[int, int, Frames, int]

_NFRAME_MAX = 65535
_NFRAME_MAX_OF_TM = 16384
_OWN_FRAMES_MAX = 8
"""More frames than this module has on the stack at a time, with what it calls."""
_DOMAINS = {_layout.DOMAIN_PYTHON: 0, _layout.DOMAIN_HEAP: NATIVE_DOMAIN}
_UNKNOWN: tuple[Frames, int] = ((("<unknown>", 0),), 1)

_objects_are_on = _library.is_preloaded() and os.environ.get("TM_PYTHON_OBJECTS") == "1"
"""Whether Python's objects are recorded: from the start of the process, as by -X tracemalloc, or since start()."""
_limit = _NFRAME_MAX_OF_TM if _objects_are_on else 1


_FROM_START = _objects_are_on


def objects_from_start() -> bool:
    """Tells whether Python's objects were recorded from the start of the process."""
    return _FROM_START


class _Figures(threading.local):
    """Where a thread's figures are written: made once, so that a question adds nothing to what it asks about."""

    def __init__(self) -> None:
        self.current = ctypes.c_uint64()
        self.peak = ctypes.c_uint64()
        self.places = (ctypes.byref(self.current), ctypes.byref(self.peak))


_figures = _Figures()


def is_tracing() -> bool:
    """Return True if the tracemalloc module is tracing Python memory allocations."""
    api = _library.loaded()
    return api is not None and _objects_are_on and bool(api.is_tracing())


def start(nframe: int = 1, /) -> None:
    """Start tracing Python memory allocations.

    Also set the maximum number of frames stored in the traceback of a trace to nframe.
    """
    global _limit, _objects_are_on
    nframe = _c_int(nframe)
    if not 1 <= nframe <= _NFRAME_MAX:
        raise ValueError(f"the number of frames must be in range [1; {_NFRAME_MAX}]")
    if is_tracing():
        return
    try:
        api = _library.load()
        _begin(api)
    except Unavailable as error:
        _library.warn(str(error))
        return
    _limit = nframe
    _objects_are_on = True


def _c_int(number: object) -> int:
    """Converts an argument as the C module does."""
    number = operator.index(number)  # type: ignore[arg-type]
    if not -(2**31) <= number < 2**31:
        raise OverflowError("Python int too large to convert to C int")
    return number


def _begin(api: Api) -> None:
    objects = api.python_objects(1)
    if objects != _layout.OK:
        raise Unavailable(_why_not(objects))
    # Stacks are kept whole, and cut when they are read: only then is their depth known.
    began = api.start(_NFRAME_MAX_OF_TM)
    if began != _layout.OK:
        api.python_objects(0)
        raise Unavailable(_why_not(began))


def _why_not(code: int) -> str:
    if code == _layout.NOT_FOUND:
        return "libtm.so does not know the allocators of this interpreter; see `tmtool info` of the recording"
    if code == _layout.BUSY:
        return "another thread's start or stop of libtm.so does not come to an end"
    if code == _layout.NO_MEMORY:
        return "libtm.so has no memory left, or its recording cannot grow"
    return "libtm.so has no recording (TM_DISABLE=1, or its file could not be made)"


def stop() -> None:
    """Stop tracing Python memory allocations, and clear all traces."""
    global _objects_are_on
    api = _library.loaded()
    if api is None or not _objects_are_on:
        return
    _objects_are_on = False
    api.python_objects(0)
    if not _library.is_preloaded():
        api.stop()


def clear_traces() -> None:
    """Clear traces of memory blocks allocated by Python."""
    api = _library.loaded()
    if api is not None and is_tracing():
        api.clear_traces()


def get_traceback_limit() -> int:
    """Get the maximum number of frames stored in the traceback of a trace."""
    return _limit


def get_traced_memory() -> tuple[int, int]:
    """Get the current size and peak size of memory blocks traced by tracemalloc, in bytes."""
    api = _library.loaded()
    if api is None or not is_tracing():
        return 0, 0
    figures = _figures
    api.get_traced_memory(*figures.places)
    return figures.current.value, figures.peak.value


def reset_peak() -> None:
    """Set the peak size of memory blocks traced by tracemalloc to the current size."""
    api = _library.loaded()
    if api is not None and is_tracing():
        api.reset_peak()


def get_tracemalloc_memory() -> int:
    """Get the memory usage in bytes of tm in this process."""
    api = _library.loaded()
    return 0 if api is None else int(api.get_tracemalloc_memory())


def _get_traces() -> list[RawTrace]:
    """Get traces of all memory blocks: (domain, size, frames, total_nframe), frames from the most recent on."""
    with _Hidden():
        traces = _ask(None)
        if traces is None:
            return []
        with traces:
            return traces.raw()


def _get_object_traceback(obj: object, /) -> Optional[Frames]:
    """Get the frames of where obj was allocated, or None."""
    with _Hidden():
        traces = _ask(id(obj))
        if traces is None:
            return None
        with traces:
            raw = traces.raw()
        return raw[0][2] if raw else None


class _Hidden:
    """What this thread allocates in a `with` is not recorded, as what the C module allocates for itself."""

    def __enter__(self) -> None:
        api = _library.loaded()
        self._before = 0 if api is None else api.python_hide(1)

    def __exit__(self, *_: object) -> None:
        api = _library.loaded()
        if api is not None:
            api.python_hide(self._before)


class Traces:
    """Live blocks with their Python frames, as tm has handed them out; to be used in a `with`."""

    def __init__(self, api: Api, pointer: Any) -> None:
        self._api = api
        self._pointer = pointer
        self._found: PythonTraces = pointer.contents

    def __enter__(self) -> Traces:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.python_traces_free(self._pointer)

    def texts(self) -> list[str]:
        """Returns file names and names of functions."""
        found = self._found
        return [found.texts[place].decode("utf-8", "surrogatepass") for place in range(found.n_texts)]

    def tracebacks(self) -> list[tuple[Frames, int]]:
        """Returns the frames and the depth of each traceback."""
        found = self._found
        texts = self.texts()
        # Bytes that are unpacked at once: fields one after the other are slow through ctypes.
        words = _words(found.frames, 3 * found.n_frames)
        frames = list(zip(map(texts.__getitem__, words[0::3]), words[2::3]))
        rows = _words(found.tracebacks, 3 * found.n_tracebacks)
        n_kept_max = _limit
        made = []
        known: dict[Frames, Frames] = {}
        for first, count, total in zip(rows[0::3], rows[1::3], rows[2::3]):
            if not count:
                made.append(_UNKNOWN)
                continue
            own = _own_frames(frames[first : first + min(count, _OWN_FRAMES_MAX)])
            kept = tuple(frames[first + own : first + min(count, own + n_kept_max)])
            made.append((known.setdefault(kept, kept), min(total - own, _NFRAME_MAX)))
        return made

    def raw(self) -> list[RawTrace]:
        """Returns all as `_get_traces` does."""
        found = self._found
        tracebacks = self.tracebacks()
        words = _words(found.traces, 4 * found.n_traces)
        made = []
        for low, high, domain, place in zip(words[0::4], words[1::4], words[2::4], words[3::4]):
            frames, total = tracebacks[place]
            made.append((_DOMAINS.get(domain, domain), low | high << 32, frames, total))
        return made


def _own_frames(frames: list[tuple[str, int]]) -> int:
    """Returns how many of the most recent frames are this module's: as a module in C it would have none, and what it allocates
    is its caller's."""
    for place in range(len(frames) - 1, -1, -1):
        if frames[place][0] == __file__:
            return place + 1
    return 0


def _words(pointer: Any, count: int) -> memoryview:
    """Returns a table as numbers of 32 bits. A copy: a type of ctypes for each length would stay for ever."""
    return memoryview(ctypes.string_at(pointer, 4 * count) if count else b"").cast("I")


def _ask(pointer: Optional[int]) -> Optional[Traces]:
    """Returns what lives, or the one block of Python's that holds the pointer; None if there is none."""
    api = _library.loaded()
    if api is None or not is_tracing():
        return None
    found = ctypes.POINTER(PythonTraces)()
    if api.get_python_traces(pointer, _limit + _OWN_FRAMES_MAX, ctypes.byref(found)) != _layout.OK:
        return None
    return Traces(api, found)
