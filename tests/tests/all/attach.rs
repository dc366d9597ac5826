//! A process that runs already is attached to and detached from, again and again: it goes on as if nothing had happened, and
//! what it allocates in between is recorded.
//!
//! The oracles are the programs: they count what they do, and say what went wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use tm_tests::attached::{Target, program, said, tmtool};
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed, installed_library};
use tm_tests::run::{Outcome, Run, Running, may_administer};
use tm_tests::soak::times;
use tm_tests::wait;

/// How often each process is attached to.
fn n_rounds() -> u32 {
    times(3, 200)
}

/// Attaches and detaches again and again, while it does what it does; it must end as without.
fn attached_again_and_again(target: Target) -> (Outcome, PathBuf) {
    for round in 0..n_rounds() {
        target.attach(round == 0);
        target.detach();
    }
    target.finish()
}

/// The allocations of blocks of these sizes, and how many of them live at the end.
fn allocations_of(recording: &Path, sizes: RangeInclusive<u64>) -> (u64, u64) {
    let report = |command: &[&str]| -> serde_json::Value {
        let sizes = format!("{}..{}", sizes.start(), sizes.end());
        let path = recording.display().to_string();
        let arguments: Vec<&str> =
            command.iter().copied().chain([path.as_str(), "--size", &sizes, "--json"]).collect();
        serde_json::from_str(&said(&arguments)).expect("it is JSON")
    };
    let count = |report: serde_json::Value| report["snapshot"]["count"].as_u64().expect("it is a number");
    (count(report(&["top"])), count(report(&["stats", "--at", "end"])))
}

#[test]
fn events_of_a_program_of_16_threads_are_those_that_it_counts() {
    let mut target = Target::start(&Run::new(program()).args(["churn", "16"]));
    let n = u64::from(n_rounds());
    for round in 0..n {
        target.attach(round == 0);
        // All that is allocated of this size is allocated while attached; of the next one while detached.
        assert_eq!(target.tell(&(2_000 + round).to_string()), (2_000 + round).to_string());
        target.tell("100");
        target.detach();
        target.tell("1500");
        target.tell("101");
    }
    target.attach(false);
    let (outcome, recording) = target.finish();
    assert!(outcome.stdout.ends_with("\n0 failures\n") && outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    let info = info(&recording);
    assert_eq!([number(&info, "lost_events"), number(&info, "unknown_frees")], [0, 0]);
    let counted: Vec<Vec<u64>> = outcome
        .stdout
        .lines()
        .map(|line| line.split(' ').filter_map(|word| word.parse().ok()).collect())
        .filter(|numbers: &Vec<u64>| numbers.len() == 3 && numbers[0] >= 1_500)
        .collect();
    assert_eq!(counted.len() as u64, n + 1, "{}", outcome.stdout);
    let mut attached = BTreeMap::new();
    for numbers in counted {
        let [size, allocations, frees] = numbers[..] else { panic!("three numbers") };
        assert_eq!(allocations, frees, "the program frees all");
        assert!(allocations > 0, "it has worked with {size}");
        if size != 1_500 {
            attached.insert(size, allocations);
        }
    }
    assert_eq!(allocations_of(&recording, 1_500..=1_500), (0, 0), "while it was detached");
    let all: u64 = attached.values().sum();
    assert_eq!(allocations_of(&recording, 2_000..=2_000 + n), (all, 0));
    // Of many rounds some: each is a reading of all.
    for (&size, &expected) in attached.iter().take(3) {
        assert_eq!(allocations_of(&recording, size..=size), (expected, 0), "of size {size}");
    }
    fs::remove_file(recording).expect("it is there");
}

#[test]
fn programs_that_fork_and_open_libraries_all_the_time_go_on() {
    for (way, n_threads) in [("fork", "1"), ("fork", "3"), ("open", "1"), ("open", "4"), ("wait", "3")] {
        let target = Target::start(&Run::new(program()).args([way, n_threads]));
        let (outcome, recording) = attached_again_and_again(target);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("ready\n0 failures\n", ""), "{way}");
        assert!(outcome.status.success(), "{way}: {outcome:?}");
        let info = info(&recording);
        assert_eq!(info["complete"], true, "{way}: {}", info["incomplete_because"]);
        fs::remove_file(recording).expect("it is there");
    }
}

#[test]
fn handlers_of_faults_errno_and_numbers_stay_the_program_s() {
    for n_threads in ["1", "3"] {
        let target = Target::start(&Run::new(program()).args(["fault", n_threads]));
        let (outcome, recording) = attached_again_and_again(target);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("ready\n0 failures\n", ""));
        assert!(outcome.status.success(), "{outcome:?}");
        fs::remove_file(recording).expect("it is there");
    }
}

