//! What a case may cost: memory, counted by the test program's allocator, and processor time.
//!
//! Far beyond its limits a case is stopped at once, with its name: a hang or a full machine would name nobody.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What a case may take at most, beyond what was taken before it: the tables that the reader begins with are some MiB,
/// and the files are smaller than that.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;
/// What a case may take of processor time, without optimization and on a busy machine.
pub const TIME_MAX: Duration = Duration::from_secs(5);
/// Where it is stopped without waiting for its end.
const MEMORY_BYTES_STOP: usize = 2 << 30;
const TIME_STOP: Duration = Duration::from_secs(60);

// All relaxed: these are counters and a name, which publish nothing.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static SEED: AtomicU64 = AtomicU64::new(0);
static CASE: AtomicU64 = AtomicU64::new(0);
static BEGUN_NS: AtomicU64 = AtomicU64::new(u64::MAX);

/// The system's allocator with a count of what is live and of the most that was.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        if live > MEMORY_BYTES_STOP {
            stop("takes more memory than all files of this test together could justify");
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// A case that is running.
#[derive(Debug)]
pub struct Guard {
    begun_ns: u64,
    live_before: usize,
}

impl Guard {
    /// Begins case `number` of `seed`.
    pub fn begin(seed: u64, number: u64) -> Guard {
        static WATCHDOG: Once = Once::new();
        WATCHDOG.call_once(|| drop(std::thread::spawn(watch)));
        let (begun_ns, live_before) = (processor_time_ns(), LIVE.load(Relaxed));
        PEAK.store(live_before, Relaxed);
        SEED.store(seed, Relaxed);
        CASE.store(number, Relaxed);
        BEGUN_NS.store(begun_ns, Relaxed);
        Guard { begun_ns, live_before }
    }

    /// Ends it, and asks whether it was fast enough.
    ///
    /// # Panics
    /// It took too much memory, or too long the last time that it is tried.
    pub fn end(self, is_last: bool) -> bool {
        let took = Duration::from_nanos(processor_time_ns() - self.begun_ns);
        let bytes = PEAK.load(Relaxed).saturating_sub(self.live_before);
        assert!(bytes <= MEMORY_BYTES_MAX, "it took {bytes} bytes of memory");
        assert!(took <= TIME_MAX || !is_last, "it took {took:?}");
        took <= TIME_MAX
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        BEGUN_NS.store(u64::MAX, Relaxed);
    }
}

fn watch() {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let begun_ns = BEGUN_NS.load(Relaxed);
        if processor_time_ns().saturating_sub(begun_ns) > TIME_STOP.as_nanos() as u64 {
            stop("does not end");
        }
    }
}

/// Names the case and ends the test program; allocates nothing.
fn stop(why: &str) -> ! {
    let mut line = [0; 160];
    let mut rest = &mut line[..];
    let (seed, case) = (SEED.load(Relaxed), CASE.load(Relaxed));
    let _ = writeln!(rest, "TM_FUZZ_SEED={seed} TM_FUZZ_CASE={case} {why}");
    // SAFETY: the bytes are there, and writing to standard error takes nothing else.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
    std::process::abort()
}

/// The time of all threads, so that a machine that does something else makes no case fail.
fn processor_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
