"""Takes lists from CPython's free list at lines of their own, while tracemalloc comes and goes.

Prints what the lines have that kept lists: file, line, bytes, blocks.
"""
import ctypes
import json
import sys
import tracemalloc

tm = ctypes.CDLL(None)
listener = ctypes.pythonapi.PyRefTracer_GetTracer
listener.restype, listener.argtypes = ctypes.c_void_p, [ctypes.c_void_p]


def fill():
    """Has the free list hold lists whose memory was allocated here."""
    dropped = [[] for _ in range(200)]
    # The next object whose memory is allocated shows who listens.
    object()
    del dropped


fill()
ours = listener(None)
first = [[], [], [], [], [], [], [], []]

tracemalloc.start()
fill()
second = [[], [], [], [], [], [], [], []]
assert {tracemalloc.get_object_traceback(one)[0].lineno for one in second} == {29}
assert listener(None) == ours

tracemalloc.stop()
fill()
third = [[], [], [], [], [], [], [], []]
assert listener(None) == ours

mark, name = tm.tm_take_snapshot, b"here"
mark(name)
# Nine lists, and the places of eight.
said = [[__file__, line, 9 * sys.getsizeof([]) + 8 * 8, 10] for line in (25, 29, 35)]

assert tm.tm_python_objects(0) == 0
fill()
assert listener(None) != ours
print(json.dumps(said))
