"""What calls `go`, by the many ways in which one piece of Python code comes to run another. `stacks.py` sets `go`."""

import asyncio
import codecs
import contextlib
import copy
import ctypes
import dataclasses
import functools
import gc
import importlib
import itertools
import json
import operator
import os
import pickle
import re
import signal
import sys
import threading
import types
import weakref
import zipfile
from concurrent.futures import ThreadPoolExecutor

import taker

try:
    import greenlet
except ImportError:
    greenlet = None

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]


def go(depth):
    raise NotImplementedError("set by stacks.py")


# Leaves: one allocation of a size, in the line that `taker` notes.


def leaf_take(size):
    taker.take(size)


def leaf_take_fast(size):
    taker.take_fast(size)


def leaf_partial(size):
    functools.partial(taker.take, size)()


def leaf_map(size):
    list(map(taker.take, [size]))


def leaf_bytearray(size):
    taker.mark(size); bytearray(size)


def leaf_bytes(size):
    taker.mark(size); bytes(size)


def leaf_text(size):
    taker.mark(size); "x" * size


def leaf_ctypes(size):
    taker.mark(size); libc.free(libc.malloc(size))


def leaf_of_many_lines(size):
    return (
        None,
        [
            taker.take(
                size
            )
        ],
        None,
    )


LEAVES = [leaf_take, leaf_take, leaf_take_fast, leaf_partial, leaf_map, leaf_bytearray, leaf_bytes, leaf_text, leaf_ctypes, leaf_of_many_lines]

# Calls.


def plain(depth):
    go(depth)


def recursion(depth, more=12):
    if more:
        recursion(depth, more - 1)
        return
    go(depth)


def by_lambda(depth):
    (lambda a, *, b: go(a))(depth, b=None)


def by_comprehensions(depth):
    [go(depth) for _ in range(1)]
    {go(depth) for _ in range(1)}
    {0: go(depth) for _ in range(1)}
    any(go(depth) for _ in range(2))
    [[go(depth) for _ in range(1)] for _ in range(1)]


def keywords(first, *rest, depth, **others):
    go(depth)


def by_keywords(depth):
    keywords(1, *(2, 3), depth=depth, **{"other": 1})


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments, **keywords):
        return function(*arguments, **keywords)

    return wrapper


@decorated
@decorated
def by_decorators(depth):
    go(depth)


def by_closure(depth):
    def inner():
        nonlocal depth
        depth += 0
        go(depth)

    inner()


# Through C.


def by_sorted_key(depth):
    def key_of_sorted(item):
        if item == 1:
            go(depth)
        return item

    sorted([1, 2], key=key_of_sorted)
    max([0, 1], key=key_of_sorted)


def by_cmp_to_key(depth):
    [2, 1].sort(key=functools.cmp_to_key(lambda a, b: go(depth) or a - b))


def by_reduce(depth):
    functools.reduce(lambda a, b: go(depth), [1, 2])


def by_map_and_filter(depth):
    list(filter(lambda a: go(depth), map(lambda a: a, [1])))


def by_itertools(depth):
    list(itertools.starmap(go, [(depth,)]))
    list(itertools.accumulate([1, 2], lambda a, b: go(depth)))
    list(itertools.takewhile(lambda a: go(depth), [1]))


def by_iter(depth):
    next(iter(lambda: go(depth), 1))


def by_partial(depth):
    functools.partial(go, depth)()
    operator.methodcaller("go", depth)(sys.modules[__name__])


def by_lru_cache(depth):
    @functools.lru_cache(maxsize=None)
    def cached(a):
        go(a)

    cached(depth)


def by_singledispatch(depth):
    @functools.singledispatch
    def dispatched(a):
        raise TypeError

    dispatched.register(int, lambda a: go(a))
    dispatched(depth)


def by_re_sub(depth):
    re.sub("a+", lambda match: go(depth) or "b", "xaax")


def by_json(depth):
    json.loads('{"a": 1}', object_hook=lambda found: go(depth))
    json.dumps(object(), default=lambda other: go(depth))


def by_pickle(depth):
    class Pickled:
        def __reduce__(self):
            go(depth)
            return int, ()

    pickle.dumps(Pickled())


def by_copy(depth):
    class Copied:
        def __deepcopy__(self, memo):
            go(depth)

    copy.deepcopy([Copied()])


def by_codec(depth):
    codecs.register_error("tm-stacks", lambda error: go(depth) or ("?", error.end))
    "\xe9".encode("ascii", "tm-stacks")


