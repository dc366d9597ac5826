"""`python -m tmheap run script.py`: this interpreter again, recorded; other commands are tmtool's.

Nothing is left of this process: tmtool takes its place, and it ends as the program ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

from tmheap import _library

_USAGE = """\
usage: python -m tmheap run [--objects] [-o FILE] [-q] SCRIPT [ARGS]...
       python -m tmheap run [--objects] [-o FILE] [-q] -m MODULE [ARGS]...
       python -m tmheap run [--objects] [-o FILE] [-q] -c CODE [ARGS]...
       python -m tmheap COMMAND ...

run records a Python program: every allocation with the Python line that made it.
  --objects          also each object that Python's own allocators hand out, as tracemalloc does
  -o, --output FILE  where the recording goes
  -q, --quiet        print nothing but errors

Other commands are those of tmtool: stats, peak, leaks, diff, top, watch, info ...; `python -m tmheap --help` lists them.
"""


def main(arguments: list[str]) -> NoReturn:
    """Runs a command line of `python -m tmheap`."""
    if not arguments:
        sys.stderr.write(_USAGE)
        sys.exit(2)
    if arguments[0] == "run":
        _execute(_run(arguments[1:]))
    _execute(arguments)


def tmtool() -> NoReturn:
    """Is the console script `tmtool`: that of the package."""
    _execute(sys.argv[1:])


def _run(arguments: list[str]) -> list[str]:
    """Returns tmtool's arguments for a `run` of ours."""
    options: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c", "--", "-"):
        option = rest.pop(0)
        if option in ("-h", "--help"):
            sys.stdout.write(_USAGE)
            sys.exit(0)
        if option == "--objects":
            options.append("--python-objects")
        elif option in ("-o", "--output"):
            if not rest:
                _refuse(f"{option} needs a file")
            options += [option, rest.pop(0)]
        elif option in ("-q", "--quiet") or option.startswith(("-o", "--output=")):
            options.append(option)
        else:
            _refuse(f"run has no option {option}")
    if rest[:1] == ["--"]:
        rest.pop(0)
    if not rest:
        _refuse("run needs a script, -m MODULE or -c CODE")
    if rest[0] in ("-m", "-c") and len(rest) == 1:
        _refuse(f"{rest[0]} needs an argument")
    # As multiprocessing starts interpreters: with the flags of this one.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return ["run", *options, "--", sys.executable, *flags, *rest]


def _refuse(why: str) -> NoReturn:
    sys.stderr.write(f"tmheap: {why}\n{_USAGE}")
    sys.exit(2)


def _execute(arguments: list[str]) -> NoReturn:
    try:
        path = _library.product("tmtool")
        sys.stdout.flush()
        os.execv(path, [str(path), *arguments])
    except (_library.Unavailable, OSError) as error:
        sys.stderr.write(f"tmheap: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
