//! A process that samples counts every call exactly, whatever happens to it, and its samples are those of its seed.
//!
//! The oracle is the counting preload behind libtm.so in the same run.

use std::path::Path;
use std::process::Command;

use tm_analyzer::events::{Action, Total};
use tm_analyzer::model::Moment;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Processes, RawSnapshot, Selection, all_totals, events, snapshot};
use tm_common::ids::{ProcessIndex, Space};
use tm_common::metadata::CommandKind;
use tm_common::sampling::Totals;
use tm_tests::counting::{Bytes, Counter, Counts};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::times;
use tm_tests::wait;

/// The sums over all threads' lines of the heap, of all recordings.
fn totals(recordings: &[impl AsRef<Path>]) -> (Counts, Bytes) {
    let mut sum = Totals::default();
    for path in recordings {
        let recording = Recording::open(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((&recording.problems[..], recording.header.lost_events()), (&[][..], 0));
        for (_, line) in recording.totals.iter().filter(|(_, line)| line.space == Space::HEAP) {
            sum.bytes += line.totals.bytes;
            sum.n_allocated += line.totals.n_allocated;
            sum.n_reallocated += line.totals.n_reallocated;
            sum.n_freed += line.totals.n_freed;
            sum.held_bytes += line.totals.held_bytes;
        }
    }
    let allocations = sum.n_allocated - sum.n_reallocated;
    let counts = Counts { allocations, reallocations: sum.n_reallocated, frees: sum.n_freed };
    (counts, Bytes { asked: sum.bytes, held: sum.held_bytes })
}

/// Runs with samples; the totals are the counter's, and the program behaves as without us.
fn assert_exact(run: &Run, rate: &str) -> (Outcome, Counts) {
    let counter = Counter::new();
    let run = counter.on(&run.clone().env("TM_SAMPLE", rate));
    let outcome = run.recorded();
    let counted = counter.counts();
    assert_eq!(totals(&outcome.recordings), counted, "recorded, counted");
    outcome.assert_like(&run.bare());
    (outcome, counted.0)
}

/// How many blocks are in the first process's samples.
fn n_samples(path: &Path) -> u64 {
    let recording = Recording::open(path).unwrap_or_else(|error| panic!("{error}"));
    let mut n = 0;
    let replayed = events(&recording, ProcessIndex(0), |event| {
        let is_sample = matches!(event.action, Action::Allocate | Action::ReallocateEnd);
        assert!(!is_sample || event.thread_tag.is_sampled(), "{event:?}");
        n += u64::from(is_sample);
    });
    replayed.unwrap_or_else(|error| panic!("{error}"));
    n
}

#[test]
fn threads_that_free_what_others_allocated() {
    let run = Run::new(compile("frees_elsewhere.c", &["-O1", "-pthread"]));
    for rate in ["1", "4K", "512K"] {
        let (outcome, counts) = assert_exact(&run, rate);
        assert!(counts.allocations > 80_000, "{counts:?}");
        let n = n_samples(outcome.recording());
        assert!(
            n > 0 && n <= counts.allocations + counts.reallocations,
            "{n} samples at {rate} of {counts:?}"
        );
    }
}

/// Its blocks grow and shrink by `realloc`, and move.
#[test]
fn python_whose_lists_grow() {
    let script = "\
rows = []
for i in range(30000):
    rows.append('x' * (i % 700))
    if i % 3 == 0:
        rows[i // 2] += 'y' * (i % 90)
print(len(rows))";
    let run = Run::new("/usr/bin/python3").args(["-s", "-B", "-c", script]);
    let run = run.env("PYTHONMALLOC", "malloc").env("PYTHONHASHSEED", "0");
    let (_, counts) = assert_exact(&run, "16K");
    assert!(counts.reallocations > 500, "{counts:?}");
}

#[test]
fn children_by_fork_and_by_raw_clone_count_for_themselves() {
    let program = compile("forks.c", &["-O1", "-pthread"]);
    for scenario in ["fork while others allocate", "raw clone", "vfork that allocates", "all at once"] {
        let n = times(8, 200).to_string();
        let (outcome, _) = assert_exact(&Run::new(&program).args([scenario, &n]), "4K");
        assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("done\n", Some(3)));
    }
}

#[test]
fn a_shell_whose_children_execute_others() {
    let script = "i=0; while [ $i -lt 20 ]; do /bin/true; (x=$(echo $i | cat); exit $x) & wait $!; i=$((i+1)); done; echo $i";
    assert_exact(&Run::new(installed("dash")).args(["-c", script]), "1K");
}

/// The totals that are recorded on the way only grow, and the last of them are behind the line by no more than the rate.
#[test]
fn the_course_of_the_totals_leads_to_the_lines() {
    let outcome = Run::new(compile("sampled.c", &["-O1", "-pthread"])).env("TM_SAMPLE", "1K").recorded();
    let recording = Recording::open(outcome.recording()).unwrap_or_else(|error| panic!("{error}"));
    let (mut calls_before, mut held, mut highest, mut n) = (0, 0, 0, 0);
    let replayed = events(&recording, ProcessIndex(0), |event| match event.total() {
        Some(Total::Allocated { calls, .. }) => {
            assert!(calls >= calls_before, "{calls} after {calls_before}");
            calls_before = calls;
        }
        Some(Total::Held { bytes, high }) => {
            assert!(high >= bytes, "{event:?}");
            (held, highest, n) = (bytes, high.max(highest), n + 1);
        }
        _ => {}
    });
    replayed.unwrap_or_else(|error| panic!("{error}"));
    let [(_, line)] = recording.totals[..] else { panic!("one thread: {:?}", recording.totals) };
    assert!(n > 1_000 && calls_before <= line.totals.n_allocated, "{n} records, {line:?}");
    assert!((held - line.totals.held_bytes).abs() <= 1024, "{held} at last, {line:?}");
    assert!(highest > 50_000, "{highest}: the blocks that it keeps");
}

/// Nothing of the totals is lost with a process that is killed, except the calls that its threads are in.
#[test]
fn kill_9_loses_no_totals() {
    const N_THREADS: u64 = 3;
    let program = compile("sampled.c", &["-O1", "-pthread"]);
    for _ in 0..times(3, 50) {
        let counter = Counter::new();
        let mut running =
            counter.on(&Run::new(&program).args(["forever"]).env("TM_SAMPLE", "64K")).start_recorded();
        wait::until("it allocates", || running.stdout_so_far().contains("begun"));
        wait::until("it has allocated much", || counter.counts().0.allocations > 200_000);
        running.child.kill().expect("it is our child");
        let outcome = running.finish();
        let ((found, bytes), (counts, counted_bytes)) = (totals(&outcome.recordings), counter.counts());
        for (found, counted) in [
            (found.allocations, counts.allocations),
            (found.reallocations, counts.reallocations),
            (found.frees, counts.frees),
        ] {
            assert!(found.abs_diff(counted) <= N_THREADS, "{found:?}, {counts:?}");
        }
        assert!(
            bytes.asked.abs_diff(counted_bytes.asked) <= N_THREADS * 4096,
            "{bytes:?}, {counted_bytes:?}"
        );
        assert!(bytes.held.abs_diff(counted_bytes.held) <= N_THREADS * 4096, "{bytes:?}, {counted_bytes:?}");
    }
}

#[test]
fn a_program_that_does_all_of_it_in_one_thread() {
    let run = Run::new(compile("sampled.c", &["-O1", "-pthread"]));
    for rate in ["1", "300", "1M"] {
        assert_exact(&run, rate);
    }
}

/// Without the counter the C library is asked otherwise what blocks hold: by what stands before them.
#[test]
fn what_blocks_hold_is_the_same_without_a_library_in_between() {
    let run = Run::new(compile("sampled.c", &["-O1", "-pthread"])).env("TM_SAMPLE", "4K");
    let counter = Counter::new();
    let between = totals(&counter.on(&run).recorded().recordings);
    assert_eq!(totals(&run.recorded().recordings), between);
}

#[test]
fn the_same_seed_has_the_same_samples() {
    let program = compile("sampled.c", &["-O1", "-pthread"]);
    let samples = |seed: &str| {
        let outcome = Run::new(&program).env("TM_SAMPLE", "256").env("TM_SAMPLE_SEED", seed).recorded();
        let recording = Recording::open(outcome.recording()).unwrap_or_else(|error| panic!("{error}"));
        let mut found = Vec::new();
        let replayed = events(&recording, ProcessIndex(0), |event| {
            found.push((event.action, event.size, event.total()))
        });
        replayed.unwrap_or_else(|error| panic!("{error}"));
        found
    };
    let first = samples("7");
    assert!(first.len() > 20, "{}", first.len());
    assert_eq!(first, samples("7"));
    assert_ne!(first, samples("8"));
}

#[test]
fn a_rate_that_makes_no_sense_is_said_in_one_line() {
    let program = compile("c_only.c", &["-O1"]);
    for nonsense in ["x", "-1", "2T", "512KB", ""] {
        let outcome = Run::new(&program).env("TM_SAMPLE", nonsense).recorded();
        let said: Vec<_> = outcome.stderr.lines().filter(|line| line.starts_with("tm:")).collect();
        assert!(said.len() == 1 && said[0].contains("TM_SAMPLE") && said[0].contains("512K"), "{said:?}");
        let recording = Recording::open(outcome.recording()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(recording.header.version, 3, "every event is recorded");
    }
}

/// What `tmtool` says with these arguments.
fn tool(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(&products().tmtool).args(arguments).output().expect("tmtool is there");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// From idle to samples, to every event, and back at another rate: each time what lives begins anew.
#[test]
fn a_running_process_is_told_its_rate() {
    let program = compile("sampled.c", &["-O1", "-pthread"]);
    let mut running = Run::new(program).args(["forever"]).env("TM_START", "0").start_recorded();
    wait::until("it allocates", || running.stdout_so_far().contains("begun"));
    let pid = running.child.id().to_string();
    let recorded = |what: &str, is_so: &dyn Fn(&Recording) -> bool| {
        wait::until(what, || {
            let recordings = running.recordings_so_far();
            recordings.first().and_then(|path| Recording::open(path).ok()).is_some_and(|it| is_so(&it))
        });
    };
    let rates = |recording: &Recording| -> Vec<u64> {
        let segments = recording.streams.iter().flat_map(|stream| &stream.segments);
        segments.map(|segment| segment.sample_rate.mean_bytes()).collect()
    };
    recorded("it is idle", &|it| it.header.version == 3 && it.totals.is_empty());
    for (rate, mean) in [("4K", 4096), ("0", 0), ("64K", 65_536)] {
        let (is_done, said) = tool(&["start", &pid, "--sample", rate]);
        assert!(is_done && said.contains("traced"), "{said}");
        recorded("it records at this rate", &|it| rates(it).contains(&mean));
    }
    let (is_done, said) = tool(&["start", &pid, "--sample", "64K"]);
    assert!(is_done && said.contains("traced already"), "{said}");
    let (is_done, said) = tool(&["start", &pid, "--sample", "many"]);
    assert!(!is_done && said.contains("'many'") && said.contains("512K"), "{said}");
    running.child.kill().expect("it is our child");
    let outcome = running.finish();
    let recording = Recording::open(outcome.recording()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((recording.header.version, recording.header.lost_events()), (4, 0));
    let starts = recording.commands.iter().filter(|command| command.kind == CommandKind::Start).count();
    assert_eq!(starts, 3, "{:?}", recording.commands);
}

/// A handler that forks may interrupt a call between its look at what its thread samples by and its count, and the child goes on
/// there.
#[test]
fn children_of_a_handler_go_on_in_the_call_that_it_interrupted() {
    let program = compile("forks_in_handler.c", &["-O1"]);
    let allocator = compile("oracle/reentrant_malloc.c", &["-O2", "-shared", "-fPIC"]);
    let n = times(200, 5_000).to_string();
    let run = Run::new(program).args([&n]).env("TM_SAMPLE", "1M").preload_after(allocator);
    let outcome = run.recorded();
    // A signal that waits comes before the program sees the number.
    assert!(outcome.stdout.ends_with(" children, 0 of them bad\n"), "{}", outcome.stdout);
    assert!(outcome.status.success(), "{} {}", outcome.status, outcome.stderr);
}

/// An allocator without `malloc_usable_size` of its own is not asked by the C library's, which would read before its blocks.
#[test]
fn an_allocator_that_cannot_be_asked_is_not_asked_another_s() {
    let allocator = compile("oracle/four_functions.c", &["-O2", "-shared", "-fPIC"]);
    let run = Run::new(compile("c_only.c", &["-O1"])).env("TM_SAMPLE", "1").preload_after(allocator);
    let outcome = run.recorded();
    assert_eq!((outcome.stdout.as_str(), outcome.status.success()), ("done\n", true), "{}", outcome.stderr);
    let (counts, bytes) = totals(&outcome.recordings);
    assert!(counts.allocations >= 50 && counts.frees >= 30, "{counts:?}");
    assert_eq!((bytes.asked >= 50 * 640, bytes.held), (true, 0), "{bytes:?}");
}

/// At a mean of one byte all that has some is a sample; of blocks at addresses that are no processor's, too, all come and go.
#[test]
fn a_program_starts_to_sample_by_itself() {
    let program = compile("starts_sampled.c", &["-O1"]);
    let outcome = Run::new(program).args(["1"]).env("TM_START", "0").recorded();
    assert_eq!(outcome.stdout, "too large: -4\nno frames: -4\n", "{}", outcome.stderr);
    assert!(outcome.status.success(), "{}", outcome.status);
    let recording = Recording::open(outcome.recording()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((recording.header.version, recording.header.lost_events()), (4, 0));
    let (mut on_heap, mut came, mut went) = (0, Vec::new(), Vec::new());
    let replayed = events(&recording, ProcessIndex(0), |event| match (event.action, event.space) {
        (Action::Allocate, Space::HEAP) if event.size == 100 => on_heap += 1,
        (Action::Track, space) if space.0 > 1 => came.push((space, event.address)),
        (Action::Untrack, space) if space.0 > 1 => went.push((space, event.address)),
        _ => {}
    });
    replayed.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((on_heap, came.len(), &came), (1000, 24, &went));
}

/// What is recorded does not change while requests come: the totals stay the counter's, and all that comes is a sample.
#[test]
fn marks_change_nothing_of_what_is_recorded() {
    let program = compile("sampled.c", &["-O1", "-pthread"]);
    let counter = Counter::new();
    let run = counter.on(&Run::new(program).args(["forever"]).env("TM_SAMPLE", "4K"));
    let mut running = run.start_recorded();
    wait::until("it allocates", || running.stdout_so_far().contains("begun"));
    let pid = running.child.id().to_string();
    for _ in 0..times(10, 300) {
        let (is_done, said) = tool(&["mark", "now", &pid]);
        assert!(is_done, "{said}");
    }
    running.child.kill().expect("it is our child");
    let outcome = running.finish();
    let ((found, _), (counted, _)) = (totals(&outcome.recordings), counter.counts());
    for (found, counted) in [(found.allocations, counted.allocations), (found.frees, counted.frees)] {
        assert!(found.abs_diff(counted) <= 3, "{found:?}, {counted:?}");
    }
    assert!(n_samples(outcome.recording()) > 0);
}

/// What lives in the heap, in the domain of whole blocks and in that of parts, in bytes; and how many blocks both were told of.
fn of_domains(path: &Path) -> ([u64; 3], u64) {
    let recording = Recording::open(path).unwrap_or_else(|error| panic!("{error}"));
    let (first, of_all) = (Processes::One(ProcessIndex(0)), Selection::default());
    let found: RawSnapshot =
        snapshot(&recording, first, &Moment::End, &of_all).unwrap_or_else(|error| panic!("{error}"));
    let mut bytes = [0; 3];
    for block in &found.blocks {
        let domain = recording.domain(block.space).0.0;
        // One large block beside others of 64 bytes.
        if block.size == 64 {
            bytes[domain.saturating_sub(6) as usize] += block.amount(&recording.thread_tags).bytes;
        }
    }
    (bytes, all_totals(&recording).processes[0].1.tracks)
}

/// A block of the heap that the program tells of in a domain of its own counts there, whichever of both is a sample.
#[test]
fn blocks_that_a_domain_tells_of_count_once() {
    let run = Run::new(compile("labelled.c", &["-O1"]));
    let (exact, n_tracks) = of_domains(run.recorded().recording());
    assert_eq!((exact, n_tracks), ([640_000, 640_000, 1_920_000], 60_000));
    let (mut sums, n_runs) = ([0; 3], times(6, 100));
    for seed in 1..=n_runs {
        let outcome = run.clone().env("TM_SAMPLE", "2K").env("TM_SAMPLE_SEED", seed.to_string()).recorded();
        let (bytes, n_tracks) = of_domains(outcome.recording());
        assert_eq!(n_tracks, 60_000, "it is exact");
        sums.iter_mut().zip(bytes).for_each(|(sum, bytes)| *sum += bytes);
    }
    for (sum, exact) in sums.into_iter().zip(exact) {
        let mean = sum / u64::from(n_runs);
        assert!(mean.abs_diff(exact) < exact / 6, "{mean} of {exact}");
    }
}

/// They tell whether the thread that frees a sample has allocated since: whether the block was temporary.
#[test]
fn totals_stand_before_the_end_of_each_sample() {
    let program = compile("starts_sampled.c", &["-O1"]);
    let outcome = Run::new(program).args(["1"]).env("TM_START", "0").recorded();
    let recording = Recording::open(outcome.recording()).unwrap_or_else(|error| panic!("{error}"));
    let (mut told, mut n_temporary) = (Vec::new(), 0);
    let replayed = events(&recording, ProcessIndex(0), |event| match (event.action, event.total()) {
        (_, Some(Total::Allocated { calls, .. })) if event.space == Space::HEAP => told.push(calls),
        (Action::Allocate, _) if event.size == 100 => told.clear(),
        (Action::Free, _) => n_temporary += u64::from(matches!(told[..], [first, last] if first == last)),
        _ => {}
    });
    replayed.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(n_temporary, 1000);
}
