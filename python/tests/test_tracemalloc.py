"""tmheap.tracemalloc does what tracemalloc does, in a process that has libtm.so from its start and in one that loads it."""

from __future__ import annotations

import ast

import pytest
from conftest import DLOPENED, PRELOADED, Programs

BOTH = """
    import sys, tracemalloc as theirs
    import tmheap.tracemalloc as ours
"""


def test_its_names_are_those_of_the_standard_module(programs: Programs) -> None:
    programs.script(BOTH + """
    names = {name for name in dir(theirs)}
    assert not names - set(dir(ours)), names - set(dir(ours))
    assert ours.Snapshot is not theirs.Snapshot and ours.__file__ == theirs.__file__
    import _tracemalloc, tmheap._tracemalloc
    assert {name for name in dir(_tracemalloc) if not name.startswith("__")} <= set(dir(tmheap._tracemalloc))
    """)


def test_arguments_are_refused_as_by_the_standard_module(programs: Programs, mode: str) -> None:
    programs.script(BOTH + """
    def outcome(module, *arguments):
        try:
            return module.start(*arguments)
        except Exception as error:
            return type(error), str(error) if not isinstance(error, TypeError) else ""
    for bad in [(-1,), (0,), (65536,), (2**31,), (-(2**31) - 1,), (2**80,), ("1",), (1.5,), (None,), (1, 2)]:
        assert outcome(theirs, *bad) == outcome(ours, *bad), (bad, outcome(theirs, *bad), outcome(ours, *bad))
    assert not ours.is_tracing()
    """, mode=mode)


def test_what_it_says_while_nothing_is_traced(programs: Programs, mode: str) -> None:
    programs.script(BOTH + """
    def states(module):
        yield module.is_tracing(), module.get_traced_memory(), module._get_traces(), module.get_object_traceback(module)
        yield module.reset_peak(), module.clear_traces(), module.stop(), module.get_traceback_limit()
        try:
            module.take_snapshot()
        except RuntimeError as error:
            yield str(error)
    assert list(states(ours)) == list(states(theirs))
    for module in (ours, theirs):
        module.start(7)
        module.start(9)
        assert module.is_tracing() and module.get_traceback_limit() == 7
        module.stop()
    assert list(states(ours)) == list(states(theirs))
    """, mode=mode)


FUNCTIONS = """
    def inner(n):
        return bytearray(n)
    def outer(n):
        return inner(n)
"""


def test_tracebacks_of_an_object_are_equal(programs: Programs, mode: str) -> None:
    programs.script(BOTH + FUNCTIONS + """
    for limit in (1, 2, 25):
        theirs.start(limit); ours.start(limit)
        kept = outer(100_000)
        a, b = ours.get_object_traceback(kept), theirs.get_object_traceback(kept)
        assert a._frames == b._frames and len(a) == min(limit, 3), (a, b)
        trace = next(trace for trace in ours.take_snapshot().traces if trace.size == 100_001)
        assert trace.domain == 0 and trace.traceback._frames == a._frames and trace.traceback.total_nframe == 3, trace
        ours.stop(); theirs.stop()
    """, mode=mode)


def test_statistics_and_figures_equal_those_of_the_standard_module(programs: Programs, mode: str) -> None:
    programs.script(BOTH + FUNCTIONS + """
    kept = []
    theirs.start(5); ours.start(5)
    for n in range(2000):
        # No objects that come from free lists: up to 3.12 they keep the line that had their memory allocated.
        kept.append(str(n) * 20)
        kept.append({str(n), outer})
        kept.append(outer(n + 1))
        if n % 3 == 0:
            kept.pop()
    del kept[::7]
    a, b = ours.take_snapshot(), theirs.take_snapshot()
    def lines(module, snapshot):
        groups = snapshot.filter_traces([module.Filter(True, __file__, domain=0)]).statistics("lineno")
        return {group.traceback[0].lineno: (group.size, group.count) for group in groups if group.traceback[0].lineno < 19}
    a, b = lines(ours, a.filter_traces([ours.DomainFilter(True, 0)])), lines(theirs, b)
    assert a.keys() >= {6, 14, 15, 16} and a == b, (a, b)
    """, mode=mode)


def test_peaks_are_reset_and_traces_cleared(programs: Programs, mode: str) -> None:
    programs.script("""
    import tmheap.tracemalloc as t
    t.start()
    t.clear_traces()
    assert t.get_traced_memory() == (0, 0)
    bytearray(1 << 20)
    kept = bytearray(1 << 16)
    current, peak = t.get_traced_memory()
    assert 1 << 16 <= current < (1 << 16) + 4096 and peak >= 1 << 20, (current, peak)
    t.reset_peak()
    current, peak = t.get_traced_memory()
    assert current <= peak < (1 << 16) + 8192, (current, peak)
    t.clear_traces()
    assert t.get_traced_memory() == (0, 0) and t.get_object_traceback(kept) is None
    """, mode=mode)


def test_what_was_allocated_before_start_is_not_known(programs: Programs, mode: str) -> None:
    programs.script("""
    import tmheap.tracemalloc as t
    before = [bytearray(100), bytearray(100_000)]
    t.start()
    assert [t.get_object_traceback(it) for it in before] == [None, None]
    assert t.get_object_traceback(3) is None and t.get_object_traceback(t) is None
    before[1].extend(bytes(300_000))
    assert t.get_traced_memory()[0] > 300_000
    """, mode=mode)


