//! How fast recordings are read: `tmtool stats`, and `heaptrack_print` on heaptrack's own file of the same workload.
//!
//! Cold means that the file is not in the page cache; the programs that read it are.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::installed;
use tm_tests::run::{Run, files};

use crate::check;
use crate::measure::{Sampling, measure};
use crate::options::Options;
use crate::rounds::Measured;
use crate::statistics::median;
use crate::variants::Variant;
use crate::workloads::plain_churn_run;

/// Medians of reading one file.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    pub wall_ns: f64,
    pub cpu_ns: f64,
    pub resident_bytes: f64,
    pub anonymous_bytes: f64,
}

/// `tmtool stats` on a recording of ours.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub reader: Reader,
    pub n_events: u64,
    pub n_live_blocks: u64,
    pub n_stack_nodes: u64,
    pub file_bytes: u64,
}

impl Reading {
    /// Events read in a second of wall time.
    pub fn events_per_second(&self) -> f64 {
        self.n_events as f64 / self.reader.wall_ns * 1e9
    }

    /// How much memory is granted to it: 64 MiB, 64 bytes a live block, 64 bytes a stack node.
    pub fn granted_bytes(&self) -> f64 {
        (64 << 20) as f64 + 64.0 * (self.n_live_blocks + self.n_stack_nodes) as f64
    }
}

/// The two on the same workload's files, in turn; no second one without heaptrack.
pub fn compare(options: &Options, measured: &Measured) -> (Reading, Option<Reader>) {
    let file = |variant| files(measured.folders.get(&variant)?.path()).into_iter().next();
    let recording: PathBuf = file(Variant::Tm).expect("it was just recorded");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..options.n_rounds() {
        eprintln!("bench: reading, round {}", round + 1);
        ours.push(read(&stats(&recording), &recording));
        if let Some(file) = file(Variant::Heaptrack) {
            let print = Run::new(installed("heaptrack_print")).args([Path::new("-f"), &file]);
            theirs.push(read(&print, &file));
        }
    }
    (reading(&recording, medians(&ours)), (!theirs.is_empty()).then(|| medians(&theirs)))
}

/// Records churn with 200 million events, and reads that once.
pub fn large(options: &Options) -> Reading {
    let n_events = options.scaled(200_000_000);
    eprintln!("bench: a recording of {n_events} events");
    let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
    let run = plain_churn_run(n_events, "2");
    measure(&Variant::Tm.of(&run, folder.path()), Sampling::Off);
    let recording = files(folder.path()).into_iter().next().expect("it was just recorded");
    reading(&recording, read(&stats(&recording), &recording))
}

fn stats(recording: &Path) -> Run {
    Run::new(&products().tmtool).args([Path::new("stats"), recording])
}

fn reading(recording: &Path, reader: Reader) -> Reading {
    let info = info(recording);
    Reading {
        reader,
        n_events: check::recorded_events(std::slice::from_ref(&info)),
        n_live_blocks: number(&info, "peak_blocks"),
        n_stack_nodes: number(&info, "stacks"),
        file_bytes: number(&info, "recording_bytes"),
    }
}

/// Once for time, cold, and once for memory.
fn read(run: &Run, file: &Path) -> Reader {
    forget(file);
    let (outcome, timed) = measure(run, Sampling::Off);
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let (_, sampled) = measure(run, Sampling::EachMillisecond);
    Reader {
        wall_ns: timed.wall_ns,
        cpu_ns: timed.cpu_ns,
        resident_bytes: timed.resident_bytes,
        anonymous_bytes: sampled.anonymous_bytes,
    }
}

fn medians(readers: &[Reader]) -> Reader {
    let middle = |field: fn(&Reader) -> f64| median(&readers.iter().map(field).collect::<Vec<f64>>());
    Reader {
        wall_ns: middle(|reader| reader.wall_ns),
        cpu_ns: middle(|reader| reader.cpu_ns),
        resident_bytes: middle(|reader| reader.resident_bytes),
        anonymous_bytes: middle(|reader| reader.anonymous_bytes),
    }
}

/// Takes a file out of the page cache.
fn forget(path: &Path) {
    let file = std::fs::File::open(path).expect("it was just found");
    file.sync_all().expect("the disk takes it");
    // SAFETY: a plain system call on a descriptor that is open.
    let result = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(result, 0, "the kernel takes the advice");
}
