//! A thread of a process that is made to do something else for a moment: system calls, then calls of functions, on a stack of their
//! own. Its state is put back at the end, and goes back by itself where we cannot wait for that (see [`super::arch`]).

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::arch::{self, CODE, Call, Registers};
use super::fitness::Code;
use super::memory::Memory;
use super::ptrace::{Stop, Thread};

/// A thread that does what we say.
#[derive(Debug)]
pub struct Borrowed<'a> {
    thread: Thread,
    memory: &'a Memory,
    loaded: &'a Code,
    before: State,
    room: Room,
    /// It has its state back, or is left to what it does, from which it goes back by itself.
    is_left: bool,
    /// When it was stopped.
    since: Instant,
}

/// All that a thread has in registers, and the signals that it has blocked.
#[derive(Debug)]
struct State {
    registers: Registers,
    vectors: Vec<u8>,
    mask: u64,
}

/// What is mapped in the process for the calls.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    code: u64,
    data: u64,
}

/// What is handed over.
const DATA_BYTES: u64 = 64 * 1024;
const STACK_BYTES: u64 = 512 * 1024;
const PAGE_BYTES: u64 = 4096;
/// The parts of the data: the frame, the result of a call, and what callers put there.
const RESULT_AT: u64 = 24 * 1024;
const OWN_AT: u64 = 32 * 1024;
/// Bytes that callers may put there.
pub const OWN_BYTES: usize = (DATA_BYTES - OWN_AT) as usize;

/// Why something was not done.
#[derive(Debug)]
pub enum Failed {
    /// The system refused this, an infinitive.
    System(&'static str, io::Error),
    /// The process has ended meanwhile.
    Ended,
    /// The thread was about to be killed by this signal.
    Crashed(i32),
    /// The call has not ended in time, and was given up before it had changed anything.
    GivenUp,
    /// The call has not ended in time, and goes on.
    GoesOn,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        match error.raw_os_error() {
            Some(libc::ESRCH | libc::ECHILD) => Failed::Ended,
            _ => Failed::System("trace it", error),
        }
    }
}

type Result<T> = std::result::Result<T, Failed>;

/// All signals.
const ALL_SIGNALS: u64 = u64::MAX;
/// A call that waits for a lock may be given up; one that has it gets this much longer.
const LONGER: Duration = Duration::from_secs(10);
/// A thread that has done a call waits this long to have its state put back.
const TO_PUT_BACK: Duration = Duration::from_secs(2);
/// Between two looks whether a call is done.
const BETWEEN_LOOKS: Duration = Duration::from_micros(30);
/// Signals that the thread raises by what it does.
const BY_ITSELF: [i32; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];

