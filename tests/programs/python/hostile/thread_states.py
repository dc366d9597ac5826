"""Thread states that come and go: swapped by an extension, of foreign threads, of other interpreters: `thread_states.py N NOTES`."""

import os
import sys
import threading

import taker

try:
    import _interpreters as interpreters
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        interpreters = None

# Before 3.12 it is said nowhere which thread runs a state: a thread's further ones are not seen.
SEES_FURTHER = sys.version_info >= (3, 12)

IN_OTHER = """
import sys
sys.path.insert(0, {folder!r})
import taker
def work(n):
    if n == 3 and {sees_further}:
        taker.take({first})
    return [bytearray(600 + i) for i in range(n)]
for n in range(20):
    sorted([3, 1, 2], key=lambda item: len(work(n))) if n != 3 else work(3)
if {sees_further}:
    taker.take({second})
"""


def other_interpreter():
    """Returns one that may load the extension."""
    for arguments, keywords in (["legacy"], {}), ([], {"isolated": False}), ([], {}):
        try:
            return interpreters.create(*arguments, **keywords)
        except TypeError:
            pass
    raise AssertionError("no interpreter can be made")


class Sizes:
    """The next size, under a lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.done = 0

    def next(self):
        with self.lock:
            self.done += 1
            return 200_003 + 80 * (self.done - 1)

    def take(self):
        size = self.next()
        taker.take(size)


def source(sizes):
    folder = os.path.dirname(os.path.abspath(__file__))
    first, second = (sizes.next(), sizes.next()) if SEES_FURTHER else (0, 0)
    return IN_OTHER.format(folder=folder, sees_further=SEES_FURTHER, first=first, second=second)


def main():
    count = int(sys.argv[1])
    taker.open(sys.argv[2])
    sizes = Sizes()

    def deeper(n):
        return deeper(n - 1) if n else sizes.take()

    for i in range(count):
        taker.on_thread(lambda: deeper(i % 5))
        taker.swap(lambda: deeper(i % 7))
        taker.second_state(lambda: deeper(i % 3) if SEES_FURTHER else len([bytearray(700)]))
    threads = [threading.Thread(target=taker.on_thread, args=(lambda: deeper(9),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(3 if interpreters else 0):
        other = other_interpreter()
        interpreters.run_string(other, source(sizes))
        thread = threading.Thread(target=interpreters.run_string, args=(other, source(sizes)))
        thread.start()
        thread.join()
        sizes.take()
        interpreters.destroy(other)
        sizes.take()
    taker.close()
    print(sizes.done, "allocations")


main()
