//! What a workload runs under: nothing, the floor, libtm.so, heaptrack.

use std::ffi::OsStr;
use std::path::Path;

use tm_tests::products::products;
use tm_tests::programs::{compile, find_installed, installed};
use tm_tests::run::Run;

/// Kilobytes of address space for heaptrack's interpreter: with some workloads it takes all there is.
const INTERPRETER_KIB_MAX: &str = "8388608";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// Nothing.
    Bare,
    /// `programs/bench/floor.c`.
    Floor,
    /// libtm.so with `TM_START=0`: loaded, and told to do nothing yet.
    Idle,
    /// libtm.so with `TM_SAMPLE=512K`.
    Sampled,
    /// libtm.so with `TM_NFRAME=1`.
    FirstFrame,
    /// libtm.so.
    Tm,
    /// `heaptrack --raw`.
    HeaptrackRaw,
    /// `heaptrack`, which interprets while it records.
    Heaptrack,
}

/// Those that need nothing installed.
pub const OURS: [Variant; 5] =
    [Variant::Bare, Variant::Floor, Variant::Idle, Variant::FirstFrame, Variant::Tm];

impl Variant {
    /// Those that can run here.
    pub fn installed() -> Vec<Variant> {
        let peers = [Variant::HeaptrackRaw, Variant::Heaptrack];
        let are_there = find_installed("heaptrack").is_some();
        OURS.into_iter().chain(peers.into_iter().filter(|_| are_there)).collect()
    }

    /// Not made by us: that it fails is a finding, not a fault of the measurement.
    pub fn is_peer(self) -> bool {
        matches!(self, Variant::HeaptrackRaw | Variant::Heaptrack)
    }

    /// As in the report.
    pub fn title(self) -> &'static str {
        match self {
            Variant::Bare => "bare",
            Variant::Floor => "floor",
            Variant::Idle => "tm, `TM_START=0`",
            Variant::Sampled => "tm, `TM_SAMPLE=512K`",
            Variant::FirstFrame => "tm, `TM_NFRAME=1`",
            Variant::Tm => "tm",
            Variant::HeaptrackRaw => "heaptrack `--raw`",
            Variant::Heaptrack => "heaptrack",
        }
    }

    /// `run` under it. What it records goes to `folder`.
    pub fn of(self, run: &Run, folder: &Path) -> Run {
        let run = run.clone();
        let tm = |run: Run| run.preload_before(&products().library).env("TM_OUT", folder.join("%e.%p.bin"));
        match self {
            Variant::Bare => run,
            Variant::Floor => {
                let floor = compile("bench/floor.c", &["-O2", "-shared", "-fPIC", "-pthread"]);
                run.preload_before(floor).env("FLOOR_FOLDER", folder)
            }
            Variant::Idle => tm(run).env("TM_START", "0"),
            Variant::Sampled => tm(run).env("TM_SAMPLE", "512K"),
            Variant::FirstFrame => tm(run).env("TM_NFRAME", "1"),
            Variant::Tm => tm(run),
            Variant::HeaptrackRaw => through_heaptrack(run, &["--raw", "--output"], folder),
            Variant::Heaptrack => {
                let limited = format!("ulimit -v {INTERPRETER_KIB_MAX} && exec \"$@\"");
                let shell = ["-c", &limited, "sh"].map(OsStr::new);
                through_heaptrack(run, &["--output"], folder).through(Path::new("/bin/sh"), &shell)
            }
        }
    }
}

fn through_heaptrack(run: Run, options: &[&str], folder: &Path) -> Run {
    let output = folder.join("heaptrack");
    let arguments: Vec<&OsStr> = options.iter().map(OsStr::new).chain([output.as_os_str()]).collect();
    run.through(&installed("heaptrack"), &arguments)
}