#[test]
fn a_process_goes_on_if_tmtool_is_killed_at_any_moment() {
    for way in ["fault", "churn", "wait"] {
        let target = Target::start(&Run::new(program()).args([way, "3"]));
        let (pid, path) = (target.pid(), target.recording.display().to_string());
        // Each a little later than the one before, until one is whole.
        let mut delay = Duration::from_millis(1);
        loop {
            let tmtool = &products().tmtool;
            let mut attaching =
                Command::new(tmtool).args(["attach", &pid, "-o", &path]).spawn().expect("it was built");
            thread::sleep(delay);
            let _ = attaching.kill();
            let is_whole = attaching.wait().expect("it is our child").success();
            let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
            assert!(status.contains("\nTracerPid:\t0\n"), "{way}, {delay:?}: {status}");
            assert!(!status.contains("\nState:\tZ"), "{way}, {delay:?}: it has ended");
            if is_whole || fs::exists(&path).expect("it may be looked at") {
                break;
            }
            delay = delay * 5 / 4;
        }
        let (outcome, recording) = target.finish();
        assert!(outcome.stdout.ends_with("\n0 failures\n"), "{way}, {delay:?}: {outcome:?}");
        assert!(outcome.status.success(), "{way}, {delay:?}: {outcome:?}");
        fs::remove_file(recording).expect("it is there");
    }
}

/// Programs as they are installed, which work in their own ways until their input ends.
#[test]
fn real_programs_go_on_and_are_recorded() {
    let python = "import threading, sys\n\
                  go = True\n\
                  def work():\n\
                  \x20   while go: [str(i) * 100 for i in range(1000)]\n\
                  threads = [threading.Thread(target=work) for _ in range(4)]\n\
                  [thread.start() for thread in threads]\n\
                  print('ready', flush=True)\n\
                  sys.stdin.read()\n\
                  go = False\n\
                  [thread.join() for thread in threads]\n\
                  print('done')";
    let perl = "$| = 1; print \"ready\\n\"; my %h; my $r = ''; vec($r, 0, 1) = 1; my $n = 0;\
                while (1) { delete $h{$n % 5000}; $h{$n++ % 5000} = 'x' x ($n % 700); my $s = $r; last if $n % 1000 == 0 && select($s, undef, undef, 0); }\
                print \"done\\n\"";
    let sqlite = "create table t(a, b); insert into t select value, hex(randomblob(100)) from generate_series(1, 1000);\n.print ready\n";
    for run in
        [Run::new("/usr/bin/python3").args(["-c", python]), Run::new(installed("perl")).args(["-e", perl])]
    {
        let (outcome, recording) = attached_again_and_again(Target::start(&run));
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("ready\ndone\n", ""));
        assert!(outcome.status.success(), "{outcome:?}");
        assert!(number(&info(&recording), "allocations") > 0);
        fs::remove_file(recording).expect("it is there");
    }
    let mut target = Run::new(installed("sqlite3")).args([":memory:"]).with_input().start_bare();
    let mut input = target.child.stdin.take().expect("it is piped");
    input.write_all(sqlite.as_bytes()).expect("it reads");
    wait::until("sqlite3 is ready", || target.stdout_so_far() == "ready\n");
    let (pid, path) = (target.child.id().to_string(), target_path(&target));
    said(&["attach", &pid, "-o", &path]);
    input.write_all(b"select sum(length(b)) from t;\n").expect("it reads");
    wait::until("sqlite3 has answered", || target.stdout_so_far().lines().count() == 2);
    said(&["detach", &pid]);
    drop(input);
    let outcome = target.finish();
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("ready\n200000\n", Some(0)));
    assert!(number(&info(Path::new(&path)), "allocations") > 0);
    fs::remove_file(path).expect("it is there");
}

fn target_path(target: &Running) -> String {
    std::env::temp_dir().join(format!("tm-attach-{}.bin", target.child.id())).display().to_string()
}

#[test]
fn an_allocator_that_is_a_library_is_recorded() {
    let run = Run::new(program()).args(["churn", "4"]).preload_after(installed_library("libjemalloc.so.2"));
    let mut target = Target::start(&run);
    target.attach(true);
    target.tell("3000");
    target.tell("100");
    target.detach();
    let (outcome, recording) = target.finish();
    let line = outcome.stdout.lines().find(|line| line.starts_with("3000 ")).expect("it has worked with it");
    let counted: u64 = line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("it is a number");
    assert_eq!(allocations_of(&recording, 3_000..=3_000), (counted, 0));
    fs::remove_file(recording).expect("it is there");
}