def by_unraisable(depth):
    class Raises:
        def __del__(self):
            raise KeyError

    before = sys.unraisablehook
    sys.unraisablehook = lambda raised: go(depth)
    raises = Raises()
    del raises
    sys.unraisablehook = before


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def compare_of_ctypes(one, other):
    go(ctypes_depths[-1])
    return 0


ctypes_depths = []


def by_ctypes_qsort(depth):
    ctypes_depths.append(depth)
    libc.qsort((ctypes.c_char * 2)(), 2, 1, compare_of_ctypes)
    ctypes_depths.pop()


def by_qsort(depth):
    def compared_by_qsort():
        go(depth)

    taker.sort(compared_by_qsort)


def by_call(depth):
    def called_through_c():
        go(depth)

    taker.call(called_through_c)


def by_call_deep(depth):
    def called_deep_in_c():
        go(depth)

    taker.call_deep(called_deep_in_c, 20)


def by_swap(depth):
    taker.swap(lambda: go(depth))


def by_run(depth):
    taker.run("\n\ngo(depth)\nclass A:\n  go(depth)\n", {"go": go, "depth": depth})


# Generators and coroutines.


def by_generator(depth):
    def generator():
        go(depth)
        yield
        go(depth)

    list(generator())


def by_yield_from(depth):
    def thrown_into():
        got = yield 1
        go(depth)
        try:
            yield got
        except ValueError:
            go(depth)
        finally:
            go(depth)
        return 3

    def outer():
        return (yield from thrown_into())

    def outermost():
        yield from outer()
        go(depth)

    running = outermost()
    next(running)
    running.send(1)
    with contextlib.suppress(StopIteration):
        running.throw(ValueError)


def by_close(depth):
    def closed():
        try:
            yield
        finally:
            go(depth)

    running = closed()
    next(running)
    running.close()
    dropped = closed()
    next(dropped)
    del dropped


def by_coroutine(depth):
    @types.coroutine
    def awaited():
        yield 1
        go(depth)

    async def inner():
        await awaited()
        go(depth)

    async def outer():
        await inner()

    running = outer()
    running.send(None)
    with contextlib.suppress(StopIteration):
        running.send(None)


def by_asyncio(depth):
    if asyncio._get_running_loop() is not None:
        return go(depth)

    async def items():
        go(depth)
        yield 1
        await asyncio.sleep(0)
        go(depth)
        yield 2

    @contextlib.asynccontextmanager
    async def managed():
        yield go(depth)
        go(depth)

    async def task():
        await asyncio.sleep(0)
        go(depth)
        async with managed():
            return [item async for item in items()]

    async def main():
        asyncio.get_running_loop().call_soon(go, depth)
        await asyncio.gather(task(), asyncio.ensure_future(task()))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


# Threads.


def by_thread(depth):
    class Thread(threading.Thread):
        def run(self):
            go(depth)

    thread = Thread()
    thread.start()
    thread.join()


def by_executor(depth):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go, depth).result()
        list(pool.map(go, [depth]))


def by_foreign_thread(depth):
    def on_foreign_thread():
        go(depth)

    taker.on_thread(on_foreign_thread)


def by_greenlet(depth):
    if greenlet is None:
        return go(depth)

    def other():
        go(depth)
        parent.switch()
        go(depth)

    parent = greenlet.getcurrent()
    switched = greenlet.greenlet(other)
    switched.switch()
    recursion(depth)  # while the other one is put aside
    switched.switch()


# What the interpreter calls by itself.


class Special:
    """Calls `go` from a special method, once."""

    def __init__(self, depth):
        self.depth = depth

    def __del__(self):
        go(self.depth)

    def __getattr__(self, name):
        go(self.depth)

    def __getitem__(self, index):
        go(self.depth)
        raise IndexError

    def __eq__(self, other):
        go(self.depth)

    def __hash__(self):
        go(self.depth)
        return 1

    def __lt__(self, other):
        go(self.depth)

    def __add__(self, other):
        go(self.depth)

    def __call__(self):
        go(self.depth)

    def __enter__(self):
        go(self.depth)

    def __exit__(self, kind, error, traceback):
        go(self.depth)
        return True

    def __str__(self):
        go(self.depth)
        return ""

    def __format__(self, form):
        go(self.depth)
        return ""

    def __bool__(self):
        go(self.depth)
        return False

    @property
    def asked(self):
        go(self.depth)


SPECIAL = [
    lambda special: special.missing,
    lambda special: list(special),
    lambda special: special == 1,
    lambda special: special in [1],
    lambda special: {special: 1},
    lambda special: special < 1,
    lambda special: special + 1,
    lambda special: special(),
    lambda special: str(special),
    lambda special: f"{special}",
    lambda special: "{:x}".format(special),
    lambda special: 1 if special else 2,
    lambda special: special.asked,
    lambda special: operator.attrgetter("asked")(special),
]