impl<'a> Borrowed<'a> {
    /// Takes a thread that stands still since `since` and was judged to be fit.
    ///
    /// # Errors
    /// There is no room in the process, or it has ended. The thread is as it was then.
    pub fn take(
        thread: Thread,
        memory: &'a Memory,
        loaded: &'a Code,
        since: Instant,
    ) -> Result<Borrowed<'a>> {
        let before =
            State { registers: thread.registers()?, vectors: thread.vectors()?, mask: thread.signal_mask()? };
        thread.set_signal_mask(ALL_SIGNALS)?;
        let room = Room::default();
        let mut borrowed = Borrowed { thread, memory, loaded, before, room, is_left: false, since };
        borrowed.make_room()?;
        Ok(borrowed)
    }

    fn make_room(&mut self) -> Result<()> {
        let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let mut map = |bytes, protection: i32| {
            let arguments = [0, bytes, protection as u64, anonymous, u64::MAX, 0];
            self.system_call(libc::SYS_mmap, arguments).map_err(|error| named(error, "map memory in it"))
        };
        let code = map(PAGE_BYTES, libc::PROT_READ | libc::PROT_EXEC)?;
        let data = map(DATA_BYTES + STACK_BYTES, libc::PROT_READ | libc::PROT_WRITE)?;
        (self.room.code, self.room.data) = (code, data);
        self.write(code, &CODE)
    }

    /// The place of what callers put into the process.
    pub fn own_place(&self) -> u64 {
        self.room.data + OWN_AT
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.memory.write(address, bytes).map_err(|error| Failed::System("write to its memory", error))
    }

    /// Makes a system call; its result.
    ///
    /// # Errors
    /// That of the system call, or the process has ended.
    pub fn system_call(&mut self, number: i64, arguments: [u64; 6]) -> Result<u64> {
        let place = self.loaded.system_call;
        self.thread.set_registers(&self.before.registers.for_system_call(place, number as u64, arguments))?;
        let deadline = Instant::now() + LONGER;
        loop {
            self.thread.step()?;
            match self.thread.wait(deadline)? {
                Some(Stop::Signal(libc::SIGTRAP)) => break,
                Some(Stop::Signal(signal)) if BY_ITSELF.contains(&signal) => {
                    return Err(Failed::Crashed(signal));
                }
                Some(Stop::Signal(signal)) => self.thread.deliver_later(signal),
                Some(Stop::Interrupted) => {}
                Some(Stop::Gone) => return Err(self.ended()),
                None => return Err(self.leave()),
            }
            // The signal may have come before or after the instruction.
            if self.thread.registers()?.pc() != place {
                break;
            }
        }
        let result = self.thread.registers()?.result();
        if (-4095..0).contains(&result) {
            return Err(Failed::System("call the system", io::Error::from_raw_os_error(-result as i32)));
        }
        Ok(result as u64)
    }

    fn ended(&mut self) -> Failed {
        self.is_left = true;
        Failed::Ended
    }

    /// Leaves the thread to what it does, from which it goes back by itself.
    fn leave(&mut self) -> Failed {
        self.is_left = true;
        Failed::GoesOn
    }

    /// Calls a function with up to three arguments; its result. Other threads run meanwhile.
    ///
    /// # Errors
    /// It has not ended in `patience`, the thread has crashed in it, or the process has ended.
    pub fn call(&mut self, function: u64, arguments: [u64; 3], patience: Duration) -> Result<u64> {
        let call = self.begin_call(function, arguments)?;
        self.watch(&call, Instant::now() + patience)?;
        self.memory.word(call.result).ok_or(Failed::Ended)
    }

    /// Has the thread begin a call, after which it goes back by itself if nobody puts its state back.
    fn begin_call(&mut self, function: u64, arguments: [u64; 3]) -> Result<Call> {
        let Room { code, data } = self.room;
        let call = Call {
            code,
            function,
            arguments,
            result: data + RESULT_AT,
            stack_end: data + DATA_BYTES + STACK_BYTES,
            frame: data,
        };
        let State { registers, vectors, mask } = &self.before;
        let frame = arch::frame(data, registers, vectors, *mask)
            .ok()
            .filter(|frame| frame.len() < RESULT_AT as usize)
            .ok_or_else(|| {
                Failed::System("save its registers", io::Error::from_raw_os_error(libc::ENOTSUP))
            })?;
        self.write(data, &frame)?;
        let wait = [0, 0, TO_PUT_BACK.as_secs(), 0];
        self.write(call.result, &wait.map(u64::to_le_bytes).concat())?;
        self.thread.set_registers(&registers.for_call(&call))?;
        self.thread.go_on()?;
        Ok(call)
    }

    /// Watches a call until it is done, and stops the thread then.
    fn watch(&mut self, call: &Call, deadline: Instant) -> Result<()> {
        let mut may_be_given_up = true;
        loop {
            match self.thread.wait(Instant::now())? {
                Some(Stop::Signal(signal)) if BY_ITSELF.contains(&signal) => {
                    return Err(Failed::Crashed(signal));
                }
                Some(Stop::Signal(signal)) => {
                    self.thread.deliver_later(signal);
                    self.thread.go_on()?;
                }
                Some(Stop::Interrupted) => self.thread.go_on()?,
                Some(Stop::Gone) => return Err(self.ended()),
                None => {}
            }
            if self.memory.half(call.result + 8) == Some(1) {
                return self.stop_in(call.code);
            }
            let now = Instant::now();
            if now > deadline && may_be_given_up {
                self.give_up()?;
                may_be_given_up = false;
            }
            if now > deadline + LONGER {
                return Err(self.leave());
            }
            sleep(BETWEEN_LOOKS);
        }
    }

    /// Stops the thread where it waits to have its state put back.
    fn stop_in(&mut self, code: u64) -> Result<()> {
        if !self.thread.stop(Instant::now() + LONGER)? {
            return Err(self.leave());
        }
        let pc = self.thread.registers()?.pc();
        if (code..code + CODE.len() as u64).contains(&pc) { Ok(()) } else { Err(self.leave()) }
    }

    /// Gives a call up that waits for a lock from the beginning; else it goes on.
    fn give_up(&mut self) -> Result<()> {
        if !self.thread.stop(Instant::now() + LONGER)? {
            return Err(self.leave());
        }
        if self.loaded.waits_for_first_lock(self.memory, &self.thread.registers()?) {
            return Err(Failed::GivenUp);
        }
        Ok(self.thread.go_on()?)
    }

    /// Puts the thread's state back and lets it go; how long it was held.
    ///
    /// # Errors
    /// It has ended.
    pub fn give_back(mut self) -> Result<Duration> {
        self.unmap();
        self.is_left = true;
        self.restore()?;
        Ok(self.since.elapsed())
    }

    fn unmap(&mut self) {
        let Room { code, data, .. } = self.room;
        for (start, bytes) in [(code, PAGE_BYTES), (data, DATA_BYTES + STACK_BYTES)] {
            if start != 0 {
                let _ = self.system_call(libc::SYS_munmap, [start, bytes, 0, 0, 0, 0]);
            }
        }
        (self.room.code, self.room.data) = (0, 0);
    }

    fn restore(&self) -> Result<()> {
        self.thread.set_vectors(&self.before.vectors)?;
        self.thread.set_registers(&as_if_unnoticed(&self.before.registers))?;
        self.thread.set_signal_mask(self.before.mask)?;
        Ok(())
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if !self.is_left {
            self.unmap();
            let _ = self.restore();
        }
    }
}

