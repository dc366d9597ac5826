"""The recording of a process that named none: a temporary file that goes with its last process.

tracemalloc leaves no file, so neither may its replacement. The file stands in a folder of its own whose processes hold a
shared lock on it, each forked child by a descriptor of its own; who can have it exclusively is the last. What killed
processes have left is removed by the next one that begins.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Optional

_PREFIX = "tmheap-"


class _Folder:
    """The folder, held by this process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = _hold(path)
        self.for_child: Optional[int] = None
        os.register_at_fork(
            before=self._before_fork, after_in_parent=self._in_parent, after_in_child=self._in_child
        )
        atexit.register(self.leave)

    def leave(self) -> None:
        """Removes the folder, unless another process still holds it."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        shutil.rmtree(self.path, ignore_errors=True)

    def _before_fork(self) -> None:
        try:
            self.for_child = _hold(self.path)
        except OSError:
            self.for_child = None

    def _in_parent(self) -> None:
        if self.for_child is not None:
            os.close(self.for_child)
            self.for_child = None

    def _in_child(self) -> None:
        if self.for_child is not None:
            os.close(self.descriptor)
            self.descriptor, self.for_child = self.for_child, None


def _hold(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def template() -> str:
    """Makes the folder of this process; returns the name of the recording in it, as TM_OUT has it."""
    parent = tempfile.gettempdir()
    _remove_left(parent)
    folder = _Folder(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    # A percent sign is a placeholder's start in TM_OUT.
    return os.path.join(folder.path, "recording.bin").replace("%", "%%")


def _remove_left(parent: str) -> None:
    """Removes the folders of this user that no process holds any more."""
    for path in Path(parent).glob(_PREFIX + "*"):
        try:
            if path.is_symlink() or path.stat().st_uid != os.geteuid() or not any(path.iterdir()):
                # An empty one may be about to be held.
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(descriptor)
