"""Runs under sys.settrace, sys.setprofile, the module `trace`, `coverage` if it is there, and with faulthandler's watchdog."""

import faulthandler
import json
import os
import sys
import tempfile
import threading
import time
import trace

# CPython 3.12 falls over this by itself.
TRACES_OPCODES = sys.version_info[:2] != (3, 12)


def work():
    text = json.dumps({str(n): [n] * 20 for n in range(100)})
    found = json.loads(text, object_hook=lambda pairs: {key: bytearray(600) for key in pairs})
    return sum(len(value) for value in found.values())


def main():
    watched = tempfile.TemporaryFile()
    faulthandler.enable(watched)
    # While this thread sleeps: it reads the frames of threads as they run, and falls over that by itself.
    faulthandler.dump_traceback_later(0.01, file=watched)
    while os.fstat(watched.fileno()).st_size == 0:
        time.sleep(0.1)
    counts = {}

    def tracer(frame, event, argument):
        [bytearray(520)]
        counts[event] = counts.get(event, 0) + 1
        frame.f_trace_opcodes = TRACES_OPCODES
        return tracer

    for install in sys.settrace, sys.setprofile, threading.settrace, threading.setprofile:
        install(tracer)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print(work())
        install(None)
    print(counts["call"] > 100, counts["line"] > 100)
    tracing = trace.Trace(count=1, trace=0)
    print(tracing.runfunc(work), sum(tracing.results().counts.values()) > 300)
    try:
        import coverage
    except ImportError:
        pass
    else:
        measured = coverage.Coverage(data_file=None)
        measured.start()
        print(work())
        measured.stop()
    faulthandler.dump_traceback(watched, all_threads=True)
    faulthandler.cancel_dump_traceback_later()
    watched.seek(0)
    assert b"in main" in watched.read()
    sys.stdout.flush()
    os.close(2)
    faulthandler._sigsegv()


main()
