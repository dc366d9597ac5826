"""Ten thousand frames of Python, and some hundred through C: `recursion.py NOTES`."""

import sys
import threading

import taker


def down(n):
    if n:
        down(n - 1)
    else:
        taker.take(200_003)
        taker.take(200_083)


def through_c(n):
    if n:
        taker.call(lambda: through_c(n - 1))
    else:
        taker.take(200_163)


def too_deep():
    too_deep()


def main():
    sys.setrecursionlimit(20_000)
    threading.stack_size(512 << 20)
    taker.open(sys.argv[1])
    for work in lambda: down(10_000), lambda: through_c(200):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    sys.setrecursionlimit(2_000)
    try:
        too_deep()
    except RecursionError as error:
        print("RecursionError", len(str(error)) > 0)
    taker.close()


main()
