"""Works through a list and gives all back; with an argument it forgets one block of 1,000 bytes."""
import ctypes
import sys

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]


def take_block():
    return libc.malloc(ctypes.c_size_t(1000))  # LEAK


words = ["word %d" % n for n in range(100)]
block = take_block()
if len(sys.argv) < 2:
    libc.free(block)
