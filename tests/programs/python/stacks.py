"""Allocates N times from random places: `stacks.py SEED N NOTES`. The extension `taker` writes down where, as the interpreter says.

Each place is a chain of contexts (`contexts.py`, and `newer.py` for what not every version knows), each of which has the next one
called by other means: through C, in a generator, when something dies. Sizes tell the allocations apart: 200,003 + 80 i, to which
objects add a header of less than 80 bytes.
"""

import random
import sys

import contexts
import newer
import taker

BASE = 200_003
STEP = 80


class Places:
    """Draws contexts until all allocations are done."""

    def __init__(self, seed, count):
        self.random = random.Random(seed)
        self.count = count
        self.done = 0

    def go(self, depth):
        """Has a context call this again, or allocates."""
        if depth > 0:
            self.random.choice(contexts.ALL)(depth - 1)
        elif self.done < self.count:
            size = BASE + STEP * self.done
            self.done += 1
            self.random.choice(contexts.LEAVES)(size)


def main():
    places = Places(int(sys.argv[1]), int(sys.argv[2]))
    contexts.go = places.go
    contexts.ALL += newer.contexts()
    taker.open(sys.argv[3])
    # Each context as the only one, before they are mixed.
    for context in contexts.ALL:
        context(0)
    while places.done < places.count:
        places.go(places.random.randrange(1, 7))
    taker.close()
    print(places.done, "from", len(contexts.ALL), "contexts, greenlets:", contexts.greenlet is not None)


if __name__ == "__main__":
    main()
