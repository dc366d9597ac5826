//! Memory mappings: what is recorded is what `/proc/self/maps` says, mark by mark, and no figure of the heap has any of it.
//!
//! The oracle is the kernel, asked by `programs/mappings.c` itself; what the calls return is compared with the bare run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::NamedTempFile;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{
    MemoryKind, Processes, RawSnapshot, ResolvedMoment, Selection, events, snapshot_at,
};
use tm_common::ids::{ProcessIndex, Stamp};
use tm_tests::counting::assert_counts_and_behaviour;
use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed_library};
use tm_tests::run::Run;

/// The base of marks in `programs/mappings.c`: mark n is an allocation of this many bytes and n.
const MARK: u64 = 500_000;
/// Debian's.
const PYTHON: &str = "/usr/bin/python3";

/// From, until; none touches the next.
type Ranges = Vec<(u64, u64)>;

fn joined(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut joined: Ranges = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut().filter(|last| last.1 >= start) {
            Some(last) => last.1 = last.1.max(end),
            None => joined.push((start, end)),
        }
    }
    joined
}

/// Returns, by mark, what the program had.
fn noted(notes: &Path) -> BTreeMap<u64, Ranges> {
    let text = std::fs::read_to_string(notes).expect("the program has written it");
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mark = words.next().and_then(|word| word.parse().ok()).expect("a line starts with its mark");
        let number = |word| u64::from_str_radix(word, 16).expect("addresses are hexadecimal");
        let ranges = words.map(|word| word.split_once('-').expect("a range has two ends"));
        (mark, joined(ranges.map(|(start, end)| (number(start), number(end))).collect()))
    };
    text.lines().map(line).collect()
}

fn mappings_at(recording: &Recording, process: ProcessIndex, stamp: Stamp) -> Ranges {
    let (processes, at) = (Processes::One(process), ResolvedMoment { stamp, ns: recording.ns(stamp) });
    let selection = Selection::of_account(MemoryKind::Mappings);
    let raw: RawSnapshot =
        snapshot_at(recording, processes, at, &selection, Vec::new()).expect("the process is there");
    joined(raw.blocks.iter().map(|block| (block.address.0, block.address.0 + block.size)).collect())
}

/// Returns, by mark, what is recorded for the process that made it.
fn recorded(path: &Path) -> BTreeMap<u64, Ranges> {
    let recording = Recording::open(path).expect("it is a recording");
    let mut marks = Vec::new();
    for process in &recording.processes {
        let index = process.index;
        let call = |event: &tm_analyzer::events::MergedEvent| {
            if let Some(mark) = event.size.checked_sub(MARK).filter(|&mark| mark < 100) {
                marks.push((mark, index, event.stamp));
            }
        };
        events(&recording, index, call).expect("the process is there");
    }
    let at = |(mark, process, stamp)| (mark, mappings_at(&recording, process, stamp));
    marks.into_iter().map(at).collect()
}

/// Runs a scenario bare and recorded, every stack walked twice; what `info` says, and the marks.
fn assert_recorded(scenario: &str) -> (Value, BTreeMap<u64, Ranges>) {
    let program = compile("mappings.c", &["-O1", "-g", "-pthread"]);
    let notes = NamedTempFile::new().expect("the temporary folder can be written");
    let run = Run::new(program).args([scenario]).args([notes.path()]).env("TM_SELF_CHECK", "1");
    let (outcome, _) = assert_counts_and_behaviour(&run);
    assert!(outcome.stdout.ends_with("done, errno 0\n"), "{}", outcome.stdout);
    // The bare run has noted its own since.
    let outcome = run.recorded();
    let (noted, recorded) = (noted(notes.path()), recorded(outcome.recording()));
    assert_eq!(recorded, noted, "recorded, noted");
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    (info, noted)
}

fn bytes(ranges: &Ranges) -> u64 {
    ranges.iter().map(|(start, end)| end - start).sum()
}

#[test]
fn parts_that_are_unmapped_go_and_the_others_stay() {
    let (_, marks) = assert_recorded("unmap");
    assert_eq!(marks.values().map(|ranges| bytes(ranges) / 4096).collect::<Vec<_>>(), [2, 46, 27, 18, 21]);
}

#[test]
fn what_is_mapped_over_others_takes_their_place() {
    assert_recorded("fixed");
}

#[test]
fn mremap_grows_shrinks_moves_splits_and_doubles() {
    assert_recorded("remap");
}

