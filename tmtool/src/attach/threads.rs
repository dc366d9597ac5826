//! A thread of the process that can be borrowed: each is looked at for a moment, while all others run, until one is fit.

use std::thread;
use std::time::{Duration, Instant};

use super::fitness::{Code, Unfit};
use super::memory::Memory;
use super::ptrace::Thread;

/// Why no thread was found.
#[derive(Debug)]
pub enum NotFound {
    /// They may not be traced.
    Forbidden,
    /// The process has ended.
    Ended,
    /// It has no glibc, or no loader.
    NoLoader,
    /// None was fit in time; what most of them were found to do, `None` if none has stopped.
    NoneFit(Option<Unfit>),
}

/// The longest time that a thread was held for a look, of all looks so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongestStop(pub Duration);

impl LongestStop {
    /// Counts one.
    pub fn add(&mut self, stop: Duration) {
        self.0 = self.0.max(stop);
    }
}

/// A thread that stands still and is fit.
#[derive(Debug)]
pub struct Fit {
    /// The thread.
    pub thread: Thread,
    /// Its id.
    pub tid: u32,
    /// What is loaded.
    pub code: Code,
    /// When it was stopped.
    pub since: Instant,
}

/// Between rounds, so that threads come on; longer each time.
const BETWEEN_ROUNDS: Duration = Duration::from_micros(200);
const BETWEEN_ROUNDS_MAX: Duration = Duration::from_millis(20);
/// A process with very many threads is not looked at as a whole in each round.
const N_THREADS_MAX: usize = 64;

/// Looks for a thread until `deadline`.
///
/// # Errors
/// There is none.
pub fn find(
    pid: u32,
    memory: &mut Memory,
    deadline: Instant,
    longest: &mut LongestStop,
) -> Result<Fit, NotFound> {
    let (mut pause, mut reasons, mut n_looked_at) = (BETWEEN_ROUNDS, Vec::new(), 0);
    *memory = Memory::of(pid).map_err(|_| NotFound::Ended)?;
    let mut code = Code::of(memory, pid).ok_or(NotFound::NoLoader)?;
    loop {
        let mut tids = threads_of(pid);
        if tids.is_empty() {
            return Err(NotFound::Ended);
        }
        // Those that were not looked at come first then.
        if tids.len() > N_THREADS_MAX {
            let n = tids.len();
            tids.rotate_left(n_looked_at % n);
            tids.truncate(N_THREADS_MAX);
        }
        n_looked_at += tids.len();
        for tid in tids {
            match look(pid, tid, memory, code, deadline, longest)? {
                Looked::Fit(fit) => return Ok(fit),
                Looked::Unfit(same, reason) => {
                    code = same;
                    reasons.extend(reason);
                }
            }
            if Instant::now() > deadline {
                return Err(NotFound::NoneFit(most_frequent(&reasons)));
            }
        }
        thread::sleep(pause);
        // What is loaded may have changed.
        let now = Memory::of(pid).map_err(|_| NotFound::Ended)?;
        if !now.has_same_code(memory) {
            code = Code::of(&now, pid).ok_or(NotFound::NoLoader)?;
        }
        *memory = now;
        pause = (pause * 3 / 2).min(BETWEEN_ROUNDS_MAX);
    }
}

enum Looked {
    Fit(Fit),
    Unfit(Code, Option<Unfit>),
}

fn look(
    pid: u32,
    tid: u32,
    memory: &Memory,
    code: Code,
    deadline: Instant,
    longest: &mut LongestStop,
) -> Result<Looked, NotFound> {
    let state = state_of(pid, tid);
    if !state.is_some_and(may_stop) {
        return Ok(Looked::Unfit(code, None));
    }
    let mut thread = match Thread::seize(tid) {
        Ok(thread) => thread,
        // It is ending, which the kernel says in both ways.
        Err(_) if !state_of(pid, tid).is_some_and(|now| now != 'Z' && now != 'X') => {
            return Ok(Looked::Unfit(code, None));
        }
        Err(_) => return Err(NotFound::Forbidden),
    };
    let since = Instant::now();
    // It stands still from some moment in between on. One that has begun to wait for a disk right now does so later, and must not be
    // left alone then: nobody would have it go on.
    let stopped = thread
        .stop(deadline)
        .and_then(|is_stopped| if is_stopped { thread.registers().map(Some) } else { Ok(None) });
    let Ok(Some(registers)) = stopped else { return Ok(Looked::Unfit(code, None)) };
    // One that it has raised would come in what it is made to do.
    if thread.has_raised().unwrap_or(false) {
        drop(thread);
        longest.add(since.elapsed());
        return Ok(Looked::Unfit(code, None));
    }
    match code.judge(memory, &registers) {
        Ok(()) => Ok(Looked::Fit(Fit { thread, tid, code, since })),
        Err(reason) => {
            drop(thread);
            longest.add(since.elapsed());
            Ok(Looked::Unfit(code, Some(reason)))
        }
    }
}

/// The ids of the threads, the first one first: it is always one of the C library's own.
fn threads_of(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut tids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    tids.sort_unstable_by_key(|&tid| (tid != pid, tid));
    tids
}

/// What a thread does, by the letter that the kernel has for it; `None` if it is no more.
fn state_of(pid: u32, tid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a thread in this state stops when it is asked to: not one that waits for a disk, or for a child of `vfork`.
fn may_stop(state: char) -> bool {
    !['D', 'Z', 'X'].contains(&state)
}

fn most_frequent(reasons: &[Unfit]) -> Option<Unfit> {
    let n_of = |reason: &Unfit| reasons.iter().filter(|other| *other == reason).count();
    reasons.iter().copied().max_by_key(n_of)
}
