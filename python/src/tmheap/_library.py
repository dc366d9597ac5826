"""libtm.so in this process: found where it was preloaded, else loaded from the package."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Optional

from tmheap._layout import Api, Table

PRODUCTS = Path(__file__).parent / "products"
"""The folder of libtm.so, libtm_query.so and tmtool."""

MACHINES = ("x86_64", "aarch64")
"""The processors that tm is written for."""

_SETTINGS = {"TM_START": "0"}
"""What a library that is loaded for tracemalloc's functions is given: nothing is recorded before start()."""


class Unavailable(Exception):
    """tm cannot be used in this process; the text is one sentence, and says what to do."""


_api: Optional[Api] = None
_is_preloaded = False
_reason: Optional[str] = None
_warned = False


def loaded() -> Optional[Api]:
    """Returns the functions of the libtm.so that is in this process, or None."""
    return _api


def is_preloaded() -> bool:
    """Tells whether libtm.so was there before this package: then native memory is recorded too."""
    return _is_preloaded


def load() -> Api:
    """Returns the functions of libtm.so, which is loaded if it is not in this process yet.

    Raises Unavailable, with the same reason every time, if there is none that fits.
    """
    global _api, _reason
    if _api is not None:
        return _api
    if _reason is not None:
        raise Unavailable(_reason)
    try:
        _api = _open_own()
    except Unavailable as error:
        _reason = str(error)
        raise
    return _api


def warn(reason: str) -> None:
    """Says once in this process why nothing is recorded; the program goes on."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"tmheap records nothing: {reason}", RuntimeWarning, stacklevel=3)


def product(name: str) -> Path:
    """Returns the path of a product of the package; raises Unavailable if it is not there."""
    path = PRODUCTS / name
    if not path.is_file():
        raise Unavailable(f"{path} is missing: install the wheel of tmheap again")
    return path


def _check_interpreter() -> None:
    if sys.implementation.name != "cpython":
        raise Unavailable(f"{platform.python_implementation()} is not supported; CPython is")
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        supported = f"Linux on {' and '.join(MACHINES)} is"
        raise Unavailable(f"{sys.platform} on {platform.machine()} is not supported; {supported}")


def _open_own() -> Api:
    from tmheap import _private

    _check_interpreter()
    path = product("libtm.so")
    product("libtm_query.so")
    settings = dict(_SETTINGS)
    if not os.environ.get("TM_OUT"):
        settings["TM_OUT"] = _private.template()
    # The library reads its settings when it is loaded.
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise Unavailable(f"libtm.so cannot be loaded: {error}") from error
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return _table(library)


def _table(library: ctypes.CDLL) -> Api:
    table = Table.in_dll(library, "tm_api")
    if table.size < ctypes.sizeof(Table):
        raise Unavailable(
            f"the libtm.so that is loaded is of an earlier version (its table has {table.size} bytes, "
            f"{ctypes.sizeof(Table)} are needed): preload the one of this package, {PRODUCTS / 'libtm.so'}"
        )
    return Api(table)


def _find_preloaded() -> None:
    """Uses the libtm.so that stands in the process already."""
    global _api, _is_preloaded, _reason
    try:
        library = ctypes.CDLL(None)
        if not hasattr(library, "tm_start"):
            return
        _check_interpreter()
        _api = _table(library)
        _is_preloaded = True
    except Unavailable as error:
        _reason = str(error)
    except (OSError, ValueError):
        # No table, or no dynamic linker: as if it were not there.
        return


_find_preloaded()
