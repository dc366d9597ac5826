"""Tags and marks stand in the recording, as calls, in a `with`, and as decorators; without libtm.so they do nothing."""

from __future__ import annotations

from conftest import PRELOADED, Programs

TAGS = """
    import asyncio, tmheap
    kept = []
    def take(size):
        kept.append(bytearray(size))
    @tmheap.tag("function")
    def tagged():
        take(1_000_000)
    @tmheap.tag("coroutine")
    async def slow(event):
        take(2_000_000)
        await event.wait()
        take(2_000_000)
    async def main():
        event = asyncio.Event()
        task = asyncio.create_task(slow(event))
        await asyncio.sleep(0)
        take(4_000_000)
        event.set()
        await task
    tagged()
    take(8_000_000)
    asyncio.run(main())
    with tmheap.tag("outer"):
        take(16_000_000)
        with tmheap.tag("inner"):
            take(32_000_000)
        take(16_000_000)
    take(8_000_000)
    tmheap.tag("rest")
    take(64_000_000)
    tmheap.tag(None)
    take(4_000_000)
"""


def test_tags_hold_where_they_are_said(programs: Programs) -> None:
    programs.script(TAGS, mode=PRELOADED)
    groups = programs.tmtool("stats", programs.recording(), "--at", "peak", "--key", "tag")["statistics"]
    sizes = {group.get("tag"): round(group["size"] / 1e6) for group in groups}
    untagged = sizes.pop(None)
    assert sizes == {"function": 1, "coroutine": 4, "outer": 32, "inner": 32, "rest": 64}
    assert untagged >= 24


GENERATORS = """
    import asyncio, tmheap
    kept = []
    @tmheap.tag("generator")
    def produce(n):
        seen = []
        try:
            while True:
                kept.append(bytearray(1_000_000))
                try:
                    seen.append((yield n))
                except KeyError as error:
                    return [*seen, str(error)]
        finally:
            kept.append("ended")
    @tmheap.tag("async generator")
    async def produce_async(n):
        try:
            while True:
                kept.append(bytearray(2_000_000))
                try:
                    n += yield n
                    await asyncio.sleep(0)
                except KeyError:
                    return
        finally:
            kept.append("ended")
    def drive():
        generator = produce(7)
        found = [next(generator), generator.send("a")]
        kept.append(bytearray(8_000_000))
        try:
            generator.throw(KeyError(1))
        except StopIteration as stop:
            found.append(stop.value)
        closed = produce(0)
        next(closed)
        closed.close()
        return found
    async def drive_async():
        generator = produce_async(7)
        found = [await generator.__anext__(), await generator.asend(3)]
        kept.append(bytearray(8_000_000))
        try:
            await generator.athrow(KeyError(1))
        except StopAsyncIteration:
            found.append("stopped")
        closed = produce_async(0)
        await closed.__anext__()
        await closed.aclose()
        return found
    print(drive(), asyncio.run(drive_async()), kept.count("ended"))
"""


def test_generators_are_tagged_while_they_run_themselves(programs: Programs) -> None:
    assert programs.script(GENERATORS, mode=PRELOADED) == "[7, 7, ['a', '1']] [7, 10, 'stopped'] 4\n"
    groups = programs.tmtool("stats", programs.recording(), "--at", "peak", "--key", "tag")["statistics"]
    sizes = {group.get("tag"): round(group["size"] / 1e6) for group in groups}
    untagged = sizes.pop(None)
    assert sizes == {"generator": 3, "async generator": 6}
    assert untagged >= 16


def test_marks_are_moments_of_the_recording(programs: Programs) -> None:
    programs.script(
        """
    import tmheap
    kept = []
    @tmheap.mark("called")
    def call():
        kept.append(bytearray(1_000_000))
    tmheap.mark("plain")
    with tmheap.mark("scope"):
        kept.append(bytearray(2_000_000))
    call()
    """,
        mode=PRELOADED,
    )
    recording = programs.recording()

    def live(mark: str) -> int:
        return int(programs.tmtool("stats", f"{recording}@mark:{mark}")["snapshot"]["origin"]["live_bytes"])

    assert live("scope:end") - live("scope") >= 2_000_000 > live("scope") - live("plain")
    assert live("called:end") - live("called:begin") >= 1_000_000 > live("called:begin") - live("scope:end")


def test_without_the_library_they_do_nothing(programs: Programs) -> None:
    programs.script(TAGS + """
    import tmheap._library
    with tmheap.mark("a"): tmheap.mark("b")
    assert tmheap._library.loaded() is None
    for bad in (tmheap.mark, tmheap.tag):
        try:
            bad(3)
        except TypeError as error:
            assert str(error) == "a name is a str, not int"
        else:
            raise AssertionError(bad)
    """)
