"""What line tables are made of: read by dump.py, never run. 3.9 must understand it."""
import contextlib, functools
from typing import (
    Any,
    Callable,
)

CONSTANT = {"one": 1, "two": [
    2, 3,
], "three": (
    lambda x: x
    + 1
)}


@functools.lru_cache(
    maxsize=None
)
@contextlib.contextmanager
def decorated(a, b=(
        1, 2), *rest: Any, c: Callable = print, **others):
    """A doc string
    of two lines."""
    yield a; yield b

    for index, item in enumerate(rest):
        try:
            if item: continue
            with open(item) as file, open(
                    file.name) as other:
                return other.read(
                    index
                )
        except (ValueError,
                OSError) as error:
            raise RuntimeError(
                "x"
            ) from error
        except KeyError:
            pass
        finally:
            c(
                a,
                b
            )
    else:
        others["z"] = [
            x * y
            for x in range(a) if x
            for y in {
                z: w for z, w in others.items()
            }
        ]


class Outer(Any if CONSTANT else
            object):
    field: int = 3

    class Inner:
        async def coroutine(self):
            async with self as x:
                async for y in x:
                    await y
            return {await y async for y in x}

        def generator(self):
            received = yield from (
                i
                for i in range(3)
            )
            while received:
                received = (yield)
                if not received: break
            del received
            assert (self is
                    not None), "no"
            global CONSTANT
            CONSTANT = f"{self!r} {1 if self else 2}" if self else (
                None if self else 0)


def empty(): pass


def far():
    a = 1















































































































































    b = 2
    return (a,

































































































































            b, a
            )


def wide(x):
    return [x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(1))))), x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(1))))), x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(1))))), x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(x.a.b.c.d.e.f.g.h.i.j(1)))))]
