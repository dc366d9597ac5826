//! Python with its own allocator: what tm costs beside memray and tracemalloc, each doing the same work on the same interpreter.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::info;
use tm_tests::products::{products, workspace};
use tm_tests::run::{Run, files};

use crate::check::recorded_events;
use crate::measure::{Sampling, Usage, measure};
use crate::options::Options;
use crate::rounds::file_bytes;
use crate::statistics::median;

/// The scripts and the full amount of their work.
const SCRIPTS: [(&str, u64); 3] = [("json_work.py", 14_500), ("ast_work.py", 800), ("frame_work.py", 20_000)];

/// What a script runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Under {
    /// Nothing.
    Bare,
    /// libtm.so with `TM_PYTHON_OBJECTS=1`, native and Python frames.
    Tm,
    /// The same with `TM_PYTHON_FRAMES=0`.
    WithoutPythonFrames,
    /// libtm.so as it is: what malloc serves, native and Python frames.
    MallocOnly,
    /// `memray run --trace-python-allocators`: Python frames alone.
    Memray,
    /// The same with `--native`.
    MemrayNative,
    /// `tracemalloc.start(1)`.
    Tracemalloc,
    /// `tracemalloc.start(25)`.
    Tracemalloc25,
}

/// All of them, in the order of the report.
pub const ALL: [Under; 8] = [
    Under::Bare,
    Under::Tm,
    Under::WithoutPythonFrames,
    Under::MallocOnly,
    Under::Memray,
    Under::MemrayNative,
    Under::Tracemalloc,
    Under::Tracemalloc25,
];

impl Under {
    /// As in the report.
    pub fn title(self) -> &'static str {
        match self {
            Under::Bare => "bare",
            Under::Tm => "tm, `TM_PYTHON_OBJECTS=1`",
            Under::WithoutPythonFrames => "the same, `TM_PYTHON_FRAMES=0`",
            Under::MallocOnly => "tm",
            Under::Memray => "memray `--trace-python-allocators`",
            Under::MemrayNative => "the same, `--native`",
            Under::Tracemalloc => "tracemalloc, 1 frame",
            Under::Tracemalloc25 => "tracemalloc, 25 frames",
        }
    }

    /// The run of `script` under it. What it records goes to `folder`.
    fn run(self, python: &Path, script: &[String], folder: &Path) -> Run {
        let ours = |run: Run| run.preload_before(&products().library).env("TM_OUT", folder.join("%p.bin"));
        let output = folder.join("memray.bin");
        let memray = |more: &[&str]| {
            let options = ["-m", "memray", "run", "-q", "-f", "--trace-python-allocators"];
            let options = options.iter().chain(more).map(OsStr::new);
            Run::new(python).args(options).args([OsStr::new("-o"), output.as_os_str()]).args(script)
        };
        let plain = Run::new(python).args(script);
        let run = match self {
            Under::Bare => plain,
            Under::Tm => ours(plain).env("TM_PYTHON_OBJECTS", "1"),
            Under::WithoutPythonFrames => {
                ours(plain).env("TM_PYTHON_OBJECTS", "1").env("TM_PYTHON_FRAMES", "0")
            }
            Under::MallocOnly => ours(plain),
            Under::Memray => memray(&[]),
            Under::MemrayNative => memray(&["--native"]),
            Under::Tracemalloc => plain.env("PYTHONTRACEMALLOC", "1"),
            Under::Tracemalloc25 => plain.env("PYTHONTRACEMALLOC", "25"),
        };
        run.env("PYTHONHASHSEED", "0")
    }
}

/// A script under all of them.
#[derive(Debug)]
pub struct Script {
    /// Its file.
    pub name: &'static str,
    /// The events of the recording under [`Under::Tm`].
    pub n_events: u64,
    usages: BTreeMap<Under, Vec<Usage>>,
    file_bytes: BTreeMap<Under, Vec<f64>>,
    /// What was wrong.
    pub complaints: Vec<String>,
}

/// The interpreter with memray, numpy and pandas that `scripts/setup --peers` makes; `None` if it is not there.
fn interpreter() -> Option<PathBuf> {
    let python = workspace().join("target/peers/bin/python");
    python.exists().then_some(python)
}