/// The state of a thread that was looked at, as if it had not been: some system calls would fail for it.
pub fn as_if_unnoticed(registers: &Registers) -> Registers {
    match registers.interrupted_call() {
        Some((number, result)) if result == -i64::from(libc::EINTR) && arch::is_made_again(number) => {
            registers.with_call_again()
        }
        _ => *registers,
    }
}

fn named(error: Failed, action: &'static str) -> Failed {
    match error {
        Failed::System(_, error) => Failed::System(action, error),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::attach::threads::{Fit, LongestStop, find};

    /// A process that sleeps, and a thread of it that stands still.
    fn sleeper(seconds: &str) -> (Child, Memory, Fit) {
        let child = Command::new("sleep").arg(seconds).spawn().unwrap();
        let pid = child.id();
        // It has to get as far as to have a C library.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut memory = Memory::of(pid).unwrap();
            let soon = Instant::now() + Duration::from_millis(100);
            match find(pid, &mut memory, soon, &mut LongestStop::default()) {
                Ok(fit) => return (child, memory, fit),
                Err(_) => assert!(Instant::now() < deadline, "no thread is fit"),
            }
        }
    }

    #[test]
    fn a_thread_does_what_it_is_told_and_goes_on() {
        let (mut child, memory, fit) = sleeper("1000");
        let pid = u64::from(child.id());
        let getpid = fit.code.c_library.symbol(&memory, "getpid").unwrap().start;
        let n_maps = memory.maps().len();
        let mut borrowed = Borrowed::take(fit.thread, &memory, &fit.code, fit.since).unwrap();
        assert_eq!(borrowed.system_call(libc::SYS_getpid, [0; 6]).unwrap(), pid);
        assert_eq!(borrowed.call(getpid, [0; 3], Duration::from_secs(60)).unwrap(), pid);
        let error = borrowed.system_call(libc::SYS_close, [u64::MAX, 0, 0, 0, 0, 0]).unwrap_err();
        assert!(matches!(error, Failed::System(_, error) if error.raw_os_error() == Some(libc::EBADF)));
        // No code there.
        assert!(matches!(
            borrowed.call(8, [0; 3], Duration::from_secs(60)),
            Err(Failed::Crashed(libc::SIGSEGV))
        ));
        borrowed.give_back().unwrap();
        assert_eq!(Memory::of(child.id()).unwrap().maps().len(), n_maps, "nothing is left in it");
        assert!(child.try_wait().unwrap().is_none(), "it sleeps on");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_thread_whose_watcher_has_died_goes_back_by_itself() {
        let (mut child, memory, fit) = sleeper("1");
        let getpid = fit.code.c_library.symbol(&memory, "getpid").unwrap().start;
        let mut borrowed = Borrowed::take(fit.thread, &memory, &fit.code, fit.since).unwrap();
        let call = borrowed.begin_call(getpid, [0; 3]).unwrap();
        while memory.half(call.result + 8) != Some(1) {
            sleep(BETWEEN_LOOKS);
        }
        borrowed.is_left = true;
        drop(borrowed);
        assert_eq!(child.wait().unwrap().code(), Some(0), "it has slept and ended as ever");
    }
}
