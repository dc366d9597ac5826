//! A thread of another process under our control: ptrace(2), as far as it is needed here.
//!
//! Threads are seized, which they do not notice: no signal is sent, and a thread that is let go goes on, and stays stopped if its
//! process is. All calls for a thread come from the thread of ours that has seized it.

use std::io;
use std::time::{Duration, Instant};

use super::arch::Registers;

/// Why a thread stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was interrupted, or its process is stopped.
    Interrupted,
    /// It is about to get this signal.
    Signal(i32),
    /// It begins or ends a system call, where it was to stop there.
    SystemCall,
    /// It has ended.
    Gone,
}

/// A seized thread; let go when this is dropped.
#[derive(Debug)]
pub struct Thread {
    tid: libc::pid_t,
    /// It stands still.
    is_stopped: bool,
    /// The signal that it is to get when it goes on, 0 for none.
    pending: i32,
}

/// `NT_PRSTATUS`, general registers.
const GENERAL: usize = 1;
/// Marks stops at system calls, so that they differ from a SIGTRAP.
const TELL_SYSTEM_CALLS: usize = 1;
const SEIZE: libc::c_uint = 0x4206;
const INTERRUPT: libc::c_uint = 0x4207;
const GET_SIGNAL_MASK: libc::c_uint = 0x420a;
const SET_SIGNAL_MASK: libc::c_uint = 0x420b;
const EVENT_STOP: i32 = 128;
/// Between two looks whether a thread has stopped.
const BETWEEN_LOOKS: Duration = Duration::from_micros(20);
/// The registers of vector units: no processor has more.
const VECTOR_BYTES_MAX: usize = 64 * 1024;

/// Signals that a thread raises by what it does.
pub const BY_ITSELF: [i32; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];
/// More of a thread's own signals are not looked at.
const SIGNALS_MAX: usize = 16;

