//! A recording that is kept within a limit answers as one without: what lives, what lived at the peak, and the sums of the whole
//! run. Keepers may be killed at any moment, and the program too.
//!
//! The oracle is an unlimited recording of the same program, which does the same each time. It waits where its recording has
//! little room left, so that however slow its keeper is nothing is lost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::{Run, Running};
use tm_tests::soak;

const MIB: u64 = 1 << 20;
/// The share of the limit, in hundredths, that must be free, or the program waits.
const PACE: &str = "15";

fn program() -> PathBuf {
    compile("bounded.c", &["-g", "-O1", "-pthread"])
}

/// The rounds of 65,536 steps that make the recording about `times` as long as the limit.
fn rounds(limit_bytes: u64, times: u64) -> String {
    (times * limit_bytes / (400 << 10)).to_string()
}

fn tmtool(arguments: &[&str]) -> Command {
    let mut command = Command::new(&products().tmtool);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"TM_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a command prints as JSON, of the recording at the end of `question`.
fn report(question: &[&str], recording: &Path) -> Value {
    let output = tmtool(question).arg("--json").arg(recording).output().expect("tmtool starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{question:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// The groups of a report as lines that can be compared: whose order does not count, nor how the group is spread over time.
fn groups(report: &Value) -> Vec<String> {
    let statistics = report["statistics"].as_array().expect("a list");
    let line = |group: &Value| {
        let frames = group["traceback"].as_array().expect("a list");
        let frames: Vec<String> =
            frames.iter().map(|frame| format!("{}:{}", frame["function"], frame["lineno"])).collect();
        format!("{} {} {}", frames.join(" "), group["size"], group["count"])
    };
    let mut lines: Vec<String> = statistics.iter().map(line).collect();
    lines.sort();
    lines
}

/// What a recording says that does not hang on when things happened.
fn answers(recording: &Path) -> Vec<(&'static str, Vec<String>)> {
    let all = ["--limit", "0", "--key", "traceback"];
    let asked = |command: &str, more: &[&str]| report(&[&[command], &all[..], more].concat(), recording);
    let size_and_count =
        |report: &Value| [&report["snapshot"]["size"], &report["snapshot"]["count"]].map(Value::to_string);
    let info = info(recording);
    let figures = [
        "allocations",
        "reallocations",
        "frees",
        "bytes_allocated",
        "peak_bytes",
        "peak_blocks",
        "live_bytes_at_end",
        "live_blocks_at_end",
        "lost_events",
        "unknown_frees",
        "missed_frees",
        "threads",
        "complete",
        "problems",
    ];
    let leaks = asked("leaks", &["--min-age", "0s"]);
    let of_leaks = [&leaks, &leaks["young"], &leaks["runtime"]]
        .map(|part| ["size", "count"].map(|figure| part["snapshot"][figure].as_u64().unwrap_or(0)));
    let sum = |figure: usize| of_leaks.iter().map(|part| part[figure]).sum::<u64>().to_string();
    let timeline = report(&["timeline"], recording);
    let points = timeline["points"].as_array().expect("a list");
    let most = points.iter().filter_map(|point| point["size"].as_u64()).max().expect("there are points");
    vec![
        ("info", figures.map(|key| format!("{key} {}", info[key])).to_vec()),
        ("stats", groups(&asked("stats", &["--at", "end"]))),
        ("peak", groups(&asked("peak", &[]))),
        ("top", groups(&asked("top", &[]))),
        ("top of blocks", groups(&asked("top", &["--sort", "count"]))),
        ("top", size_and_count(&asked("top", &[])).to_vec()),
        ("leaks", vec![sum(0), sum(1)]),
        ("timeline", vec![most.to_string()]),
    ]
}

fn assert_same_answers(kept: &Path, whole: &Path) {
    for ((what, found), (_, expected)) in answers(kept).into_iter().zip(answers(whole)) {
        assert_eq!(found, expected, "{what}");
    }
}

/// How often a recording was folded: the number of its checkpoint.
fn n_checkpoints(recording: &Path) -> u32 {
    let bytes = fs::read(recording).expect("it is there");
    let number = bytes.get(3756..3760).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(number.expect("it has a header"))
}

/// Records the program without a limit.
fn whole(arguments: &[&str]) -> tm_tests::run::Outcome {
    let outcome = Run::new(program()).args(arguments).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

fn assert_kept_by_run(limit_bytes: u64, times: u64) {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let (rounds, limit) = (rounds(limit_bytes, times), limit_bytes.to_string());
    let kept = folder.path().join("kept.bin");
    let mut run = tmtool(&["run", "-q", "--limit", &limit, "-o"]);
    run.arg(&kept).arg("--").arg(program()).args([&rounds, "7", "3", PACE]);
    let mut run = run.spawn().expect("tmtool starts");
    let mut longest = 0;
    let status = loop {
        let files = fs::read_dir(&kept).into_iter().flatten().flatten();
        longest = files
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .max()
            .unwrap_or(0)
            .max(longest);
        if let Some(status) = run.try_wait().expect("it is our child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
    longest = longest.max(fs::metadata(&kept).expect("it is there").len());
    assert!(longest <= limit_bytes && longest > limit_bytes / 2, "{longest} bytes");
    let whole = whole(&[&rounds, "7", "3"]);
    let length = fs::metadata(whole.recording()).expect("it is there").len();
    assert!(length > times * limit_bytes * 3 / 4, "{length} bytes are {times} times the limit");
    assert!(u64::from(n_checkpoints(&kept)) > times / 2);
    assert_same_answers(&kept, whole.recording());
}

#[test]
fn a_recording_that_run_keeps_answers_as_a_whole_one() {
    let (limit, times) = if soak::is_long() { (8 * MIB, 40) } else { (2 * MIB, 8) };
    assert_kept_by_run(limit, times);
}

/// What all processes of a recording did and left, whatever their numbers are.
fn answers_of_all(recording: &Path) -> Vec<(&'static str, Vec<String>)> {
    let all = ["--process", "all", "--limit", "0", "--key", "traceback"];
    let asked = |command: &[&str]| groups(&report(&[command, &all[..]].concat(), recording));
    let info = info(recording);
    let figures = |of: &Value, keys: &[&str]| -> Vec<String> {
        keys.iter().map(|key| format!("{key} {}", of[key])).collect()
    };
    let did = ["allocations", "frees", "bytes_allocated", "peak_bytes", "peak_blocks"];
    let left = ["live_bytes_at_end", "live_blocks_at_end", "ending"];
    let keys = [&did[..], &left].concat();
    let list = info["process_list"].as_array().expect("a list");
    let mut processes: Vec<String> = list.iter().map(|process| figures(process, &keys).join(" ")).collect();
    processes.sort();
    let sums = ["processes", "lost_events", "unknown_frees", "missed_frees", "complete", "problems"];
    vec![
        ("info", figures(&info, &sums)),
        ("processes", processes),
        ("stats", asked(&["stats", "--at", "end"])),
        ("top", asked(&["top"])),
    ]
}

/// Each request leaves more in the file than an extent, and all of it comes back but what tells of the process.
#[test]
fn a_server_that_forks_goes_on_for_ever() {
    let (limit, n_requests) = if soak::is_long() { (16 * MIB, 5_000) } else { (4 * MIB, 400) };
    let folder = TempDir::new().expect("the temporary folder can be written");
    let kept = folder.path().join("kept.bin");
    let program = compile("forking.c", &["-g", "-O1"]);
    let arguments = [n_requests.to_string(), "8000".to_owned()];
    let mut run = tmtool(&["run", "-q", "--limit", &limit.to_string(), "-o"]);
    run.arg(&kept).arg("--").arg(&program).args(&arguments).arg(PACE);
    assert!(run.status().expect("tmtool starts").success());
    let whole = Run::new(&program).args(&arguments).recorded();
    assert!(whole.status.success(), "{}", whole.stderr);
    let [length, of_whole] =
        [&kept, whole.recording()].map(|path| fs::metadata(path).expect("it is there").len());
    assert!(length <= limit && of_whole > 2 * limit, "{length} and {of_whole} bytes");
    for ((what, found), (_, expected)) in
        answers_of_all(&kept).into_iter().zip(answers_of_all(whole.recording()))
    {
        assert_eq!(found, expected, "{what}");
    }
    // What one had from its parent is not kept, so there is no answer for it alone.
    let list = info(&kept)["process_list"].as_array().expect("a list").clone();
    let ended = number(&list[1], "pid").to_string();
    let output = tmtool(&["stats", "--process", &ended]).arg(&kept).output().expect("tmtool starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let sentence = format!("has only sums of process {ended}, which had ended before");
    assert!(output.status.code() == Some(1) && said.contains(&sentence), "{said}");
}

/// Many children that do little, as of a build: nobody gives room back to them in time, or at all, and what they write is little.
#[test]
fn many_short_children_lose_nothing_of_what_has_room() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let program = compile("forking.c", &["-g", "-O1"]);
    let limit = "64M";
    let kept = folder.path().join("kept.bin");
    let mut run = tmtool(&["run", "-q", "--limit", limit, "-o"]);
    run.arg(&kept).arg("--").arg(&program).args(["1500", "40"]);
    assert!(run.status().expect("tmtool starts").success());
    let alone = Run::new(&program).args(["1500", "40"]).env("TM_LIMIT", limit).recorded();
    for path in [&kept, alone.recording()] {
        let info = info(path);
        assert_eq!(number(&info, "lost_events"), 0, "{}", path.display());
        let bytes = fs::metadata(path).expect("it is there").len();
        assert!(number(&info, "allocations") > 40_000 && bytes < 32 * MIB, "{bytes} bytes");
    }
}

/// More threads than the limit has room for: it is said, once, and what fits is there. The program goes on
/// until then.
#[test]
fn a_limit_that_is_too_small_for_its_threads_is_said_to_be() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let kept = folder.path().join("kept.bin");
    let mut run = tmtool(&["run", "-q", "--limit", "1M", "-o"]);
    let crowd = compile("crowd.c", &["-g", "-O1", "-pthread"]);
    run.arg(&kept).arg("--").arg(crowd).arg("80").stderr(Stdio::piped());
    let mut run = run.spawn().expect("tmtool starts");
    let said = BufReader::new(run.stderr.take().expect("it is piped"));
    let mut lines = said.lines().map(|line| line.expect("it can be read"));
    let sentence = lines.find(|line| line.contains("events are lost while it is full, what fits is kept"));
    let sentence = sentence.expect("it is said");
    assert!(sentence.contains("set a larger limit") && sentence.contains("has no room "), "{sentence}");
    // The recording is named after the process.
    let recording =
        fs::read_dir(&kept).expect("it is a folder").flatten().next().expect("there is one").path();
    let pid = recording.file_stem().and_then(|name| name.to_str()?.rsplit('.').next()?.parse().ok());
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::kill(pid.expect("it has a pid"), libc::SIGKILL) }, 0);
    let more: Vec<String> = lines.filter(|line| line.contains("what fits is kept")).collect();
    assert_eq!(more, [""; 0], "it is said once");
    run.wait().expect("it is our child");
    let info = info(&kept);
    assert!(number(&info, "lost_events") > 0 && number(&info, "live_blocks_at_end") > 0, "{info}");
    assert!(!groups(&report(&["stats", "--at", "end"], &kept)).is_empty());
    assert!(fs::metadata(&kept).expect("it is there").len() <= MIB);
}

fn start_limited(rounds: &str, limit: u64) -> (Running, PathBuf) {
    let run = Run::new(program()).args([rounds, "9", "2", PACE]).env("TM_LIMIT", limit.to_string());
    let running = run.start_recorded();
    let recording = loop {
        let found = running
            .recordings_so_far()
            .into_iter()
            .find(|path| path.extension().is_some_and(|it| it == "bin"));
        match found {
            Some(found) if info_is_there(&found) => break found,
            _ => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    (running, recording)
}

fn info_is_there(recording: &Path) -> bool {
    fs::metadata(recording).is_ok_and(|status| status.len() > 0)
}

fn keep(recording: &Path) -> Child {
    tmtool(&["keep"]).arg(recording).stdout(Stdio::null()).spawn().expect("tmtool starts")
}

/// Pauses that are another each time, from none to some that a fold takes.
fn pauses(seed: u64) -> impl Iterator<Item = Duration> {
    let next = |state: &u64| Some(state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
    std::iter::successors(Some(seed), next).map(|state| Duration::from_micros((state >> 33) % 120_000))
}

#[test]
fn keepers_that_are_killed_leave_what_the_next_one_goes_on_with() {
    let n_kills = if soak::is_long() { 200 } else { 25 };
    let limit = 2 * MIB;
    let rounds = rounds(limit, 8);
    let (running, recording) = start_limited(&rounds, limit);
    for pause in pauses(1).take(n_kills) {
        let mut keeper = keep(&recording);
        std::thread::sleep(pause);
        keeper.kill().expect("it is our child");
        keeper.wait().expect("it is our child");
        assert!(fs::metadata(&recording).expect("it is there").len() <= limit);
    }
    let mut keeper = keep(&recording);
    let outcome = running.finish();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let said = keeper.wait().expect("it is our child");
    assert!(said.success() || said.code() == Some(1), "{said}: it came too late, or saw the end");
    assert_eq!(outcome.messages(), [""; 0]);
    let whole = whole(&[&rounds, "9", "2"]);
    assert!(n_checkpoints(outcome.recording()) > 1);
    assert_same_answers(outcome.recording(), whole.recording());
}

#[test]
fn a_program_that_is_killed_leaves_a_recording_of_all_up_to_then() {
    let limit = 2 * MIB;
    for pause in pauses(2).take(if soak::is_long() { 50 } else { 4 }) {
        let (mut running, recording) = start_limited(&rounds(limit, 1_000), limit);
        let mut keeper = keep(&recording);
        while n_checkpoints(&recording) == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(pause);
        running.child.kill().expect("it is our child");
        let outcome = running.finish();
        assert!(keeper.wait().expect("it is our child").success());
        let info = info(outcome.recording());
        assert_eq!((number(&info, "lost_events"), &info["problems"]), (0, &Value::Array(Vec::new())));
        for figure in ["unknown_frees", "missed_frees"] {
            assert_eq!(number(&info, figure), 0, "{figure}");
        }
        let [made, gone, live] = ["allocations", "frees", "live_blocks_at_end"].map(|key| number(&info, key));
        assert_eq!(made - gone, live, "what came and did not go lives");
        let live = groups(&report(&["stats", "--at", "end", "--limit", "0"], outcome.recording()));
        assert!(!live.is_empty());
    }
}

fn refusal(what: &Path) -> (Option<i32>, String) {
    let output = tmtool(&["keep"]).arg(what).output().expect("tmtool starts");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn assert_refused(what: &Path, sentence: &str) {
    let (code, said) = refusal(what);
    assert!(code == Some(1) && said.contains(sentence) && said.lines().count() == 1, "{code:?} {said}");
}

#[test]
fn what_cannot_be_kept_is_refused_in_one_sentence() {
    let limit = 2 * MIB;
    let (mut running, recording) = start_limited(&rounds(limit, 1_000), limit);
    let mut keeper = keep(&recording);
    while n_checkpoints(&recording) == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_refused(&recording, &format!("is kept by process {} already", keeper.id()));
    assert_refused(Path::new(&running.child.id().to_string()), "is kept by process");
    running.child.kill().expect("it is our child");
    let outcome = running.finish();
    assert!(keeper.wait().expect("it is our child").success());
    assert_refused(outcome.recording(), "is written by nobody any more");
    assert_refused(whole(&["1", "1", "1"]).recording(), "has no limit that it could be kept within");
    let text = outcome.folder().join("text");
    fs::write(&text, "text").expect("the folder can be written");
    assert_refused(&text, "is not a tm recording");
    assert_refused(&outcome.folder().join("none.bin"), "no such file");
    assert_refused(Path::new(&std::process::id().to_string()), "was not started under libtm.so");
}
