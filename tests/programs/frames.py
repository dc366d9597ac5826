# Blocks of sizes of their own, and before each the frames that Python has then, as its own traceback module says them.
import sys
import threading
import traceback

kept = []


def said(size):
    frames = reversed(traceback.extract_stack()[:-1])
    print(size, *(f"{frame.name}:{frame.lineno}" for frame in frames), sep="|")
    return size


def leaf(size):
    kept.append(bytearray(said(size)))


class Object:
    def __init__(self, size):
        leaf(size)


def generator(size):
    for n in range(3):
        yield leaf(size + 2 * n)


def recursion(depth, size):
    if depth == 0:
        return Object(size)
    return recursion(depth - 1, size)


async def coroutine(depth, size):
    if depth:
        await coroutine(depth - 1, size)
    leaf(size + 2 * depth)


def run_coroutine(size):
    try:
        coroutine(3, size).send(None)
    except StopIteration:
        pass


def compiled(size):
    # Other code at the same address each time, mostly.
    for n in range(40):
        exec(compile("\n" * n + f"def made_{n}(): leaf({size + 2 * n})\nmade_{n}()", f"<made {n}>", "exec"))


def main():
    leaf(100_001)
    Object(110_001)
    list(generator(120_001))
    recursion(30, 130_001)
    list(map(leaf, range(140_001, 140_009, 2)))
    sorted([3, 1, 2], key=lambda n: leaf(150_001 + 2 * n) or n)
    run_coroutine(160_001)
    compiled(170_001)
    thread = threading.Thread(target=recursion, args=(5, 180_001))
    thread.start()
    thread.join()
    for size in range(190_001, 190_041, 2):
        leaf(size)


main()
