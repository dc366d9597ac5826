//! One run and what it took: wall time, processor time of all its processes, memory.
//!
//! Every process that the run leaves behind becomes our child, so that the sum over what we wait for is the whole tree,
//! heaptrack's interpreter and compressor included.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use tm_tests::run::{Outcome, Run};

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// From the start to the end of the first process, in nanoseconds.
    pub wall_ns: f64,
    /// User and system time of all processes, in nanoseconds.
    pub cpu_ns: f64,
    /// The largest resident set of one process, file pages included.
    pub resident_bytes: f64,
    /// The most anonymous memory that was resident at once in all processes, if sampled.
    pub anonymous_bytes: f64,
}

/// Whether memory is looked at while the program runs, which takes time from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    Off,
    EachMillisecond,
}

enum Reaped {
    Process { pid: i32, status: i32, usage: libc::rusage },
    NoneYet,
    NoneLeft,
}

/// Makes us the parent of processes whose own parent has ended.
pub fn adopt_orphans() {
    // SAFETY: a plain system call on numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    assert_eq!(result, 0, "the kernel knows subreapers");
}

/// Runs the program, and waits for it and for all that it started.
pub fn measure(run: &Run, sampling: Sampling) -> (Outcome, Usage) {
    let running = run.start_bare();
    let first = running.child.id() as i32;
    let mut took = Usage::default();
    let mut end = None;
    loop {
        match reap(sampling) {
            Reaped::Process { pid, status, usage } => {
                took.cpu_ns += nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
                took.resident_bytes = took.resident_bytes.max(1024.0 * usage.ru_maxrss as f64);
                if pid == first {
                    took.wall_ns = running.started.elapsed().as_nanos() as f64;
                    end = Some(ExitStatus::from_raw(status));
                }
            }
            Reaped::NoneYet => {
                took.anonymous_bytes = took.anonymous_bytes.max(anonymous_bytes(first as u32));
                std::thread::sleep(Duration::from_millis(1));
            }
            Reaped::NoneLeft => break,
        }
    }
    (running.outcome(end.expect("the first process is our child")), took)
}

fn reap(sampling: Sampling) -> Reaped {
    let mut status = 0;
    // SAFETY: all zeros is a value of this structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let flags = if sampling == Sampling::Off { 0 } else { libc::WNOHANG };
    // SAFETY: both point to live variables of the types that the call fills.
    match unsafe { libc::wait4(-1, &raw mut status, flags, &raw mut usage) } {
        0 => Reaped::NoneYet,
        -1 => Reaped::NoneLeft,
        pid => Reaped::Process { pid, status, usage },
    }
}

fn nanoseconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3
}

/// Resident anonymous memory of a process and its descendants now; of one that is gone, nothing.
fn anonymous_bytes(pid: u32) -> f64 {
    let read = |name: String| std::fs::read_to_string(name).unwrap_or_default();
    let status = read(format!("/proc/{pid}/status"));
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    let own = kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0;
    let children = read(format!("/proc/{pid}/task/{pid}/children"));
    own + children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(anonymous_bytes).sum::<f64>()
}
