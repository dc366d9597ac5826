//! A thread of a process that is made to do something else for a moment: calls of functions, on a stack of their own, from which it
//! goes back by itself if we are no more (see [`super::arch`]). Only to map and unmap the room for that it makes system calls in the
//! C library, and has its state back at once.

mod room;

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::arch::{self, CODE, Call, Registers};
use super::fitness::Code;
use super::memory::Memory;
use super::ptrace::{BY_ITSELF, Stop, Thread};

/// A thread that does what we say.
#[derive(Debug)]
pub struct Borrowed<'a> {
    thread: Thread,
    memory: &'a Memory,
    loaded: &'a Code,
    before: State,
    /// Where its errno is, and what it was.
    errno: Option<(u64, u32)>,
    /// What is mapped for the calls, 0 for nothing: [`CODE`], then data and stack.
    room: u64,
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

/// What is handed over.
const DATA_BYTES: u64 = 64 * 1024;
const STACK_BYTES: u64 = 512 * 1024;
const PAGE_BYTES: u64 = 4096;
const ROOM_BYTES: u64 = PAGE_BYTES + DATA_BYTES + STACK_BYTES;
/// The parts of the data: the frame, the result of a call, and what callers put there.
const RESULT_AT: u64 = 24 * 1024;
const NO_ERRNO_AT: u64 = RESULT_AT + 64;
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

