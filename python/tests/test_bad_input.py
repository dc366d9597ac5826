"""Where tm cannot be used, start() says so in one sentence, and the program goes on as with a tracemalloc that was not started."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import PRODUCTS, Programs

import tmheap

GOES_ON = """
import tmheap.tracemalloc as t
for _ in range(2):
    t.start(5)
assert not t.is_tracing() and t.get_traced_memory() == (0, 0) and t._get_traces() == []
assert t.get_object_traceback([]) is None
try:
    t.take_snapshot()
except RuntimeError:
    print("went on")
"""


def warned(programs: Programs, code: str, **settings: str) -> str:
    """Returns what is said, in one line, by a program that goes on."""
    path = programs.folder / "script.py"
    path.write_text(code)
    done = programs.run(str(path), **settings)
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
    [line] = [line for line in done.stderr.splitlines() if "RuntimeWarning: tmheap records nothing: " in line]
    assert f"{path}:" in line, line
    return line.split("records nothing: ")[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sys.implementation.name = 'pypy'; platform.python_implementation = lambda: 'PyPy'", "PyPy is not supported"),
        ("sys.platform = 'darwin'", f"darwin on {platform.machine()} is not supported; Linux on x86_64 and"),
        ("platform.machine = lambda: 'riscv64'", "linux on riscv64 is not supported"),
    ],
)
def test_another_interpreter_or_system(programs: Programs, change: str, said: str) -> None:
    assert said in warned(programs, f"import platform, sys\n{change}\n{GOES_ON}")


def copy_of_the_package(folder: Path) -> Path:
    """Copies the package into a folder."""
    source = Path(tmheap.__file__).parent
    shutil.copytree(source, folder / "tmheap", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "tmheap" / "products"


@pytest.mark.parametrize("missing", ["libtm.so", "libtm_query.so"])
def test_a_wheel_without_its_libraries(programs: Programs, missing: str) -> None:
    products = copy_of_the_package(programs.folder)
    (products / missing).unlink()
    assert warned(programs, GOES_ON) == f"{products / missing} is missing: install the wheel of tmheap again"


def test_a_wheel_without_tmtool(programs: Programs) -> None:
    products = copy_of_the_package(programs.folder)
    (products / "tmtool").unlink()
    done = programs.run("-m", "tmheap", "stats", "x.bin")
    assert (done.returncode, done.stderr) == (
        1, f"tmheap: {products / 'tmtool'} is missing: install the wheel of tmheap again\n",
    )


def test_a_library_that_is_none(programs: Programs) -> None:
    products = copy_of_the_package(programs.folder)
    (products / "libtm.so").write_text("no library")
    assert "libtm.so cannot be loaded: " in warned(programs, GOES_ON)


def test_a_library_of_an_earlier_version_that_is_loaded(programs: Programs) -> None:
    source = programs.folder / "old.c"
    source.write_text("#include <stddef.h>\nconst struct { size_t size; } tm_api = {64};\nint tm_start(unsigned n) { return n; }\n")
    library = programs.folder / "libtm.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    said = warned(programs, GOES_ON, LD_PRELOAD=str(library))
    assert "of an earlier version (its table has 64 bytes" in said and str(PRODUCTS / "libtm.so") in said


def test_a_process_without_a_recording(programs: Programs) -> None:
    assert "has no recording (TM_DISABLE=1" in warned(programs, GOES_ON, TM_DISABLE="1")


def test_tags_and_sizes_need_no_library(programs: Programs) -> None:
    products = copy_of_the_package(programs.folder)
    shutil.rmtree(products)
    assert programs.script("import tmheap\nwith tmheap.tag('x'): print(tmheap.total_size([1.0]) > 0)") == "True\n"