def by_special_methods(depth):
    functools.reduce(lambda n, use: (n + 1, use(Special(depth)))[0], SPECIAL[depth::6], 0)


def by_with(depth):
    with Special(depth):
        raise ValueError


def by_locals_that_die(depth):
    def returns():
        dies = Special(depth)
        return 1

    returns()
    dies = Special(depth)
    dies = None


def by_garbage(depth):
    circle = [Special(depth)]
    circle.append(circle)
    del circle
    gc.collect(0)


def by_weakref(depth):
    class Referred:
        pass

    referred = Referred()
    reference = weakref.ref(referred, lambda dead: go(depth))
    del referred


def by_classes(depth):
    class Meta(type):
        def __new__(cls, name, bases, names, **keywords):
            go(depth)
            return super().__new__(cls, name, bases, names)

        def __call__(cls):
            go(depth)
            return super().__call__()

    class Named:
        def __set_name__(self, owner, name):
            go(depth)

    class Base:
        def __init_subclass__(cls):
            go(depth)

        def __class_getitem__(cls, item):
            go(depth)

    class Made(Base, metaclass=Meta):
        go(depth)
        named = Named()

        def __init__(self):
            go(depth)

    Made()
    Base[int]


def by_dataclass(depth):
    @dataclasses.dataclass
    class Record:
        field: int = dataclasses.field(default_factory=lambda: go(depth))

        def __post_init__(self):
            go(depth)

    Record()


def by_exceptions(depth):
    def raises():
        try:
            raise KeyError
        finally:
            go(depth)

    try:
        raises()
    except KeyError:
        go(depth)
    else:
        raise AssertionError
    finally:
        go(depth)


def by_exit_stack(depth):
    @contextlib.contextmanager
    def managed():
        try:
            yield go(depth)
        finally:
            go(depth)

    with contextlib.ExitStack() as stack:
        stack.enter_context(managed())
        stack.callback(go, depth)
        with managed():
            pass


def by_signal(depth):
    if threading.current_thread() is not threading.main_thread():
        return go(depth)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: go(depth))
    signal.raise_signal(signal.SIGUSR1)
    for _ in range(3):
        pass
    signal.signal(signal.SIGUSR1, before)


def by_tracing(depth):
    done = []

    def tracer(frame, event, argument):
        if not done:
            done.append(event)
            go(depth)
        return tracer

    def traced():
        for _ in range(2):
            go(depth - 1)

    for install, installed in (sys.settrace, sys.gettrace()), (sys.setprofile, sys.getprofile()):
        done.clear()
        install(tracer)
        traced()
        install(installed)


# Code that is made at run time.

FAR_DOWN = compile("\n" * 70_000 + "(go\n(\ndepth\n))", "<made up>", "eval")
LARGE = ["def large(a):"] + [" a = a + (a - 1) * 2 % 7"] * 3000 + [" go(depth)"] + [" a = -a"] * 3000 + ["large(1)"]
LARGE = compile("\n".join(LARGE), "<large>", "exec")


def by_exec(depth):
    names = {"go": go, "depth": depth}
    exec("def made():\n\n  go(depth)\nmade()", names)
    eval("go(depth)", names)
    eval(FAR_DOWN, names)
    exec(compile("if depth >= 0:\n go(depth); go(depth)\n", "/nowhere/ü/" + "long" * 200, "exec"), names)


def by_replaced_code(depth):
    def renamed():
        go(depth)

    code = renamed.__code__.replace(co_name="umbenannt_ß", co_filename="/other/file.py", co_firstlineno=5)
    renamed.__code__ = code
    renamed()


def by_large_function(depth):
    exec(LARGE, {"go": go, "depth": depth})


generated = itertools.count()


def by_import(depth):
    name = f"generated_{next(generated)}"
    with open(name + ".py", "w") as file:
        file.write(f"import contexts\n\ndef made(): contexts.go({depth})\n\nmade()\ncontexts.go({depth})\n")
    importlib.invalidate_caches()
    importlib.import_module(name)
    sys.modules.pop(name)


def by_zipimport(depth):
    name = f"zipped_{next(generated)}"
    archive = os.path.abspath(name + ".zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name + ".py", f"import contexts\n\ncontexts.go(\n{depth})\n")
    sys.path.insert(0, archive)
    importlib.import_module(name)
    sys.path.remove(archive)
    sys.modules.pop(name)


ALL = [function for name, function in list(globals().items()) if name.startswith("by_") or name in ("plain", "recursion")]