/// A call that waits for a lock may be given up; one that has it gets this much longer.
const LONGER: Duration = Duration::from_secs(10);
/// A thread that has done a call waits this long to have its state put back.
const TO_PUT_BACK: Duration = Duration::from_secs(2);
/// Between two looks whether a call is done.
const BETWEEN_LOOKS: Duration = Duration::from_micros(30);
/// What it has blocked meanwhile. Not those that it raises: the kernel would take the program's handlers for them away.
fn blocked() -> u64 {
    BY_ITSELF.iter().fold(u64::MAX, |mask, signal| mask & !(1 << (signal - 1)))
}

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
        let mut borrowed =
            Borrowed { thread, memory, loaded, before, errno: None, room: 0, is_left: false, since };
        borrowed.make_room()?;
        borrowed.find_errno()?;
        Ok(borrowed)
    }

    fn find_errno(&mut self) -> Result<()> {
        if let Some(function) = self.loaded.c_library.symbol(self.memory, "__errno_location") {
            let place = self.call(function.start, [0; 3], LONGER)?;
            self.errno = self.memory.half(place).map(|value| (place, value));
        }
        Ok(())
    }

    fn data(&self) -> u64 {
        self.room + PAGE_BYTES
    }

    /// The place of what callers put into the process.
    pub fn own_place(&self) -> u64 {
        self.data() + OWN_AT
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.memory.write(address, bytes).map_err(|error| Failed::System("write to its memory", error))
    }

    /// Makes a system call of two arguments; its result.
    ///
    /// # Errors
    /// That of the system call, or as for a call.
    pub fn system_call(&mut self, number: i64, [first, second]: [u64; 2]) -> Result<u64> {
        let function = self.room + arch::CALL_SYSTEM_AT;
        result_of("call the system", self.call(function, [number as u64, first, second], LONGER)? as i64)
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
    /// It has not ended in `patience` and more, the thread has crashed in it, or the process has ended.
    pub fn call(&mut self, function: u64, arguments: [u64; 3], patience: Duration) -> Result<u64> {
        self.call_that(false, function, arguments, patience)
    }

    /// Calls the function that opens libraries: as [`Borrowed::call`], and given up if it waits for the loader's lock.
    ///
    /// # Errors
    /// As there.
    pub fn call_to_open(&mut self, function: u64, arguments: [u64; 3], patience: Duration) -> Result<u64> {
        self.call_that(true, function, arguments, patience)
    }

    fn call_that(
        &mut self,
        may_be_given_up: bool,
        function: u64,
        arguments: [u64; 3],
        patience: Duration,
    ) -> Result<u64> {
        let call = self.begin_call(function, arguments)?;
        self.watch(&call, Instant::now() + patience, may_be_given_up)?;
        self.memory.word(call.result).ok_or(Failed::Ended)
    }

    /// Has the thread begin a call, after which it goes back by itself if nobody puts its state back.
    fn begin_call(&mut self, function: u64, arguments: [u64; 3]) -> Result<Call> {
        let data = self.data();
        let call = Call {
            code: self.room,
            function,
            arguments,
            result: data + RESULT_AT,
            stack_end: data + DATA_BYTES + STACK_BYTES,
            frame: data,
            errno: self.errno.unwrap_or((data + NO_ERRNO_AT, 0)),
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
        // In this order: a thread in the call goes back, and has its mask then.
        self.thread.set_registers(&registers.for_call(&call))?;
        self.thread.set_signal_mask(blocked())?;
        self.thread.go_on()?;
        Ok(call)
    }

    /// Watches a call until it is done, and stops the thread then.
    fn watch(&mut self, call: &Call, deadline: Instant, mut may_be_given_up: bool) -> Result<()> {
        loop {
            match self.thread.wait(Instant::now())? {
                Some(Stop::Signal(signal)) if BY_ITSELF.contains(&signal) => {
                    return Err(Failed::Crashed(signal));
                }
                Some(Stop::Signal(signal)) => {
                    self.thread.deliver_later(signal);
                    self.thread.go_on()?;
                }
                Some(Stop::Interrupted | Stop::SystemCall) => self.thread.go_on()?,
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
        let restored = self.restore();
        self.unmap();
        self.is_left = true;
        restored.map(|()| self.since.elapsed())
    }

    /// Puts all back, as far as it can be.
    fn restore(&self) -> Result<()> {
        let State { registers, vectors, mask } = &self.before;
        let errno = self.errno.map_or(Ok(()), |(place, value)| self.write(place, &value.to_le_bytes()));
        let vectors = self.thread.set_vectors(vectors);
        let registers = self.thread.set_registers(registers);
        let mask = self.thread.set_signal_mask(*mask);
        errno?;
        Ok(vectors.and(registers).and(mask)?)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if !self.is_left {
            let _ = self.restore();
            self.unmap();
        }
    }
}

fn result_of(action: &'static str, result: i64) -> Result<u64> {
    if (-4095..0).contains(&result) {
        return Err(Failed::System(action, io::Error::from_raw_os_error(-result as i32)));
    }
    Ok(result as u64)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::attach::threads::{Fit, LongestStop, find};

    /// A process that waits for input, has done all that it does at its start, and a thread of it that stands still.
    fn waiter() -> (Child, Memory, Fit) {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // What it loads and maps at its start is there when it has answered.
        child.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let pid = child.id();
        let mut memory = Memory::of(pid).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let fit = find(pid, &mut memory, deadline, &mut LongestStop::default()).unwrap();
        (child, memory, fit)
    }

    /// Ends its input, which it has to see.
    fn end(mut child: Child) {
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "it has waited and ended as ever");
    }

    #[test]
    fn a_thread_does_what_it_is_told_and_goes_on() {
        let (child, memory, fit) = waiter();
        let pid = u64::from(child.id());
        let getpid = fit.code.c_library.symbol(&memory, "getpid").unwrap().start;
        let n_maps = memory.maps().len();
        let mut borrowed = Borrowed::take(fit.thread, &memory, &fit.code, fit.since).unwrap();
        assert_eq!(borrowed.system_call(libc::SYS_getpid, [0; 2]).unwrap(), pid);
        assert_eq!(borrowed.call(getpid, [0; 3], Duration::from_secs(60)).unwrap(), pid);
        let error = borrowed.system_call(libc::SYS_close, [u64::MAX, 0]).unwrap_err();
        assert!(matches!(error, Failed::System(_, error) if error.raw_os_error() == Some(libc::EBADF)));
        // No code there.
        assert!(matches!(
            borrowed.call(8, [0; 3], Duration::from_secs(60)),
            Err(Failed::Crashed(libc::SIGSEGV))
        ));
        borrowed.give_back().unwrap();
        assert_eq!(Memory::of(child.id()).unwrap().maps().len(), n_maps, "nothing is left in it");
        end(child);
    }

    #[test]
    fn a_thread_whose_watcher_has_died_goes_back_by_itself() {
        let (child, memory, fit) = waiter();
        let getpid = fit.code.c_library.symbol(&memory, "getpid").unwrap().start;
        let mut borrowed = Borrowed::take(fit.thread, &memory, &fit.code, fit.since).unwrap();
        let call = borrowed.begin_call(getpid, [0; 3]).unwrap();
        while memory.half(call.result + 8) != Some(1) {
            sleep(BETWEEN_LOOKS);
        }
        borrowed.is_left = true;
        drop(borrowed);
        end(child);
    }
}
