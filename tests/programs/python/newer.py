"""Contexts in syntax that not every version knows: the first version, and the source, which calls `go(depth)`."""

import sys

SOURCES = [
    ((3, 10), "match depth:\n case int() if [go(depth)]:\n  go(depth)\n"),
    ((3, 11), "try:\n raise ExceptionGroup('', [KeyError()])\nexcept* KeyError:\n go(depth)\n"),
    ((3, 12), "def f[T: go(depth)](a: T): return a\nf.__type_params__[0].__bound__\n"),
    ((3, 12), "type A = go(depth)\nA.__value__\n"),
    ((3, 12), "class G[T]:\n go(depth)\nf'{ [ go(depth) for _ in range(1) ] }'\n"),
    ((3, 13), "def f[T = go(depth)](): pass\nf.__type_params__[0].__default__\n"),
    ((3, 14), "class A:\n a: go(depth)\nA.__annotations__\n"),
    ((3, 14), "t'{go(depth)} {\n go(depth)}'\n"),
]

MONITORED = """
monitoring = sys.monitoring
def monitored():
    pass
def on_start(code, offset):
    if code is monitored.__code__:
        go(depth)
try:
    monitoring.use_tool_id(3, "stacks")
except ValueError:
    go(depth)
else:
    monitoring.register_callback(3, monitoring.events.PY_START, on_start)
    monitoring.set_events(3, monitoring.events.PY_START)
    monitored()
    monitoring.set_events(3, 0)
    monitoring.free_tool_id(3)
"""


def contexts():
    """Returns those that this version knows."""
    sources = SOURCES + [((3, 12), MONITORED)]
    return [of(source, number) for number, (version, source) in enumerate(sources) if sys.version_info >= version]


def of(source, number):
    code = compile(source, f"<newer {number}>", "exec")

    def by_newer_syntax(depth):
        import contexts

        exec(code, {"go": contexts.go, "depth": depth, "sys": sys})

    return by_newer_syntax