#[test]
fn mremap_that_takes_the_pages_alone_leaves_the_range() {
    let (_, marks) = assert_recorded("keep");
    assert_eq!(bytes(&marks[&1]) - bytes(&marks[&2]), 20 * 4096);
}

#[test]
fn the_break_moves_both_ways() {
    let (_, marks) = assert_recorded("break");
    let bytes: Vec<u64> = marks.values().map(|ranges| bytes(ranges) - 2 * 4096).collect();
    assert_eq!(bytes, [0, 100_000, 300_000, 100_000, 100_000, 50_000]);
}

#[test]
fn a_hundred_mib_mapped_ten_times_at_one_place_are_a_hundred_mib() {
    let (info, _) = assert_recorded("again");
    let mappings = &info["mappings"];
    assert_eq!((number(mappings, "peak_bytes"), number(mappings, "peak_ranges")), (100 << 20, 1));
    assert_eq!((number(mappings, "maps"), number(mappings, "unmaps")), (11, 4));
    assert!(number(&info, "peak_bytes") < 1 << 20, "the heap has none of it");
}

#[test]
fn reservations_of_terabytes_are_ranges_like_others() {
    let (info, _) = assert_recorded("reserve");
    assert_eq!(number(&info["mappings"], "peak_bytes"), (3 << 40) + 2 * 4096);
}

#[test]
fn calls_that_fail_are_no_events_and_fail_as_without_us() {
    let (_, marks) = assert_recorded("failures");
    assert_eq!(bytes(&marks[&1]), 12 * 4096);
}

#[test]
fn threads_that_map_at_once_get_each_other_s_addresses() {
    let (info, _) = assert_recorded("threads");
    assert!(number(&info["mappings"], "maps") > 4_000);
}

#[test]
fn a_child_of_vfork_maps_for_its_parent_and_a_forked_one_for_itself() {
    let (info, marks) = assert_recorded("children");
    assert_eq!(number(&info, "processes"), 2);
    assert_eq!(marks.values().map(|ranges| bytes(ranges) / 4096).collect::<Vec<_>>(), [2, 37, 36, 17]);
}

