#!/bin/sh
# Installs the wheel in a fresh environment of the system's Python, and records and asks there.
#
#   try_wheel.sh WHEEL
set -eu
here=$(mktemp -d)
cd "$here"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-index "$1"
cat >asks.py <<'PROGRAM'
import tmheap.tracemalloc as tracemalloc

tracemalloc.start()
kept = [bytes(1000 + i) for i in range(1000)]
top = tracemalloc.take_snapshot().statistics("lineno")[0]
assert top.size > 1_000_000 and top.traceback[0].lineno == 4, top
assert tracemalloc.get_object_traceback(kept[10])[-1].lineno == 4
print("asked")
PROGRAM
[ "$(venv/bin/python asks.py)" = asked ]
[ "$(venv/bin/python -m tmheap run -q -o run.bin asks.py)" = asked ]
venv/bin/tmtool stats run.bin | grep -q 'asks.py:4'
rm -rf "$here"