#[test]
fn a_process_with_a_root_folder_of_its_own_is_attached_to() {
    if !may_administer() {
        return;
    }
    let root = tempfile::tempdir().expect("the temporary folder can be written");
    let folder = root.path();
    let copy = |path: &Path| {
        let to = folder.join(path.strip_prefix("/").expect("it is absolute"));
        fs::create_dir_all(to.parent().expect("it has one")).expect("it can be written");
        fs::copy(path, to).expect("it is there");
    };
    let program = program();
    fs::copy(&program, folder.join("attached")).expect("it was built");
    fs::create_dir(folder.join("tmp")).expect("it can be written");
    let libraries = Command::new("ldd").arg(&program).output().expect("the C library has it");
    for line in String::from_utf8_lossy(&libraries.stdout).lines() {
        line.split_whitespace().filter(|word| word.starts_with('/')).for_each(|path| copy(Path::new(path)));
    }
    let run = Run::new(installed("chroot")).args([folder.as_os_str()]).args(["/attached", "churn", "2"]);
    let target = Target::start(&run);
    let pid = target.pid();
    let relative = tmtool(&["attach", &pid, "-o", "x.bin"]);
    assert_eq!(relative.status.code(), Some(2), "{relative:?}");
    // No /proc there, so the library comes as a file, which is gone then.
    let text = said(&["attach", &pid]);
    assert!(
        text.contains("in a file system of its own") && text.contains("calls /tmp/tm.attached."),
        "{text}"
    );
    said(&["detach", &pid]);
    let files: Vec<String> = fs::read_dir(folder.join("tmp"))
        .expect("it is there")
        .map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(files.len() == 1 && files[0].starts_with("tm.attached."), "{files:?}");
    let (outcome, _) = target.finish();
    assert!(outcome.status.success() && outcome.stdout.ends_with("\n0 failures\n"), "{outcome:?}");
    assert!(number(&info(&folder.join("tmp").join(&files[0])), "allocations") > 0);
}

#[test]
fn a_process_in_other_namespaces_is_attached_to() {
    if !may_administer() {
        return;
    }
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let run = Run::new(installed("unshare"))
        .args(["--mount", "--pid", "--ipc", "--fork", "--mount-proc"])
        .args([program().as_os_str()])
        .args(["churn", "2"]);
    let target = Target::start(&run);
    // The process is the child of unshare.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", target.pid()));
    let pid = children.expect("the kernel says so").trim().to_owned();
    let path = folder.path().join("x.bin").display().to_string();
    for round in 0..n_rounds() {
        let first = ["attach", &pid, "-o", &path];
        said(if round == 0 { &first } else { &first[..2] });
        said(&["detach", &pid]);
    }
    let (outcome, _) = target.finish();
    assert!(outcome.stdout.ends_with("\n0 failures\n"), "{outcome:?}");
    assert!(number(&info(Path::new(&path)), "allocations") > 0);
}

#[test]
fn a_program_with_an_allocator_built_in_tells_of_its_blocks() {
    let run = Run::new(compile("own_allocator.rs", &["-O", "-g"]));
    let bare = run.bare();
    assert_eq!((bare.stdout.as_str(), bare.stderr.as_str()), ("ready\n0 blocks are kept\n", ""));
    let mut target = Target::start(&run);
    target.tell("before");
    target.attach(true);
    target.tell("while attached");
    target.detach();
    target.tell("after");
    let (outcome, recording) = target.finish();
    assert!(outcome.stdout.ends_with("\n120 blocks are kept\n"), "{outcome:?}");
    // Of each block that has grown, both sizes; what lives is forgotten by the detach.
    assert_eq!(
        (allocations_of(&recording, 7_777..=7_777).0, allocations_of(&recording, 8_888..=8_888).0),
        (100, 100)
    );
    fs::remove_file(recording).expect("it is there");

    let mut preloaded = run.with_input().start_recorded();
    wait::until("it is ready", || preloaded.stdout_so_far() == "ready\n");
    let mut input = preloaded.child.stdin.take().expect("it is piped");
    input.write_all(b"go\n").expect("it reads");
    drop(input);
    let outcome = preloaded.finish();
    assert_eq!(outcome.stdout, "ready\ngo\n40 blocks are kept\n");
    assert_eq!(allocations_of(outcome.recording(), 8_888..=8_888), (100, 0), "all are dropped at the end");
    assert_eq!(number(&info(outcome.recording()), "missed_frees"), 0);
}
