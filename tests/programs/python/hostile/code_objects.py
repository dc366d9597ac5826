"""Makes code objects and drops them, so that addresses come to hold others: `code_objects.py N NOTES`."""

import sys

import taker


def main():
    count = int(sys.argv[1])
    taker.open(sys.argv[2])
    for i in range(count):
        size = 200_003 + 80 * i
        source = "\n" * (i * 7 % 1000) + f"def made_{i % 613}(size):\n" + "\n" * (i % 3) + "  taker.take(size)\n"
        names = {"taker": taker}
        exec(compile(source, f"<made {i % 401}>", "exec"), names)
        names[f"made_{i % 613}"](size)
        if i % 3 == 0:
            # Another one of the same shape, in the memory of one that has just died.
            function = names.pop(f"made_{i % 613}")
            function.__code__ = function.__code__.replace(co_firstlineno=i + 1)
    taker.close()
    print(count, "code objects")


main()