impl Thread {
    /// Seizes thread `tid`, which runs on.
    ///
    /// # Errors
    /// It may not be traced, or is no more.
    pub fn seize(tid: u32) -> io::Result<Thread> {
        let tid = libc::pid_t::try_from(tid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
        request(SEIZE, tid, 0, TELL_SYSTEM_CALLS)?;
        Ok(Thread { tid, is_stopped: false, pending: 0 })
    }

    /// Has it stop, and waits for that; `false` if it does not by `deadline` or has ended.
    ///
    /// # Errors
    /// It is no more.
    pub fn stop(&mut self, deadline: Instant) -> io::Result<bool> {
        request(INTERRUPT, self.tid, 0, 0)?;
        loop {
            match self.wait(deadline)? {
                Some(Stop::Interrupted) => return Ok(true),
                Some(Stop::Signal(signal)) => {
                    self.pending = signal;
                    self.resume(libc::PTRACE_CONT)?;
                }
                Some(Stop::SystemCall) => self.resume(libc::PTRACE_CONT)?,
                Some(Stop::Gone) | None => return Ok(false),
            }
        }
    }

    /// Waits until it stands still; `None` if it does not by `deadline`.
    ///
    /// # Errors
    /// It is no more.
    pub fn wait(&mut self, deadline: Instant) -> io::Result<Option<Stop>> {
        loop {
            let mut status = 0;
            // SAFETY: a place for the status.
            let found = unsafe { libc::waitpid(self.tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
            if found == self.tid {
                return Ok(Some(self.stopped_by(status)));
            }
            if found == -1 {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn stopped_by(&mut self, status: i32) -> Stop {
        if !libc::WIFSTOPPED(status) {
            self.tid = 0;
            return Stop::Gone;
        }
        self.is_stopped = true;
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            EVENT_STOP => Stop::Interrupted,
            0 if signal == libc::SIGTRAP | 0x80 => Stop::SystemCall,
            _ => Stop::Signal(signal),
        }
    }

    /// Has it go on to the beginning or the end of a system call. A step would do the same with a SIGTRAP, for which the kernel
    /// takes the program's handler away where it is blocked.
    ///
    /// # Errors
    /// It is no more.
    pub fn go_to_system_call(&mut self) -> io::Result<()> {
        self.resume(libc::PTRACE_SYSCALL)
    }

    /// Has it get the signal that it was about to get when it goes on.
    pub fn deliver_later(&mut self, signal: i32) {
        self.pending = signal;
    }

    /// Has it go on.
    ///
    /// # Errors
    /// It is no more.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.resume(libc::PTRACE_CONT)
    }

    fn resume(&mut self, how: libc::c_uint) -> io::Result<()> {
        request(how, self.tid, 0, self.pending as usize)?;
        (self.pending, self.is_stopped) = (0, false);
        Ok(())
    }

    /// Reads the registers of one that stands still.
    ///
    /// # Errors
    /// It is no more.
    pub fn registers(&self) -> io::Result<Registers> {
        let mut registers = Registers::ZERO;
        self.register_set(libc::PTRACE_GETREGSET, GENERAL, registers.as_bytes_mut())?;
        Ok(registers)
    }

    /// Writes them.
    ///
    /// # Errors
    /// It is no more.
    pub fn set_registers(&self, registers: &Registers) -> io::Result<()> {
        let mut copy = *registers;
        self.register_set(libc::PTRACE_SETREGSET, GENERAL, copy.as_bytes_mut()).map(|_| ())
    }

    /// Reads the registers of the vector and floating-point units.
    ///
    /// # Errors
    /// It is no more.
    pub fn vectors(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; VECTOR_BYTES_MAX];
        let len = self.register_set(libc::PTRACE_GETREGSET, super::arch::VECTORS, &mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Writes them.
    ///
    /// # Errors
    /// It is no more.
    pub fn set_vectors(&self, bytes: &[u8]) -> io::Result<()> {
        self.register_set(libc::PTRACE_SETREGSET, super::arch::VECTORS, &mut bytes.to_vec()).map(|_| ())
    }

    fn register_set(&self, what: libc::c_uint, set: usize, bytes: &mut [u8]) -> io::Result<usize> {
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        request(what, self.tid, set, &raw mut part as usize)?;
        Ok(part.iov_len)
    }

    /// Tells whether it has raised a signal that it gets next, whatever it does then.
    ///
    /// # Errors
    /// It is no more.
    pub fn has_raised(&self) -> io::Result<bool> {
        // The first of its own.
        let wanted = libc::ptrace_peeksiginfo_args { off: 0, flags: 0, nr: SIGNALS_MAX as i32 };
        // SAFETY: numbers and addresses, for which zeros are values.
        let mut signals: [libc::siginfo_t; SIGNALS_MAX] = unsafe { core::mem::zeroed() };
        let (wanted, place) = (&raw const wanted, signals.as_mut_ptr());
        // SAFETY: a place for as many signals as are wanted.
        let n = unsafe { libc::ptrace(libc::PTRACE_PEEKSIGINFO, self.tid, wanted, place) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        Ok(signals.iter().take(n).any(|signal| BY_ITSELF.contains(&signal.si_signo)))
    }

    /// Reads the signals that it has blocked; signal n is bit n - 1.
    ///
    /// # Errors
    /// It is no more.
    pub fn signal_mask(&self) -> io::Result<u64> {
        let mut mask = 0u64;
        request(GET_SIGNAL_MASK, self.tid, size_of::<u64>(), &raw mut mask as usize)?;
        Ok(mask)
    }

    /// Blocks these signals, and no others.
    ///
    /// # Errors
    /// It is no more.
    pub fn set_signal_mask(&self, mask: u64) -> io::Result<()> {
        request(SET_SIGNAL_MASK, self.tid, size_of::<u64>(), &raw const mask as usize)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.tid == 0 {
            return;
        }
        // One that does not stop is let go by the kernel when we end.
        if self.is_stopped || self.stop(Instant::now() + Duration::from_millis(100)).unwrap_or(false) {
            // A signal that it is about to get has interrupted it all the same.
            if let (0, Ok(registers)) = (self.pending, self.registers()) {
                let _ = self.set_registers(&registers.unnoticed());
            }
            let _ = request(libc::PTRACE_DETACH, self.tid, 0, self.pending as usize);
        }
    }
}

fn request(what: libc::c_uint, tid: libc::pid_t, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: the requests of this file, whose data are numbers or places of the callers'.
    let result = unsafe { libc::ptrace(what, tid, address, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
