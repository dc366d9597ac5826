"""Ends while daemon threads allocate, with the lock and without: `shutdown.py HOW`, one of return, exit, raise, _exit, signal, thread."""

import atexit
import os
import signal
import sys
import threading

import taker

steps = [0] * 8


def without_lock(i):
    while True:
        taker.released(200)
        steps[i] += 1


def with_lock(i):
    while True:
        [bytearray(600 + n) for n in range(50)]
        steps[i] += 1


class Late:
    """Allocates when the modules are taken apart."""

    def __del__(self, join="".join, out=os.write):
        [bytearray(1000) for _ in range(100)]
        out(1, b"late\n")


sys.late = Late()


@atexit.register
def at_exit():
    [bytearray(1000) for _ in range(1000)]
    os.write(1, b"at exit\n")


def wait_for_all():
    while min(steps) < 5:
        taker.released(1)


def main(how):
    for i in range(8):
        work = without_lock if i % 2 else with_lock
        threading.Thread(target=work, args=(i,), daemon=True).start()
    wait_for_all()
    print("all run", flush=True)
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        sys.stderr = None
        raise KeyError
    if how == "_exit":
        os._exit(4)
    if how == "signal":
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    if how == "thread":
        threading.Thread(target=os._exit, args=(5,)).start()
        signal.pause()


main(sys.argv[1])
