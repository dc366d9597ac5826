"""tmheap.total_size keeps the contract of the recipe, and adds native memory, once."""

from __future__ import annotations

import array
import contextlib
import io
import mmap
from collections import ChainMap, deque
from itertools import chain
from sys import getsizeof, stderr
from typing import Any

import pytest
from conftest import PRELOADED, Programs

from tmheap import total_size


def recipe(o: Any, handlers: dict[type, Any] = {}, verbose: bool = False) -> int:
    """https://code.activestate.com/recipes/577504/, by Raymond Hettinger, MIT licence."""
    all_handlers = {
        tuple: iter, list: iter, deque: iter, dict: lambda d: chain.from_iterable(d.items()), set: iter, frozenset: iter,
    }
    all_handlers.update(handlers)
    seen = set()
    default_size = getsizeof(0)

    def sizeof(o: Any) -> int:
        if id(o) in seen:
            return 0
        seen.add(id(o))
        s = getsizeof(o, default_size)
        if verbose:
            print(s, type(o), repr(o), file=stderr)
        for typ, handler in all_handlers.items():
            if isinstance(o, typ):
                s += sum(map(sizeof, handler(o)))
                break
        return s

    return sizeof(o)


class Own:
    """A class with an iterator of its own."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts


class Mapping(dict):  # type: ignore[type-arg]
    """A subclass is followed as its base is."""


SHARED = ["shared", 10**40]
STRUCTURES = [
    3,
    "text",
    [],
    [1, 2.5, "x", b"y", None, True],
    {"a": [1, 2, {3, (4, 5)}], "b": frozenset("abc"), ("k",): deque([SHARED, SHARED], 7)},
    [SHARED, [SHARED, (SHARED,)]],
    Mapping(a=[10**50], b=Own()),
    array.array("d", [1.0] * 1000),
    bytearray(5000),
    ChainMap({"a": 1}),
    object(),
    int,
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=range(len(STRUCTURES)))
def test_sizes_equal_those_of_the_recipe(structure: Any) -> None:
    assert total_size(structure) == recipe(structure) > 0


def test_handlers_add_and_override() -> None:
    own = Own([1, 10**30], "x")
    handlers = {Own: lambda it: iter(it.parts), list: lambda _: ()}
    assert total_size(own, handlers) == recipe(own, handlers) == recipe(own, {Own: lambda it: iter(it.parts)}) - 28 - 40
    assert total_size([own], {Own: lambda it: iter(it.parts)}) == recipe([own], {Own: lambda it: iter(it.parts)})


def test_verbose_lists_each_object_on_standard_error() -> None:
    structure = {"a": [1, (2, 3)], "b": {4}}
    listings = []
    for function in (total_size, recipe):
        text = io.StringIO()
        with contextlib.redirect_stderr(text):
            globals()["stderr"] = text
            function(structure, verbose=True)
        listings.append(text.getvalue())
    assert listings[0] == listings[1] and listings[0].count("\n") == 10


def test_a_circle_and_a_deep_structure_come_to_an_end() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert total_size(circle) == getsizeof(circle)
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    assert total_size(deep) == 100_000 * getsizeof((1,)) + getsizeof(())


def test_what_a_view_is_of_is_followed() -> None:
    data = bytes(100_000)
    view = memoryview(data)
    assert total_size(view) == getsizeof(view) + getsizeof(data)
    assert total_size([view, data, memoryview(data)]) == recipe([view, data, view]) + getsizeof(memoryview(data))


def test_a_view_that_was_released_is_of_nothing() -> None:
    view = memoryview(bytes(100_000))
    view.release()
    assert total_size([view]) == getsizeof([view]) + getsizeof(view)


NATIVE = """
    import mmap, sys
    import tmheap, tmheap.tracemalloc as t
    numpy = __import__("numpy")
    array = numpy.ones(1_000_000, dtype="u1")
    assert array.flags.owndata
    alone = tmheap.total_size(array)
    # Beside its data an array may have its shape in a block of its own.
    assert 0 <= alone - sys.getsizeof(array) < 100, (alone, sys.getsizeof(array))
    view = array[10:20]
    reader = memoryview(array)
    for all_of_it in ([array, view, reader], [view, array, reader], [reader, view, array], [view], [reader]):
        size = tmheap.total_size(all_of_it)
        assert 1_000_000 < size < 1_001_500, (size, all_of_it)
    data = bytearray(100_000)
    for viewer in (memoryview(data), numpy.frombuffer(data, dtype="u1"), memoryview(data)[7:]):
        for all_of_it in ([viewer], [data, viewer], [viewer, data], [memoryview(viewer), viewer]):
            size = tmheap.total_size(all_of_it)
            assert 100_000 < size < 101_000, (size, all_of_it)
    anonymous = mmap.mmap(-1, 1 << 20)
    assert 1 << 20 <= tmheap.total_size(anonymous) < (1 << 20) + 1000, tmheap.total_size(anonymous)
    assert tmheap.total_size([anonymous, memoryview(anonymous)]) < (1 << 20) + 1500
    database = __import__("sqlite3").connect(":memory:")
    print(tmheap.total_size(database), tmheap.total_size([database, database]))
"""


@pytest.mark.parametrize("objects", ["0", "1"])
def test_native_memory_counts_once(programs: Programs, objects: str) -> None:
    pytest.importorskip("numpy")
    size, twice = map(int, programs.script(NATIVE, mode=PRELOADED, TM_PYTHON_OBJECTS=objects).split())
    # What SQLite has for a database sys.getsizeof does not know; it can only be reached from the object.
    assert 10_000 < size < 1_000_000 if objects == "1" else size < 1000
    assert twice == size + getsizeof([1, 2])


def test_mmap_without_the_library_is_the_object_alone() -> None:
    with mmap.mmap(-1, 4096) as mapped:
        assert total_size(mapped) == getsizeof(mapped)
