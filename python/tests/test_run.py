"""`python -m tmheap run` is this interpreter again, recorded; other commands are tmtool's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PRODUCTS, Programs

SHOWS = """
import sys
kept = bytearray(3_000_000)
print(sys.argv, sys.path[0], __name__)
sys.exit(len(sys.argv) + 40)
"""


@pytest.mark.parametrize("options", [[], ["--objects"]])
def test_a_script_runs_as_by_python_itself(programs: Programs, options: list[str]) -> None:
    (programs.folder / "shows.py").write_text(SHOWS)
    bare = programs.run("shows.py", "-o", "x", "--objects")
    run = programs.run("-m", "tmheap", "run", "-q", *options, "-o", "out.bin", "shows.py", "-o", "x", "--objects")
    assert (run.stdout, run.returncode, run.stderr) == (bare.stdout, 44, "")
    [top, *_] = programs.tmtool("stats", "out.bin", "--at", "peak")["statistics"]
    frame = top["traceback"][0]
    assert (frame["filename"], frame["lineno"]) == (str(programs.folder / "shows.py"), 3) and top["size"] >= 3_000_000


@pytest.mark.parametrize("arguments", [["-m", "shows", "a"], ["-c", SHOWS, "b"]])
def test_modules_and_code_too(programs: Programs, arguments: list[str]) -> None:
    (programs.folder / "shows.py").write_text(SHOWS)
    bare = programs.run(*arguments)
    run = programs.run("-m", "tmheap", "run", "-q", "-o", "out.bin", *arguments)
    assert (run.stdout, run.returncode, run.stderr) == (bare.stdout, 42, "")


def test_flags_of_the_interpreter_are_handed_on(programs: Programs) -> None:
    code = "import sys; print(sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions)"
    flags = ["-O", "-X", "dev", "-W", "error"]
    bare = programs.run(*flags, "-c", code)
    run = programs.run(*flags, "-m", "tmheap", "run", "-q", "-o", "out.bin", "-c", code)
    assert run.stdout == bare.stdout and run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "run needs a script"),
        (["run", "-m"], "-m needs an argument"),
        (["run", "-o"], "-o needs a file"),
        (["run", "--native", "x.py"], "run has no option --native"),
        ([], "usage: python -m tmheap run"),
    ],
)
def test_wrong_usage_is_told(programs: Programs, arguments: list[str], said: str) -> None:
    done = programs.run("-m", "tmheap", *arguments)
    assert done.returncode == 2 and said in done.stderr and not done.stdout, done.stderr


def test_other_commands_are_those_of_tmtool(programs: Programs) -> None:
    asked = programs.run("-m", "tmheap", "stats", "not-there.bin")
    tmtool = subprocess.run(
        [PRODUCTS / "tmtool", "stats", "not-there.bin"], cwd=programs.folder, text=True, capture_output=True, check=False
    )
    assert (asked.returncode, asked.stderr) == (tmtool.returncode, tmtool.stderr) and asked.returncode == 1


def test_the_console_script_is_the_packed_tmtool() -> None:
    script = Path(sys.executable).parent / "tmtool"
    version = [
        subprocess.run([path, "--version"], text=True, capture_output=True, check=True).stdout
        for path in (script, PRODUCTS / "tmtool")
    ]
    assert version[0] == version[1] and version[0].startswith("tmtool")
