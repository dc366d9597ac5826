# CLASSES generated classes parsed, walked and compiled, three times.
import ast
import sys

TEMPLATE = '''class C{i}(object):
    def method_{i}(self, a, b={i}, *rest):
        values = [x * {i} + len(str(a)) for x in range(b) if x % 3]
        if a and not rest:
            return {{"key_{i}": values, "b": (a + b) * {i}.5}}
        raise ValueError("no %s in %r" % (a, rest[{i} % 7:]))
'''

source = "".join(TEMPLATE.format(i=i) for i in range(int(sys.argv[1])))
for _ in range(3):
    tree = ast.parse(source)
    n_nodes = sum(1 for _ in ast.walk(tree))
    code = compile(tree, "generated", "exec")
print(n_nodes, len(code.co_names))
