"""Tags and marks: names that the program gives to what it does, for reports of the recording.

Without libtm.so in the process they do nothing, so a program may keep them for good.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any, AsyncGenerator, Callable, Generator, Optional, TypeVar

from tmheap import _library

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _name(name: str) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    return name.replace("\0", "").encode("utf-8", "surrogateescape")


@types.coroutine
def _awaitable(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    return (yield from steps)


class tag:
    """From here on, what this thread allocates carries the tag `name`: `tmtool stats FILE --key tag` groups by it.

    tag("load") stays in force until the next tag, tag(None) ends it; `with tag("load"):` puts the tag back that was there
    before; decorated by @tag("load") a function runs under it, a coroutine or generator only while it runs itself.
    """

    def __init__(self, name: Optional[str]) -> None:
        self._name = None if name is None else _name(name)
        self._outer = self._put()

    def __enter__(self) -> tag:
        return self

    def __exit__(self, *_: object) -> None:
        self._restore(self._outer)

    def __call__(self, function: _Function) -> _Function:
        # A decorator's call is no use of the tag.
        self._restore(self._outer)
        if inspect.iscoroutinefunction(function):
            return self._of_coroutine(function)  # type: ignore[return-value]
        if inspect.isgeneratorfunction(function):
            return self._of_generator(function)  # type: ignore[return-value]
        if inspect.isasyncgenfunction(function):
            return self._of_async_generator(function)  # type: ignore[return-value]

        @functools.wraps(function)
        def tagged(*arguments: Any, **keywords: Any) -> Any:
            outer = self._put()
            try:
                return function(*arguments, **keywords)
            finally:
                self._restore(outer)

        return tagged  # type: ignore[return-value]

    def _of_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def tagged(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:
            return (yield from self._steps(function(*arguments, **keywords)))

        return tagged

    def _of_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def tagged(*arguments: Any, **keywords: Any) -> Any:
            return await _awaitable(self._steps(function(*arguments, **keywords)))

        return tagged

    def _of_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def tagged(*arguments: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
            generator = function(*arguments, **keywords)
            resume, argument = generator.asend, None
            while True:
                try:
                    item = await _awaitable(self._steps(resume(argument)))
                except StopAsyncIteration:
                    return
                try:
                    resume, argument = generator.asend, (yield item)
                except GeneratorExit:
                    await _awaitable(self._steps(generator.aclose()))
                    raise
                except BaseException as error:
                    resume, argument = generator.athrow, error

        return tagged

    def _steps(self, inner: Any) -> Generator[Any, Any, Any]:
        """Runs a generator or what a coroutine awaits, under the tag while it runs itself."""
        resume, argument = inner.send, None
        while True:
            outer = self._put()
            try:
                item = resume(argument)
            except StopIteration as stop:
                return stop.value
            finally:
                self._restore(outer)
            try:
                resume, argument = inner.send, (yield item)
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:
                resume, argument = inner.throw, error

    def _put(self) -> int:
        api = _library.loaded()
        return 0 if api is None else int(api.tag(self._name))

    @staticmethod
    def _restore(outer: int) -> None:
        api = _library.loaded()
        if api is not None:
            api.restore_tag(outer)


class mark:
    """Marks this moment in the recording: `tmtool stats FILE --at mark:NAME`, `tmtool diff FILE@mark:A FILE@mark:B`.

    mark("loaded") marks the moment; `with mark("load"):` marks "load" at its start and "load:end" at its end; a function
    decorated by @mark("load") marks "load:begin" and "load:end" whenever it is called ("load" is the decoration).
    """

    def __init__(self, name: str) -> None:
        self._name = _name(name)
        self._mark(b"")

    def __enter__(self) -> mark:
        return self

    def __exit__(self, *_: object) -> None:
        self._mark(b":end")

    def __call__(self, function: _Function) -> _Function:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def marked_coroutine(*arguments: Any, **keywords: Any) -> Any:
                self._mark(b":begin")
                try:
                    return await function(*arguments, **keywords)
                finally:
                    self._mark(b":end")

            return marked_coroutine  # type: ignore[return-value]

        @functools.wraps(function)
        def marked(*arguments: Any, **keywords: Any) -> Any:
            self._mark(b":begin")
            try:
                return function(*arguments, **keywords)
            finally:
                self._mark(b":end")

        return marked  # type: ignore[return-value]

    def _mark(self, end: bytes) -> None:
        api = _library.loaded()
        if api is not None:
            api.take_snapshot(self._name + end)
