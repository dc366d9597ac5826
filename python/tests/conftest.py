"""What the tests of tmheap share: programs run by this interpreter, with libtm.so preloaded or loaded by the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable

import pytest

import tmheap._library

pytest_plugins = ["pytester"]

PRODUCTS = tmheap._library.PRODUCTS
DLOPENED, PRELOADED = "dlopened", "preloaded"


class Programs:
    """Runs programs in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def run(self, *arguments: str, mode: str = DLOPENED, **settings: str) -> subprocess.CompletedProcess[str]:
        """Runs this interpreter with arguments."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TM_", "LD_"))}
        environment = {**kept, "TMPDIR": str(self.temporary), **settings}
        if mode == PRELOADED:
            environment.setdefault("TM_OUT", str(self.folder / "%p.bin"))
            environment["LD_PRELOAD"] = str(PRODUCTS / "libtm.so")
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, text=True, capture_output=True, check=False
        )

    def script(self, code: str, *arguments: str, mode: str = DLOPENED, **settings: str) -> str:
        """Runs a script that succeeds and writes nothing to standard error; returns what it prints."""
        path = self.folder / "script.py"
        path.write_text(textwrap.dedent(code))
        done = self.run(str(path), *arguments, mode=mode, **settings)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def tmtool(self, *arguments: str) -> Any:
        """Runs tmtool of the package for JSON."""
        command = [str(PRODUCTS / "tmtool"), *arguments, "--json"]
        done = subprocess.run(command, cwd=self.folder, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def recording(self) -> str:
        """Returns the one recording in the folder."""
        [recording] = self.folder.glob("*.bin")
        return str(recording)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Runs programs."""
    return Programs(tmp_path)


@pytest.fixture(params=[DLOPENED, PRELOADED])
def mode(request: pytest.FixtureRequest) -> str:
    """How libtm.so comes into a program."""
    return str(request.param)