/// The lines of a report on `recording`.
fn report(arguments: &[&str], recording: &Path) -> Value {
    let output = Command::new(&products().tmtool).args(arguments).arg(recording).arg("--json").output();
    let output = output.expect("tmtool starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tmtool {arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

#[test]
fn reports_on_the_domain_agree_and_those_on_the_heap_have_nothing_of_it() {
    let program = compile("mappings.c", &["-O1", "-g", "-pthread"]);
    let notes = NamedTempFile::new().expect("the temporary folder can be written");
    let outcome = Run::new(program).args(["again"]).args([notes.path()]).recorded();
    let recording = outcome.recording();
    let size = |report: &Value| number(&report["snapshot"], "size");
    let hundred = 100 << 20;
    for (arguments, expected) in [
        (&["stats", "--domain", "mmap"][..], hundred),
        (&["stats", "--domain", "1835884912", "--at", "end"], 0),
        (&["peak", "--domain", "mmap", "--key", "function"], hundred),
        (&["timeline", "--domain", "mmap"], hundred),
        (&["leaks", "--domain", "mmap"], 0),
        // Ten times 100 MiB, and the three pages from before.
        (&["top", "--domain", "mmap"], 10 * hundred + 3 * 4096),
        (&["stats", "--domain", "mmap", "--between", "0s..end", "--churn"], 10 * hundred + 3 * 4096),
    ] {
        assert_eq!(size(&report(arguments, recording)), expected, "{arguments:?}");
    }
    let peak = report(&["peak", "--domain", "mmap", "--key", "function"], recording);
    assert_eq!(peak["statistics"][0]["traceback"][0]["function"], "map");
    assert_eq!(peak["last"]["size"], hundred);
    let temporary = report(&["temporary", "--domain", "mmap"], recording);
    let lifetimes = temporary["lifetimes"].as_array().expect("there are some");
    let lived: u64 = lifetimes.iter().map(|lifetime| number(lifetime, "size")).sum();
    assert_eq!(lived, 10 * hundred + 3 * 4096);
    for command in ["stats", "peak", "timeline", "leaks", "top", "temporary"] {
        let (plain, heap) =
            (report(&[command], recording), report(&[command, "--domain", "heap"], recording));
        assert_eq!(size(&plain), size(&heap), "{command}");
        assert!(size(&plain) < 1 << 21, "{command}: {}", size(&plain));
    }
    let side = |moment: &str| format!("{}@{moment}", recording.display());
    let diff = report(&["diff", "--domain", "mmap", &side("0s")], Path::new(&side("peak")));
    assert_eq!(diff["statistics"][0]["size_diff"], hundred);
}

#[test]
fn a_snapshot_of_mappings_keeps_their_domain() {
    let program = compile("mappings.c", &["-O1", "-g", "-pthread"]);
    let notes = NamedTempFile::new().expect("the temporary folder can be written");
    let outcome = Run::new(program).args(["again"]).args([notes.path()]).recorded();
    let snap = outcome.folder().join("mmap.snap");
    let mut filter = Command::new(&products().tmtool);
    filter.args(["filter", "--domain", "mmap", "-o"]).arg(&snap).arg(outcome.recording());
    assert!(filter.status().expect("tmtool starts").success());
    for (domain, expected) in [("mmap", 100 << 20), ("heap", 0)] {
        assert_eq!(number(&report(&["stats", "--domain", domain], &snap)["snapshot"], "size"), expected);
    }
}

const RESIZE: &str = "\
import mmap, os, sys
def pages(wanted):
    found = set()
    with open('/proc/self/maps') as maps:
        for line in maps:
            if wanted in line:
                start, end = (int(word, 16) for word in line.split()[0].split('-'))
                found.update(range(start, end, 4096))
    return found
def note(mark, pages):
    return ' '.join([mark] + ['%x-%x' % (page, page + 4096) for page in sorted(pages)])
fd = os.memfd_create('mappings-test')
os.ftruncate(fd, 1 << 24)
kept = [mmap.mmap(fd, 4096 * n) for n in range(1, 60)]
before = pages('memfd:mappings-test')
for n in range(0, len(kept), 3):
    kept[n].resize(4096 * (100 - n))
for n in range(1, len(kept), 3):
    kept[n].close()
for n in range(2, len(kept), 3):
    kept[n].resize(4096)
there = pages('memfd:mappings-test')
gone = before - {page for page in pages('') if page in before}
with open(sys.argv[1], 'w') as notes:
    print(note('0', there), note('1', gone), sep='\\n', file=notes)
print(len(there) > 1000, len(gone) > 100)
sys.stdout.flush()
os._exit(3)
";

/// Python maps pools for its own objects, too: what is compared are the pages of a file, those that it has and those that
/// it had and nobody has now.
#[test]
fn python_s_mmap_module_with_resize() {
    let notes = NamedTempFile::new().expect("the temporary folder can be written");
    let run = Run::new(PYTHON).args(["-s", "-B", "-c", RESIZE]).args([notes.path()]);
    let run = run.env("TM_SELF_CHECK", "1").env("PYTHONHASHSEED", "0");
    let (outcome, _) = assert_counts_and_behaviour(&run);
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("True True\n", Some(3)));
    // The bare run has noted its own since.
    let outcome = run.recorded();
    let noted = noted(notes.path());
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let found = mappings_at(&recording, ProcessIndex(0), Stamp(u64::MAX));
    let overlaps = |(start, end)| found.iter().any(|&(from, until)| from < end && start < until);
    let holds = |(start, end)| found.iter().any(|&(from, until)| from <= start && end <= until);
    assert!(noted[&0].iter().all(|&range| holds(range)), "{:x?} in {found:x?}", noted[&0]);
    assert!(!noted[&1].iter().any(|&range| overlaps(range)), "{:x?} in {found:x?}", noted[&1]);
    assert_nothing_missing(&info(outcome.recording()));
}

/// Their mappings come through our hooks and through theirs (tcmalloc defines `mmap` itself); the heap is in them.
#[test]
fn allocators_of_their_own_map_in_the_domain_and_count_nothing_twice() {
    for library in ["libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2.0"] {
        let run = Run::new(compile("every_function.c", &["-O1", "-g"]));
        let run = run.preload_after(installed_library(library));
        let outcome = run.recorded();
        outcome.assert_like(&run.bare());
        let info = info(outcome.recording());
        assert_nothing_missing(&info);
        let (heap, mapped) = (number(&info, "peak_bytes"), number(&info["mappings"], "peak_bytes"));
        assert!(heap > 0 && mapped > heap, "{library}: heap {heap}, mapped {mapped}");
        let top = report(&["top"], outcome.recording());
        assert_eq!(number(&top["snapshot"], "size"), number(&info, "bytes_allocated"), "{library}");
    }
}
