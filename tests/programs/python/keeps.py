"""Keeps memory that different lines have allocated, much of it through C; the test finds them by their comments."""

import json
import re
import sys


class Kept:
    """Allocates in a special method that C code calls."""

    def __lt__(self, other):
        KEPT.append(bytearray(3 << 20))  # compared
        return True


KEPT = []


def by_callback(match):
    KEPT.append(bytearray(5 << 20))  # replaced
    return ""


def generated():
    yield bytearray(7 << 20)  # generated


def main():
    sorted([Kept(), Kept()])
    re.sub("a", by_callback, "a")
    KEPT.extend(generated())
    json.loads('{"a": 1}', object_hook=lambda pairs: KEPT.append(bytearray(9 << 20)))  # hooked
    KEPT.append(bytes(11 << 20))  # plain
    print(len(KEPT))


main()
sys.stdout.flush()