/// Runs all scripts; none where the peers are not installed.
pub fn scripts(options: &Options) -> Vec<Script> {
    let Some(python) = interpreter() else {
        eprintln!("bench: no Python with peers; scripts/setup --peers makes one");
        return Vec::new();
    };
    SCRIPTS.into_iter().map(|(name, full)| Script::of(&python, name, full, options)).collect()
}

impl Script {
    fn of(python: &Path, name: &'static str, full: u64, options: &Options) -> Script {
        let path = workspace().join("tests/programs/bench").join(name);
        let script = [path.display().to_string(), options.scaled(full).to_string()];
        let mut measured = Script {
            name,
            n_events: 0,
            usages: BTreeMap::new(),
            file_bytes: BTreeMap::new(),
            complaints: Vec::new(),
        };
        let mut order = ALL;
        for round in 0..options.n_rounds() {
            eprintln!("bench: {name}, round {}", round + 1);
            let mut printed = BTreeMap::new();
            for under in order {
                printed.insert(under, measured.round(under, python, &script));
            }
            let bare = &printed[&Under::Bare];
            let differ = printed.iter().filter(|(_, said)| *said != bare).map(|(under, _)| under.title());
            let complaint = |title| format!("{name} prints something else under {title}");
            measured.complaints.extend(differ.map(complaint));
            order.rotate_left(1);
        }
        measured
    }

    /// One run; what it has printed.
    fn round(&mut self, under: Under, python: &Path, script: &[String]) -> String {
        let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
        let (outcome, usage) = measure(&under.run(python, script, folder.path()), Sampling::Off);
        if !outcome.status.success() {
            let (name, title, end) = (self.name, under.title(), outcome.status);
            self.complaints.push(format!("{name} under {title}: {end}, {}", outcome.stderr.trim()));
        }
        self.usages.entry(under).or_default().push(usage);
        self.file_bytes.entry(under).or_default().push(file_bytes(&folder));
        if under == Under::Tm {
            let infos: Vec<Value> = info::all(&files(folder.path()));
            let lost = info::sum(&infos, "lost_events");
            if lost > 0 {
                self.complaints.push(format!("{} under tm: {lost} events lost", self.name));
            }
            self.n_events =
                recorded_events(&infos) + info::sum(&infos, "tracks") + info::sum(&infos, "untracks");
        }
        outcome.stdout
    }

    /// The median of a figure of its runs.
    fn figure(&self, under: Under, figure: impl Fn(&Usage) -> f64) -> f64 {
        let usages = self.usages.get(&under).map_or(&[][..], Vec::as_slice);
        median(&usages.iter().map(figure).collect::<Vec<f64>>())
    }

    /// Wall time in seconds.
    pub fn wall_s(&self, under: Under) -> f64 {
        self.figure(under, |usage| usage.wall_ns) / 1e9
    }

    /// Processor time in seconds.
    pub fn cpu_s(&self, under: Under) -> f64 {
        self.figure(under, |usage| usage.cpu_ns) / 1e9
    }

    /// Processor time over the bare run's of the same round, in seconds: the median.
    pub fn added_cpu_s(&self, under: Under) -> f64 {
        let (Some(usages), Some(bare)) = (self.usages.get(&under), self.usages.get(&Under::Bare)) else {
            return f64::NAN;
        };
        let pairs = usages.iter().zip(bare);
        median(&pairs.map(|(one, bare)| (one.cpu_ns - bare.cpu_ns) / 1e9).collect::<Vec<f64>>())
    }

    /// Bytes on the disk for each event of [`Under::Tm`].
    pub fn bytes_per_event(&self, under: Under) -> f64 {
        let bytes = self.file_bytes.get(&under).map_or(&[][..], Vec::as_slice);
        median(bytes) / self.n_events as f64
    }

    /// The resident memory at its peak over the bare run's, in bytes.
    pub fn added_resident_bytes(&self, under: Under) -> f64 {
        let of = |under| self.figure(under, |usage| usage.resident_bytes);
        of(under) - of(Under::Bare)
    }
}
