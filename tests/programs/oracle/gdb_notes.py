# Runs a program under gdb and notes the stack as gdb's unwinder sees it, which reads all that debuggers read: `.debug_frame`,
# section headers, line tables, code. Not imported, but given to gdb (`gdb -x`), with its settings in the environment:
#
#   NOTED       the function that is stopped at: called with a name and a block, or with two numbers and a block
#   NUMBERED    not empty for the latter
#   EVERY_STOP  the first of each so many stops is noted
#   PRELOAD     the program's LD_PRELOAD, which gdb itself is not to have
#   GDB_NOTES   the file that gets the notes, in the form of noted.h; a last frame of 0 says that gdb does not know further
import os
import gdb

OUTERMOST = (gdb.FRAME_UNWIND_NO_REASON, gdb.FRAME_UNWIND_OUTERMOST)
# Not on the stack: gdb tells them by the program's debugging information.
NOT_FRAMES = (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME)


def addresses(frame):
    while frame is not None:
        if frame.type() not in NOT_FRAMES:
            yield frame.pc()
        last, frame = frame, frame.older()
    if last.unwind_stop_reason() not in OUTERMOST:
        yield 0


class Noted(gdb.Breakpoint):
    def __init__(self, where, notes):
        super().__init__(where)
        self.silent = True
        self.notes, self.every, self.n_stops = notes, int(os.environ["EVERY_STOP"]), 0

    def stop(self):
        self.n_stops += 1
        if (self.n_stops - 1) % self.every == 0:
            self.notes.write(self.note() + "\n")
        return False

    def note(self):
        frame = gdb.newest_frame()
        first, block = (int(frame.read_register(name)) for name in ("rdi", "rsi"))
        memory = gdb.selected_inferior()
        if os.environ.get("NUMBERED"):
            words = memory.read_memory(first, 16)
            numbers = (int.from_bytes(bytes(words[at : at + 8]), "little") for at in (0, 8))
            name = ".".join(str(number) for number in numbers)
        else:
            name = gdb.Value(first).cast(gdb.lookup_type("char").pointer()).string()
        # Without the function that was stopped at, in which an inlined one may begin.
        stack = " ".join(f"{pc:x}" for pc in list(addresses(frame))[1:])
        return f"note {name} {block & (1 << 64) - 1:x} {stack}"


def bias():
    with open(f"/proc/{gdb.selected_inferior().pid}/auxv", "rb") as file:
        words = [int.from_bytes(word, "little") for word in iter(lambda: file.read(8), b"")]
    entry = dict(zip(words[::2], words[1::2]))[9]
    with open(gdb.current_progspace().filename, "rb") as file:
        return entry - int.from_bytes(file.read(32)[24:], "little")


for setting in (
    "confirm off",
    "pagination off",
    "width 0",
    "disable-randomization off",
    "breakpoint pending on",
    "print thread-events off",
    "backtrace past-main on",
    "backtrace past-entry on",
    "backtrace limit unlimited",
    "exec-wrapper env LD_PRELOAD=" + os.environ["PRELOAD"],
):
    gdb.execute("set " + setting)
gdb.execute("handle all nostop noprint pass", to_string=True)
gdb.execute("starti", to_string=True)
with open(os.environ["GDB_NOTES"], "w") as notes:
    notes.write(f"bias {bias():x}\n")
    # At the function's first instruction, where the arguments are; a library has its symbol only once it is loaded.
    Noted(("" if os.environ.get("NUMBERED") else "*") + os.environ["NOTED"], notes)
    gdb.execute("continue", to_string=True)
gdb.execute("quit $_exitcode")
