//! What a recording shows to whom, and what is never written: other people's files, secrets, the network.
//!
//! The oracles are the file system, a search for the secrets in the bytes, and strace.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Run, files};

const VICTIM: &str = "somebody else's, and longer than nothing\n";

/// A folder that everybody may write to, as `/tmp` is, with a file of somebody else's.
fn shared_folder() -> (TempDir, PathBuf) {
    let folder = TempDir::with_prefix("tm-privacy-").expect("the temporary folder can be written");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).expect("it is ours");
    let victim = folder.path().join("victim");
    fs::write(&victim, VICTIM).expect("as above");
    (folder, victim)
}

/// `programs/disk.c`, recorded in `folder`, with the file that it may put in its recording's place.
fn program(folder: &Path, victim: &Path, actions: &[&str]) -> Run {
    let file = folder.join("disk.bin");
    let run = Run::new(compile("disk.c", &["-O1", "-pthread"])).args(actions);
    run.env("TM_OUT", &file).env("DISK_FILE", file).env("DISK_VICTIM", victim)
}

fn assert_untouched(victim: &Path, mode: u32) {
    assert_eq!(fs::read_to_string(victim).expect("it is there"), VICTIM);
    assert_eq!(fs::metadata(victim).expect("as above").mode(), mode);
}

#[test]
fn a_recording_is_its_owner_s_alone_whatever_the_umask() {
    let (folder, _) = shared_folder();
    let script = format!("umask 0; exec '{}' churn", compile("disk.c", &["-O1", "-pthread"]).display());
    let run = Run::new(installed("sh")).args(["-c", &script]).env("TM_OUT", folder.path().join("%e.%p.bin"));
    assert_eq!(run.recorded().status.code(), Some(7));
    let recordings = files(folder.path()).into_iter().filter(|file| file.extension().is_some());
    let modes: Vec<u32> =
        recordings.map(|file| fs::metadata(file).expect("it is there").mode() & 0o7777).collect();
    assert_eq!(modes, [0o600, 0o600], "sh and what it executes");
}

/// While it runs, somebody puts a link to another file in the recording's place. It is opened again when the
/// recording needs to grow beyond its hole and at the end.
#[test]
fn a_link_that_is_put_in_the_recording_s_place_is_not_followed() {
    for action in ["symlink", "hard link"] {
        let (folder, victim) = shared_folder();
        let mode = fs::metadata(&victim).expect("it is there").mode();
        let run = program(folder.path(), &victim, &[action, "thread and child"]);
        let outcome = run.recorded();
        assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("done\n", Some(7)));
        assert_untouched(&victim, mode);
        let info = info(&folder.path().join("disk.bin.moved"));
        assert_eq!(number(&info, "lost_events"), 0, "the file itself goes on: {info}");
    }
}

/// The name under which a recording is made is easily guessed: TM_OUT, the pid, `.new`.
#[test]
fn what_is_planted_under_the_name_of_an_unfinished_recording_stays_as_it_is() {
    for plant in ["symlink", "file", "dangling symlink"] {
        let (folder, victim) = shared_folder();
        let mode = fs::metadata(&victim).expect("it is there").mode();
        let disk = compile("disk.c", &["-O1", "-pthread"]);
        let planted = "\"$TM_OUT.$$.new\"";
        let how = match plant {
            "symlink" => format!("ln -s '{}' {planted}", victim.display()),
            "file" => format!("cp '{}' {planted}", victim.display()),
            _ => format!("ln -s '{}/nothing' {planted}", folder.path().display()),
        };
        // Only what is executed at last is recorded, in the process that knew its pid.
        let preload = products().library.display();
        let script = format!("{how}; LD_PRELOAD='{preload}' exec '{}' churn", disk.display());
        let run = Run::new(installed("sh")).args(["-c", &script]);
        let outcome = run.env("TM_OUT", folder.path().join("disk.bin")).bare();
        assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("done\n", Some(7)), "{plant}");
        let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
        assert!(message.contains("nothing is recorded"), "{plant}: {message}");
        assert_untouched(&victim, mode);
        let others: Vec<PathBuf> = files(folder.path()).into_iter().filter(|file| *file != victim).collect();
        let [planted] = &others[..] else {
            panic!("{plant}: what was planted, and nothing more: {others:?}")
        };
        let is_link = fs::symlink_metadata(planted).expect("it is there").is_symlink();
        assert_eq!(is_link, plant != "file", "{plant}");
    }
}

#[test]
fn a_folder_that_is_a_link_may_hold_recordings_because_its_owner_says_so() {
    let (folder, victim) = shared_folder();
    let real = folder.path().join("real");
    fs::create_dir(&real).expect("the folder can be written");
    symlink(&real, folder.path().join("link")).expect("as above");
    let run = program(&folder.path().join("link"), &victim, &["churn"]);
    assert_eq!(run.recorded().stderr, "");
    assert_eq!(files(&real), [real.join("disk.bin")]);
}

#[test]
fn no_byte_of_the_environment_or_of_the_heap_is_in_a_recording() {
    let (folder, victim) = shared_folder();
    let file = folder.path().join("disk.bin");
    let secret = "correct-horse-battery-staple";
    let run = program(folder.path(), &victim, &["secret in the heap", "thread and child"]);
    let outcome = run.env("DISK_SECRET", secret).recorded();
    assert_eq!(outcome.stdout, "done\n");
    let bytes = fs::read(&file).expect("it is there");
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("secret in the heap"), "the command line is recorded, so the search finds what is there");
    for part in [secret, "DISK_SECRET", "battery"] {
        assert!(!holds(part), "{part} is in the recording");
    }
}

#[test]
fn nothing_is_sent_or_listens() {
    let (folder, victim) = shared_folder();
    let trace = folder.path().join("trace");
    let library = format!("LD_PRELOAD={}", products().library.display());
    let disk = compile("disk.c", &["-O1", "-pthread"]);
    let run = Run::new(installed("strace")).args(["-f", "-e", "trace=network,renameat2", "-o"]);
    let run = run.args([&trace]).args(["-E", &library]).args([&disk]).args(["churn", "thread and child"]);
    let run = run.env("TM_OUT", folder.path().join("disk.bin")).env("DISK_VICTIM", victim);
    let outcome = run.bare();
    assert_eq!(outcome.stdout, "done\n", "{}", outcome.stderr);
    let trace = fs::read_to_string(trace).expect("strace has written it");
    let calls: Vec<&str> =
        trace.lines().filter(|line| line.contains('(') && !line.contains("SIGCHLD")).collect();
    let [rename] = calls[..] else { panic!("one call, the file's name: {calls:?}") };
    assert!(rename.contains("renameat2(") && rename.contains("disk.bin"), "{rename}");
}
