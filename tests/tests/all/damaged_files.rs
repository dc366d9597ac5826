//! Every command of `tmtool` on damaged recordings and forged snapshots, as a user runs it: it answers, or says in one
//! sentence why it cannot, soon and in bounded memory. `fuzz.rs` has the claims on what is answered.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tm_tests::fixtures;
use tm_tests::fuzz::base;
use tm_tests::fuzz::damage::damage;
use tm_tests::fuzz::forged;
use tm_tests::fuzz::random::Random;
use tm_tests::products::products;
use tm_tests::wait;

/// All memory that a command may map, in KiB: the files have 64 KiB at most.
const MEMORY_KIB_MAX: u32 = 1 << 20;

/// The commands that read a recording; FILE and OUT stand for names.
const COMMANDS: [&[&str]; 14] = [
    &["info", "FILE"],
    &["info", "--json", "FILE"],
    &["stats", "FILE", "--key", "traceback"],
    &["stats", "FILE@50%", "--process", "all", "--json"],
    &["stats", "FILE", "--churn", "--between", "10%..end", "--csv"],
    &["diff", "FILE@10%", "FILE@end"],
    &["peak", "FILE"],
    &["leaks", "FILE", "--key", "function"],
    &["temporary", "FILE"],
    &["timeline", "FILE"],
    &["top", "FILE", "--key", "module"],
    &["symbols", "FILE", "--full"],
    &["bundle", "FILE", "-o", "OUT.bundle"],
    &["filter", "FILE", "--include", "*", "-o", "OUT"],
];

/// Runs `tmtool` with a limit of memory.
fn tmtool(arguments: &[String]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {MEMORY_KIB_MAX} && exec \"$0\" \"$@\"")]);
    command.arg(&products().tmtool).args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("sh starts");
    // What it prints of such files fits into a pipe, so it ends without being read.
    wait::until(&format!("the end of {arguments:?}"), || {
        child.try_wait().expect("it is our child").is_some()
    });
    child.wait_with_output().expect("it has ended")
}

/// Asserts that every command ends as it should on the file `name`; `what` says what is wrong with it.
fn assert_commands_end(folder: &Path, name: &str, what: &str) {
    let (file, out) = (folder.join(name), folder.join("out.snap"));
    let (file, out) = (file.display().to_string(), out.display().to_string());
    for command in COMMANDS {
        let arguments: Vec<String> =
            command.iter().map(|word| word.replace("FILE", &file).replace("OUT", &out)).collect();
        let output = tmtool(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        let case = format!("{what}: tmtool {arguments:?}: {:?} {said}", output.status);
        match output.status.code() {
            // CSV has no place for warnings.
            Some(0) => {
                assert!(said.lines().all(|line| line.starts_with("tmtool: Warning: ")), "{case}")
            }
            // 2 where a snapshot is asked for what only a recording knows.
            Some(1 | 2) => assert!(
                said.starts_with("tmtool: ") && said.lines().count() == 1 && output.stdout.is_empty(),
                "{case}"
            ),
            _ => panic!("{case}"),
        }
    }
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) {
    fs::write(folder.path().join(name), bytes).expect("the temporary folder can be written");
}

#[test]
fn every_command_answers_or_refuses_a_damaged_recording() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let wholes = [base::small(), base::large()];
    for number in 0..30 {
        let mut random = Random::of_case(2, number);
        let mut bytes = random.of(&wholes).clone();
        let (what, _) = damage(&mut bytes, &mut random);
        write(&folder, "damaged.bin", &bytes);
        assert_commands_end(folder.path(), "damaged.bin", &format!("case {number}, {what}"));
    }
}

#[test]
fn every_command_answers_or_refuses_a_forged_snapshot() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let good = fixtures::snapshot("version-1.snap");
    for number in 0..10 {
        let mut bytes = good.clone();
        forged::forge(&mut bytes, &mut Random::of_case(3, number));
        write(&folder, "forged.snap", &bytes);
        assert_commands_end(folder.path(), "forged.snap", &format!("case {number}"));
    }
}

#[test]
fn bodies_that_claim_everything_are_refused_by_every_command() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let good = fixtures::snapshot("version-1.snap");
    let bodies: [(&str, Vec<u8>); 5] = [
        ("2^32 strings", b"\x81\xa7strings\xdd\xff\xff\xff\xff".to_vec()),
        ("a text of 4 GiB", b"\x81\xdb\xff\xff\xff\xff".to_vec()),
        ("100,000 levels", vec![0x91; 100_000]),
        ("100,000 levels in a field that is not known", [&b"\x81\xa1x"[..], &vec![0x91; 100_000]].concat()),
        ("a field twice", b"\x82\xaftraceback_limit\x01\xaftraceback_limit\x01".to_vec()),
    ];
    for (what, body) in bodies {
        write(&folder, "hostile.snap", &forged::with_body(&good, &body));
        let file = folder.path().join("hostile.snap").display().to_string();
        let output = tmtool(&["stats".to_owned(), file]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains("is not valid") && said.lines().count() == 1, "{what}: {said}");
    }
}
