"""The structures and the table of functions of api/include/tm.h, as ctypes lays them out."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_int, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import Callable, Optional

OK = 0
NO_MEMORY = -1
NOT_TRACING = -2
NOT_LOADED = -3
INVALID = -4
NOT_FOUND = -5
BUSY = -6
FAILED = -7

DOMAIN_HEAP = 0
DOMAIN_PYTHON = 0x70796F62
"""Blocks of Python's own allocators."""


class Traceback(Structure):
    """Where a block was allocated: `tm_traceback`."""

    _fields_ = [
        ("frames", c_void_p),
        ("n_frames", c_size_t),
        ("total_nframe", c_size_t),
        ("address", c_size_t),
        ("size", c_size_t),
        ("domain", c_uint),
    ]


class Block(Structure):
    """A block that a walk has reached: `tm_block`."""

    _fields_ = [
        ("address", c_size_t),
        ("size", c_size_t),
        ("domain", c_uint),
        ("depth", c_uint),
        ("location", c_char_p),
    ]


HANDLER = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(Block), c_void_p)
VISIT = ctypes.CFUNCTYPE(None, c_void_p, POINTER(Block))


class TotalSizeOptions(Structure):
    """How a walk goes: `tm_total_size_options`."""

    _fields_ = [
        ("depth_max", c_size_t),
        ("blocks_max", c_size_t),
        ("handler", HANDLER),
        ("visit", VISIT),
        ("context", c_void_p),
        ("verbose", c_int),
    ]


class PythonFrame(Structure):
    """A place in Python code: `tm_python_frame`."""

    _fields_ = [("filename", c_uint32), ("function", c_uint32), ("lineno", c_uint32)]


class PythonTraceback(Structure):
    """A stack of Python frames: `tm_python_traceback`."""

    _fields_ = [("first_frame", c_uint32), ("n_frames", c_uint32), ("total_nframe", c_uint32)]


class PythonTrace(Structure):
    """A live block: `tm_python_trace`."""

    _fields_ = [("size", c_uint64), ("domain", c_uint32), ("traceback", c_uint32)]


class PythonTraces(Structure):
    """What lives, with the Python frames that allocated it: `tm_python_traces`."""

    _fields_ = [
        ("traces", POINTER(PythonTrace)),
        ("n_traces", c_size_t),
        ("tracebacks", POINTER(PythonTraceback)),
        ("n_tracebacks", c_size_t),
        ("frames", POINTER(PythonFrame)),
        ("n_frames", c_size_t),
        ("texts", POINTER(c_char_p)),
        ("n_texts", c_size_t),
    ]


def _command(*arguments: type) -> type:
    """Returns the type of a function that is called with the interpreter's lock held: short, or in need of it."""
    return ctypes.PYFUNCTYPE(c_int, *arguments)


def _question(*arguments: type) -> type:
    """Returns the type of a function that lets other threads run meanwhile."""
    return ctypes.CFUNCTYPE(c_int, *arguments)


class Table(Structure):
    """The table `tm_api`: functions in the order of the header; later versions have more at the end."""

    _fields_ = [
        ("size", c_size_t),
        ("start", _command(c_uint)),
        ("stop", _command()),
        ("is_tracing", _command()),
        ("get_traceback_limit", _command()),
        ("clear_traces", _command()),
        # Without types of arguments: ctypes converts by making objects, which would be counted.
        ("get_traced_memory", ctypes.CFUNCTYPE(c_int)),
        ("reset_peak", _question()),
        ("get_tracemalloc_memory", ctypes.PYFUNCTYPE(c_size_t)),
        ("take_snapshot", _command(c_char_p)),
        ("dump_snapshot", _question(c_char_p)),
        ("get_object_traceback", _question(c_void_p, POINTER(POINTER(Traceback)))),
        ("traceback_format", c_void_p),
        ("traceback_free", ctypes.CFUNCTYPE(None, POINTER(Traceback))),
        ("track", _command(c_uint, c_size_t, c_size_t)),
        ("untrack", _command(c_uint, c_size_t)),
        ("name_domain", _command(c_uint, c_char_p)),
        ("get_domain_memory", _question(c_uint, POINTER(c_uint64), POINTER(c_uint64))),
        ("total_size", _question(c_void_p, POINTER(TotalSizeOptions), POINTER(c_void_p))),
        ("follow", c_void_p),
        ("total_size_free", ctypes.CFUNCTYPE(None, c_void_p)),
        ("tag", ctypes.PYFUNCTYPE(c_uint32, c_char_p)),
        ("restore_tag", ctypes.PYFUNCTYPE(c_uint32, c_uint32)),
        ("python_objects", _command(c_int)),
        ("python_hide", _command(c_int)),
        ("get_python_traces", _question(c_void_p, c_uint, POINTER(POINTER(PythonTraces)))),
        ("python_traces_free", ctypes.CFUNCTYPE(None, POINTER(PythonTraces))),
    ]


class Api:
    """The functions of a table, each made once: a call makes no object that would be counted by what it asks."""

    start: Callable[[int], int]
    stop: Callable[[], int]
    is_tracing: Callable[[], int]
    clear_traces: Callable[[], int]
    get_traced_memory: Callable[..., int]
    reset_peak: Callable[[], int]
    get_tracemalloc_memory: Callable[[], int]
    take_snapshot: Callable[[bytes], int]
    get_object_traceback: Callable[..., int]
    traceback_free: Callable[..., None]
    total_size: Callable[..., int]
    total_size_free: Callable[..., None]
    tag: Callable[[Optional[bytes]], int]
    restore_tag: Callable[[int], int]
    python_objects: Callable[[int], int]
    python_hide: Callable[[int], int]
    get_python_traces: Callable[..., int]
    python_traces_free: Callable[..., None]

    def __init__(self, table: Table) -> None:
        for name in self.__annotations__:
            setattr(self, name, getattr(table, name))
