//! A recording never gets larger than its limit: what has no room in it is counted.
//!
//! The oracle is the file system, and the calls that the program is known to make.

use std::fs;
use std::process::Command;

use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::Run;

const MIB: u64 = 1 << 20;
const N_EVENTS: u64 = 8_000_000;

fn resident() -> std::path::PathBuf {
    compile("resident.c", &["-O1", "-pthread"])
}

/// Four threads, and then a child with four, make eight times what there is room for.
#[test]
fn a_recording_stays_within_its_limit_and_what_is_lost_is_counted() {
    let generations = 1;
    let events = (N_EVENTS / 2).to_string();
    let arguments = ["4", "1000000", &events, &generations.to_string()];
    for limit in [1, 4] {
        let run = Run::new(resident()).args(arguments).env("TM_LIMIT", format!("{limit}M"));
        let outcome = run.recorded();
        assert!(outcome.status.success(), "{}", outcome.stderr);
        let [said] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
        assert!(said.contains("has reached its limit (TM_LIMIT)"), "{said}");
        let path = outcome.recording();
        let size = fs::metadata(path).expect("it is there").len();
        assert!(size <= limit * MIB && size > limit * MIB * 3 / 4, "{size} of {limit} MiB");
        let info = info(path);
        let recorded: u64 =
            ["allocations", "reallocations", "frees"].map(|key| number(&info, key)).iter().sum();
        let made = 2 * (1_000_000 + N_EVENTS / 2);
        let accounted = recorded + number(&info, "lost_events");
        assert!((made..made + 2_000).contains(&accounted), "{accounted} of {made}");
        let reasons = info["lost_by_reason"].as_array().expect("a list");
        let is_named = |reason: &serde_json::Value| {
            reason["reason"] == "the recording had reached its limit" && reason["events"].as_u64() > Some(0)
        };
        assert!(reasons.iter().any(is_named), "{reasons:?}");
        assert_eq!(info["problems"].as_array().map(Vec::len), Some(0), "{}", info["problems"]);
    }
}

/// Each child finds the limit reached for itself, and the first of all processes says so.
#[test]
fn the_limit_is_told_of_once_however_many_processes_reach_it() {
    let program = compile("forking.c", &["-g", "-O1"]);
    let run = Run::new(program).args(["300", "400"]).env("TM_LIMIT", "1M");
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let [said] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(said.contains("has reached its limit (TM_LIMIT)"), "{said}");
    assert!(number(&info(outcome.recording()), "lost_events") > 10_000);
}

/// While the program runs the file is no longer either, holes included.
#[test]
fn a_file_is_never_longer_than_its_limit_holes_included() {
    let run = Run::new(resident()).args(["1", "100", "100"]).env("TM_LIMIT", "2M");
    let mut running = run.env("TM_START", "1").start_recorded();
    let mut longest = 0;
    while running.child.try_wait().expect("it is our child").is_none() {
        let sizes = running.recordings_so_far().into_iter().filter_map(|path| fs::metadata(path).ok());
        longest = sizes.map(|metadata| metadata.len()).max().unwrap_or(0).max(longest);
    }
    let outcome = running.finish();
    assert_eq!(number(&info(outcome.recording()), "lost_events"), 0, "{}", outcome.stderr);
    assert!(longest <= 2 * MIB, "{longest} bytes");
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let outcome = Run::new(resident()).args(["1", "100", "100"]).env("TM_LIMIT", "10").recorded();
    assert!(outcome.stderr.contains("TM_LIMIT=10 is not valid"), "{}", outcome.stderr);
    let run = Command::new(&products().tmtool).args(["run", "--limit", "10", "true"]).output();
    let run = run.expect("tmtool starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("'10' is no limit of a recording"), "{said}");
}

/// What a thread leaves of itself does not add up: of those that come and go most go on under the number of the one before.
#[test]
fn ten_thousand_threads_are_few_numbers_and_all_are_counted() {
    let program = compile("threads.c", &["-O1", "-pthread"]);
    let outcome = Run::new(program).args(["short"]).env("TM_LIMIT", "4M").recorded();
    let info = info(outcome.recording());
    assert_eq!((number(&info, "lost_events"), number(&info, "threads")), (0, 10_001));
    let listed = info["thread_list"].as_array().expect("a list");
    // Each of the first 256, but for those that exist beside a later one, which may write first and be counted among them; and then
    // one for each place. Five exist at one time.
    assert!((256 - 4..=280).contains(&listed.len()), "{} are listed", listed.len());
    let n: u64 = listed.iter().map(|thread| 1 + number(thread, "more")).sum();
    assert_eq!(n, 10_001);
    assert_eq!(number(&info, "live_blocks_at_end"), 10_005, "each leaves one");
}
