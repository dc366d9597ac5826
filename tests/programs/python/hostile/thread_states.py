"""Thread states that come and go: swapped by an extension, of foreign threads, of other interpreters: `thread_states.py N NOTES`."""

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

IN_OTHER = """
def work(n):
    return [bytearray(600 + i) for i in range(n)]
for n in range(20):
    sorted([3, 1, 2], key=lambda item: len(work(n)))
"""


class Sizes:
    """The next size, under a lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.done = 0

    def take(self):
        with self.lock:
            size = 200_003 + 80 * self.done
            self.done += 1
        taker.take(size)


def main():
    count = int(sys.argv[1])
    taker.open(sys.argv[2])
    sizes = Sizes()

    def deeper(n):
        return deeper(n - 1) if n else sizes.take()

    for i in range(count):
        taker.on_thread(lambda: deeper(i % 5))
        taker.swap(lambda: deeper(i % 7))
        taker.second_state(lambda: deeper(i % 3))
    threads = [threading.Thread(target=taker.on_thread, args=(lambda: deeper(9),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(3 if interpreters else 0):
        other = interpreters.create()
        interpreters.run_string(other, IN_OTHER)
        thread = threading.Thread(target=interpreters.run_string, args=(other, IN_OTHER))
        thread.start()
        thread.join()
        sizes.take()
        interpreters.destroy(other)
        sizes.take()
    taker.close()
    print(sizes.done, "allocations")


main()