def test_snapshots_are_dumped_loaded_and_compared(programs: Programs, mode: str) -> None:
    programs.script("""
    import tmheap.tracemalloc as t
    t.start(3)
    first = t.take_snapshot()
    kept = [bytearray(1000) for _ in range(100)]
    second = t.take_snapshot()
    second.dump("snapshot.pickle")
    loaded = t.Snapshot.load("snapshot.pickle")
    assert loaded.traces == second.traces and loaded.traceback_limit == 3
    top = loaded.compare_to(first, "lineno")[0]
    assert (top.traceback[0].filename, top.traceback[0].lineno) == (__file__, 5), top
    assert top.count_diff >= 200 and top.size_diff >= 100_000, top
    """, mode=mode)


def test_native_memory_is_a_domain_of_its_own(programs: Programs) -> None:
    code = """
    import ctypes, json, sys
    import tmheap.tracemalloc as t
    t.start(2)
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    block = libc.malloc(123_457)
    found = [(trace.domain, trace.traceback[-1].lineno) for trace in t.take_snapshot().traces if trace.size == 123_457]
    print(found, t.NATIVE_DOMAIN)
    """
    assert programs.script(code, mode=DLOPENED).startswith("[]")
    found, domain = programs.script(code, mode=PRELOADED).rsplit(" ", 1)
    assert ast.literal_eval(found) == [(int(domain), 7)]


def test_forked_children_go_on(programs: Programs, mode: str) -> None:
    programs.script("""
    import os
    import tmheap.tracemalloc as t
    t.start()
    before = bytearray(100_000)
    current = t.get_traced_memory()[0]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            kept = bytearray(200_000)
            assert t.is_tracing() and t.get_traced_memory()[0] >= 300_000
            assert t.get_object_traceback(kept)[-1].lineno == 11 and t.get_object_traceback(before)[-1].lineno == 5
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert t.get_traced_memory()[0] - current < 100_000
    """, mode=mode)


def test_threads_ask_at_once(programs: Programs, mode: str) -> None:
    programs.script("""
    import threading
    import tmheap.tracemalloc as t
    t.start(4)
    failed = []
    def ask():
        try:
            for _ in range(30):
                kept = bytearray(50_000)
                assert t.get_object_traceback(kept)[-1].lineno == 9
                assert t.get_traced_memory()[0] >= 50_000
                assert any(trace.size == 50_001 for trace in t.take_snapshot().traces)
        except BaseException as error:
            failed.append(error)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failed, failed
    """, mode=mode)


def test_the_private_recording_goes_with_the_last_process(programs: Programs) -> None:
    programs.script("""
    import os, sys, glob, tempfile
    import tmheap.tracemalloc as t
    t.start()
    [folder] = glob.glob(tempfile.gettempdir() + "/tmheap-*")
    read, write = os.pipe()
    if os.fork() == 0:
        # Outlives its parent, and can still ask.
        os.close(write)
        os.read(read, 1)
        kept = bytearray(1000)
        ok = t.get_object_traceback(kept) is not None
        open("child", "w").write(f"{ok} {os.path.isdir(folder)}")
        sys.exit(0)
    """)
    while not (child := programs.folder / "child").exists() or not child.read_text():
        pass
    assert child.read_text() == "True True"
    while list(programs.temporary.iterdir()):
        pass
    # One that was killed leaves its folder, which the next one removes.
    killed = programs.run("-c", "import os, tmheap.tracemalloc as t; t.start(); os.kill(os.getpid(), 9)")
    assert killed.returncode == -9 and len(list(programs.temporary.iterdir())) == 1
    programs.script("import tmheap.tracemalloc as t; t.start()")
    assert not list(programs.temporary.iterdir())
    assert not list(programs.folder.glob("*.bin"))


def test_a_recording_that_was_named_is_kept(programs: Programs) -> None:
    code = "import tmheap.tracemalloc as t; t.start(); kept = bytearray(100_000)"
    programs.script(code, TM_OUT=str(programs.folder / "named.bin"))
    assert programs.tmtool("info", programs.recording())["lost_events"] == 0
    assert not list(programs.temporary.iterdir())


def test_installed_it_serves_who_imports_tracemalloc(programs: Programs, mode: str) -> None:
    done = programs.run("-X", "dev", "-c", """if True:
    import tmheap
    tmheap.install()
    import tracemalloc
    tracemalloc.start(5)
    assert tracemalloc.is_tracing() and tracemalloc.__name__ == "tmheap.tracemalloc"
    def leave_open():
        open("file", "w")
    leave_open()
    """, mode=mode)
    assert done.returncode == 0, done.stderr
    assert "ResourceWarning: unclosed file" in done.stderr
    assert "Object allocated at (most recent call last):" in done.stderr, done.stderr
    assert 'File "<string>", lineno 8' in done.stderr and "Enable tracemalloc" not in done.stderr, done.stderr




@pytest.mark.parametrize(("setting", "told"), [("0", "False False\n"), ("1", "True True\n")])
def test_preloaded_it_traces_from_the_start_if_objects_are_recorded(programs: Programs, setting: str, told: str) -> None:
    code = """
    import tmheap.tracemalloc as t
    print(t.is_tracing(), any(trace[0] == 0 for trace in t._get_traces()))
    """
    assert programs.script(code, mode=PRELOADED, TM_PYTHON_OBJECTS=setting) == told
