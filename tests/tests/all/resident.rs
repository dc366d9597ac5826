//! What a recorded program has mapped does not grow with its recording: pages of the file, and addresses.
//!
//! The oracle is the kernel, which the program itself asks (`/proc/self/status`) after some events and after many more of
//! the same, and the counting of its own calls.

use tm_tests::info::{assert_nothing_missing, info, number};
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run};
use tm_tests::soak;

/// Pages of files that a program may have in memory, its own and its libraries' included, in KiB.
const RSS_FILE_KIB_MAX: u64 = 16 << 10;
/// Addresses that may come with events, in KiB: half of what is promised.
const ADDRESSES_KIB_MAX: u64 = 32 << 10;
const FEW: u64 = 1_000_000;

/// Many events: without letting go, some 45 MiB of the file.
fn many() -> u64 {
    if soak::is_long() { 1_000_000_000 } else { 16_000_000 }
}

/// What `programs/resident.c` says at one moment: who, `RssFile` and `VmSize` in KiB.
type Line = (String, u64, u64);

fn lines(outcome: &Outcome) -> Vec<Line> {
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [who, rss_file, size] = words[..] else { panic!("'{line}'") };
        (who.to_owned(), rss_file.parse().expect("a number"), size.parse().expect("a number"))
    };
    outcome.stdout.lines().map(line).collect()
}

fn resident(arguments: &[u64]) -> Run {
    Run::new(compile("resident.c", &["-O1", "-pthread"])).args(arguments.iter().map(u64::to_string))
}

/// Asserts that each process holds little of the file at any time, and no more addresses after many events than after few.
fn assert_flat(lines: &[Line], n_processes: usize) {
    assert_eq!(lines.len(), 2 * n_processes);
    for process in lines.chunks(2) {
        println!("{process:?}");
        let [(_, _, few_size), (_, _, many_size)] = process else { unreachable!("two lines each") };
        assert!(process.iter().all(|&(_, rss_file, _)| rss_file <= RSS_FILE_KIB_MAX), "{process:?}");
        assert!(*many_size <= few_size + ADDRESSES_KIB_MAX, "{process:?}");
    }
}

/// Asserts that each block's two events are in the recording.
fn assert_whole(outcome: &Outcome, n_events: u64) {
    let info = info(outcome.recording());
    assert_nothing_missing(&info);
    let (allocations, frees) = (number(&info, "allocations"), number(&info, "frees"));
    // Besides, the C library allocates for threads and files.
    assert!((n_events / 2..n_events / 2 + 1_000).contains(&allocations), "{allocations} of {n_events} / 2");
    assert!((n_events / 2..n_events / 2 + 1_000).contains(&frees), "{frees} of {n_events} / 2");
}

#[test]
fn neither_pages_of_the_file_nor_addresses_grow_with_the_events() {
    for n_threads in [1, 16] {
        let outcome = resident(&[n_threads, FEW, many()]).recorded();
        assert_flat(&lines(&outcome), 1);
        assert_whole(&outcome, FEW + many());
    }
}

/// A child has its parent's mappings, and lets go of them as it goes on.
#[test]
fn children_of_children_hold_no_more_than_the_first_process() {
    const GENERATIONS: u64 = 3;
    let outcome = resident(&[4, FEW, many() / 4, GENERATIONS]).recorded();
    let lines = lines(&outcome);
    assert_flat(&lines, 1 + GENERATIONS as usize);
    let sizes: Vec<u64> = lines.iter().skip(1).step_by(2).map(|&(_, _, size)| size).collect();
    assert!(sizes.iter().all(|&size| size <= sizes[0] + ADDRESSES_KIB_MAX), "{sizes:?}");
    assert_whole(&outcome, (1 + GENERATIONS) * (FEW + many() / 4));
}

/// A million stacks: look-ups do without what stands in the file.
#[test]
fn nodes_of_stacks_are_let_go_too() {
    let outcome = resident(&[2, 200_000, 4_000_000, 0, 20]).recorded();
    for (_, rss_file, _) in lines(&outcome) {
        assert!(rss_file <= RSS_FILE_KIB_MAX, "{rss_file} KiB of files");
    }
    assert_whole(&outcome, 4_200_000);
}

/// The recording is larger than what is left of the program's addresses. (An arena for each thread would ask for 128 MiB.)
#[test]
fn a_limit_on_addresses_does_not_limit_the_recording() {
    let with_one_arena = |arguments: &[u64]| resident(arguments).env("MALLOC_ARENA_MAX", "1");
    let [.., (_, _, size_kib)] = &lines(&with_one_arena(&[1, FEW, FEW]).recorded())[..] else {
        panic!("it says how much it has mapped")
    };
    let limited = format!("ulimit -v {} && exec \"$0\" \"$@\"", size_kib + ADDRESSES_KIB_MAX);
    let run = with_one_arena(&[1, FEW, many()]);
    let outcome = run.through(&installed("sh"), &["-c".as_ref(), limited.as_ref()]).recorded();
    lines(&outcome);
    let infos = outcome.recordings.iter().map(|path| info(path));
    let info = infos.max_by_key(|info| number(info, "allocations")).expect("it was recorded");
    assert_nothing_missing(&info);
    assert!(number(&info, "allocations") >= (FEW + many()) / 2);
}
