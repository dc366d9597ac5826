"""Work whose blocks tracemalloc and tm are both asked about: JSON, syntax trees, executed code, threads."""
import ast
import ctypes
import json
import sys
import threading
import tracemalloc

tm = ctypes.CDLL(None)
keep = []


def tree(n):
    return {"name": "x" * n, "children": [tree(i) for i in range(n)]}


def parse():
    for _ in range(20):
        made = tree(6)
        text = json.dumps(made)
        keep.append((made, text, json.loads(text)))


def execute():
    with open(json.decoder.__file__) as file:
        text = file.read()
    names = {}
    exec(compile(text, "executed.py", "exec"), names)
    keep.append((ast.parse(text), names))


def grow():
    block = bytearray()
    for _ in range(2000):
        block += b"x" * 100
    keep.append(block)
    keep.append([bytearray(n) for n in range(0, 5000, 7)])
    keep.append([n * 1.5 for n in range(3000)])


def work():
    parse()
    execute()
    grow()
    threads = [threading.Thread(target=parse) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del keep[::3]


EXECUTED = """
def executed(places):
    for n in places:
        kept[n] = b"x" * n
"""
N = 2000
kept = [None] * (7 * N)


def fill(places):
    for n in places:
        kept[n] = str(n) * 10


def work_by_line():
    """Keeps nothing but texts, bytes and numbers, in places that are there before.

    A list or a dict that is freed CPython gives to whoever makes one next, without its allocator: up to 3.12 tracemalloc says
    who has it now, and tm who had it from the allocator.
    """
    text = json.dumps("a text " * 5)
    for n in range(N):
        kept[n] = json.loads(text)
    for n in range(N, 2 * N):
        kept[n] = ast.literal_eval("b'bytes of a literal'")
    names = {"kept": kept}
    exec(compile(EXECUTED, "executed.py", "exec"), names)
    names["executed"](range(2 * N, 3 * N))
    threads = [threading.Thread(target=fill, args=(range(n * N, (n + 1) * N),)) for n in range(3, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(6 * N, 6 * N + N // 2):
        kept[n] = 1 << n
    for n in range(6 * N + N // 2, 7 * N):
        kept[n] = bytearray(n)
    for n in range(0, 7 * N, 3):
        kept[n] = None


class Node:
    def __init__(self, parent, n):
        self.parent = parent
        self.numbers = [n, n * 0.5]
        self.names = {"n": n, "text": str(n)}


def walk(node):
    while node is not None:
        yield node.numbers, node.names
        node = node.parent


def of_many_kinds(n):
    return [n], {"n": n}, (n, n + 0.25), {n, -n}, slice(n, n + 1), iter([n]), (x for x in (n,)), lambda: n, n.bit_length


def work_by_object():
    """Keeps and drops objects of all kinds that CPython has free lists for, so that they are taken again at other lines."""
    for turn in range(6):
        node = None
        for n in range(400):
            node = Node(node if n % 7 else None, n + 10_000 * turn)
            if n % 3 == 0:
                keep.append(node)
        keep.append([dict(names) for _, names in walk(node)])
        keep.append([list(numbers) for numbers, _ in walk(node)])
        made = [of_many_kinds(1000 * turn + n) for n in range(300)]
        keep.append(made[::5])
        del made
        keep.append([[x] for x in range(50)])
        keep.append([{x: x / 3} for x in range(50)])
        keep.append([(x, x * 1.5) for x in range(50)])
        keep.append(json.loads(json.dumps(tree(5))))
        del keep[::2]
    keep.append([float(n) for n in range(500)])


def domain_memory():
    current, peak = ctypes.c_uint64(), ctypes.c_uint64()
    assert tm.tm_get_domain_memory(0x70796F62, ctypes.byref(current), ctypes.byref(peak)) == 0
    return current.value, peak.value


begin, mark, name, order = tm.tm_python_objects, tm.tm_take_snapshot, b"here", sys.argv[1]
if order == "tm_first":
    assert begin(1) == 0
tracemalloc.start(25)
if order == "tracemalloc_first":
    assert begin(1) == 0
keep.append(bytearray(100_000))
# It has begun, behind tracemalloc's wrappers too: nothing is forgotten.
assert begin(1) == 0 and domain_memory()[0] > 100_000
{"all": work, "by_line": work_by_line, "by_object": work_by_object}[sys.argv[2]]()
# The list that tracemalloc answers with is none that had been another one.
drained = [[] for _ in range(200)]
traced = tracemalloc.get_traced_memory()
recorded = domain_memory()
mark(name)
traces = tracemalloc._get_traces()
lines = {}
for _, size, frames, *_ in traces:
    sums = lines.setdefault(frames[0], [0, 0])
    sums[0] += size
    sums[1] += 1
largest = sorted(lines.items(), key=lambda line: line[1], reverse=True)[:10]
if order == "tracemalloc_first":
    # It puts back what was there before ours: what ended since is not known, so all is forgotten, and ours begins anew.
    tracemalloc.stop()
    assert begin(1) == 0
    assert domain_memory()[0] < 100_000
    keep.append(bytearray(200_000))
    assert domain_memory()[0] > 200_000
    assert begin(0) == 0
    assert domain_memory()[0] == 0
else:
    tracemalloc.stop()
    # Nobody has taken the wrappers away.
    before = domain_memory()[0]
    keep.append(bytearray(100_000))
    assert domain_memory()[0] - before >= 100_000
    assert begin(0) == 0
    assert domain_memory()[0] == 0
print(json.dumps({
    "traced": traced, "recorded": recorded, "blocks": len(traces),
    "lines": [[file, line, size, count] for (file, line), (size, count) in largest],
}))
