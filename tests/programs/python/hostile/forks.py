"""Forks in threads, while others allocate; the children fork, run threads and end in three ways."""

import os
import sys
import threading
import warnings

import taker

warnings.simplefilter("ignore")
over = threading.Event()


def allocate():
    while not over.is_set():
        taker.released(100)
        [bytearray(700) for _ in range(20)]


def child(i):
    [bytearray(600 + n) for n in range(200)]
    thread = threading.Thread(target=lambda: [bytearray(800) for _ in range(200)])
    thread.start()
    thread.join()
    if i % 3 == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(7)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    if i % 3 == 1:
        os.execv(sys.executable, [sys.executable, "-S", "-c", "import sys; sys.exit(8)"])
    os._exit(9)


def fork(i, ends):
    pid = os.fork()
    if pid == 0:
        try:
            child(i)
        finally:
            os._exit(1)
    ends[i] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    busy = [threading.Thread(target=allocate) for _ in range(3)]
    for thread in busy:
        thread.start()
    ends = [None] * 9
    forking = [threading.Thread(target=fork, args=(i, ends)) for i in range(9)]
    for thread in forking:
        thread.start()
    for thread in forking:
        thread.join()
    over.set()
    for thread in busy:
        thread.join()
    print(ends)


main()
