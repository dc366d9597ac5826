//! The recording and its disk: little room for little programs, room that survives the loss of rights, full disks and
//! files that others rename, delete or cut.
//!
//! The oracles are the counting preload, the bare run, and what the file system says of the file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::counting::counted;
use tm_tests::info::{info, number};
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run, files};
use tm_tests::wait;

const MIB: u64 = 1 << 20;

/// `programs/disk.c`, recorded in `folder`.
fn program(folder: &Path, actions: &[&str]) -> Run {
    let file = folder.join("disk.bin");
    let run = Run::new(compile("disk.c", &["-O1", "-pthread"])).args(actions);
    run.env("TM_OUT", &file).env("DISK_FILE", &file)
}

fn folder() -> TempDir {
    TempDir::with_prefix("tm-disk-").expect("the temporary folder can be written")
}

fn is_root() -> bool {
    let is_root = fs::metadata("/proc/self").expect("Linux has it").uid() == 0;
    if !is_root {
        eprintln!("left out, because only root may do it");
    }
    is_root
}

/// What the file takes on the disk, and how long it is.
fn sizes(path: &Path) -> (u64, u64) {
    let metadata = fs::metadata(path).expect("it is there");
    (metadata.blocks() * 512, metadata.len())
}

/// Runs it, which must do as without us; what was recorded in `file` and what was lost add up to what was counted.
/// Returns the run, what `info` says, and how many were lost.
fn accounted(run: &Run, file: &Path) -> (Outcome, Value, u64) {
    let (outcome, counts) = counted(run);
    // What the program does to its recording, it does to none.
    let bare = run.clone().env("DISK_FILE", "/nonexistent").bare();
    assert_eq!((&outcome.stdout, outcome.status), (&bare.stdout, bare.status), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "done\n");
    let info = info(file);
    assert_eq!(info["problems"].as_array().map(Vec::len), Some(0), "{}", info["problems"]);
    let lost = number(&info, "lost_events");
    let recorded =
        ["allocations", "reallocations", "frees"].map(|key| number(&info, key)).iter().sum::<u64>();
    let made = counts.allocations + counts.reallocations + counts.frees;
    assert_eq!(recorded + lost, made, "recorded and lost, made");
    let (lines, expected) = (outcome.stderr.lines().count(), usize::from(lost > 0));
    assert_eq!((lines, outcome.messages().len()), (expected, expected), "{}", outcome.stderr);
    (outcome, info, lost)
}

#[test]
fn a_process_that_does_next_to_nothing_takes_little_room_however_it_ends() {
    for (action, disk_max, len_max) in
        [(&[][..], 96 << 10, 96 << 10), (&["exec"], 96 << 10, 96 << 10), (&["kill"], 96 << 10, 2 << 30)]
    {
        let folder = folder();
        program(folder.path(), action).recorded();
        // The program that was executed has a recording of its own.
        for file in files(folder.path()) {
            let (disk, len) = sizes(&file);
            assert!(disk <= disk_max && len <= len_max, "{action:?}: {disk} bytes on disk, {len} long");
            assert!(info(&file)["problems"].as_array().is_some_and(Vec::is_empty), "{action:?}");
        }
    }
}

#[test]
fn a_program_that_gives_up_its_rights_is_recorded_to_its_end() {
    let mut actions = vec!["descriptors", "seccomp", "rename", "delete"];
    if is_root() {
        actions.extend(["chroot", "user"]);
    }
    for action in actions {
        let folder = folder();
        let run = program(folder.path(), &[action, "thread and child"]);
        let moved = ["rename", "delete"].contains(&action);
        let file = folder.path().join(if moved { "disk.bin.moved" } else { "disk.bin" });
        let (_, info, lost) = accounted(&run, &file);
        assert_eq!(lost, 0, "{action}: {info}");
        assert_eq!(number(&info, "processes"), 2, "{action}");
        let (disk, _) = sizes(&file);
        assert!((3 * MIB..16 * MIB).contains(&disk), "{action}: {disk} bytes on the disk");
    }
}

#[test]
fn the_last_process_that_ends_leaves_a_file_without_a_tail() {
    let folder = folder();
    let run = program(folder.path(), &["thread and child", "exec of nothing", "thread and child"]);
    let file = folder.path().join("disk.bin");
    let (_, info, lost) = accounted(&run, &file);
    assert_eq!((lost, number(&info, "processes"), &info["complete"]), (0, 3, &Value::Bool(true)));
    let (disk, len) = sizes(&file);
    // Between the ends of extents there may be holes.
    assert!(disk <= len && len < disk + 2 * MIB, "{disk} bytes on the disk, {len} long");
}

#[test]
fn a_hole_that_somebody_cuts_off_is_made_again() {
    let folder = folder();
    let run = program(folder.path(), &["cut the hole", "churn", "churn", "thread and child"]);
    let (_, _, lost) = accounted(&run, &folder.path().join("disk.bin"));
    assert_eq!(lost, 0);
    assert!(sizes(&folder.path().join("disk.bin")).1 > 8 * MIB, "the program needed what was cut off");
}

/// A file system of its own, gone at the end.
struct Mounted(TempDir);

impl Mounted {
    /// tmpfs of `size`.
    fn tmpfs(size: &str) -> Mounted {
        let options = format!("size={size}");
        Mounted::mount(&["-t", "tmpfs", "-o", &options, "tmpfs"])
    }

    fn mount(arguments: &[&str]) -> Mounted {
        let place = folder();
        let status = Command::new("mount").args(arguments).arg(place.path()).status();
        assert!(status.expect("mount starts").success(), "mount {arguments:?}");
        Mounted(place)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(status.expect("umount starts").success(), "umount {}", self.path().display());
    }
}

/// Asserts that a program whose recording finds no more room goes on, and what it says.
fn assert_lost_and_said(run: &Run, folder: &Path, reason: &str) -> Value {
    let (outcome, info, lost) = accounted(run, &folder.join("disk.bin"));
    assert!(lost > 0 && number(&info, "allocations") > 1_000, "{lost} lost: {info}");
    let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(message.contains(&format!("cannot grow: {reason}")), "{message}");
    info
}

const FULL: &str = "no space left on device";

#[test]
fn a_disk_that_fills_up_ends_the_recording_and_not_the_program() {
    if !is_root() {
        return;
    }
    let mounted = Mounted::tmpfs("2m");
    let run = program(mounted.path(), &["churn", "thread and child"]);
    let info = assert_lost_and_said(&run, mounted.path(), FULL);
    assert!(info["lost_by_reason"].to_string().contains("the recording could not grow"), "{info}");
}

#[test]
fn a_disk_with_blocks_of_its_own_fills_up_likewise() {
    let Some(mounted) = ext4_of(4) else { return };
    let run = program(mounted.path(), &["churn", "thread and child"]);
    assert_lost_and_said(&run, mounted.path(), FULL);
}

/// ext4 on `mebibytes` of a file; `None` where that cannot be.
fn ext4_of(mebibytes: u64) -> Option<Mounted> {
    let image = tempfile::NamedTempFile::new().expect("the temporary folder can be written");
    image.as_file().set_len(mebibytes * MIB).expect("as above");
    let made = Command::new("mkfs.ext4").arg("-qF").arg(image.path()).status();
    if !is_root() || !made.is_ok_and(|status| status.success()) || !Path::new("/dev/loop-control").exists() {
        eprintln!("left out: no mkfs.ext4 or no loop devices");
        return None;
    }
    // The loop device keeps the image, and goes with the mount.
    Some(Mounted::mount(&["-o", "loop", image.path().to_str().expect("UTF-8")]))
}

#[test]
fn recording_goes_on_when_there_is_room_again() {
    if !is_root() {
        return;
    }
    let mounted = Mounted::tmpfs("16m");
    let filler = mounted.path().join("filler");
    let fill = || fs::write(&filler, vec![1; 15 << 20]).expect("there is room");
    let allocations = |actions: &[&str]| {
        let file = mounted.path().join("disk.bin");
        let run = program(mounted.path(), actions).env("DISK_FILLER", &filler);
        fill();
        let outcome = run.recorded();
        assert_eq!(outcome.stdout, "done\n");
        let allocations = number(&info(&file), "allocations");
        fs::remove_file(file).expect("it is ours");
        allocations
    };
    let (before, after) = (allocations(&["churn"]), allocations(&["churn", "make room"]));
    assert!(after > before + 300_000, "{before} without, {after} with room again");
}

#[test]
fn a_disk_that_is_full_at_the_start_gets_one_line_and_no_file() {
    if !is_root() {
        return;
    }
    let mounted = Mounted::tmpfs("16k");
    assert_not_begun(&program(mounted.path(), &["churn"]), mounted.path(), FULL);
}

fn assert_not_begun(run: &Run, folder: &Path, reason: &str) {
    let (outcome, bare) = (run.recorded(), run.bare());
    assert_eq!((&outcome.stdout, outcome.status), (&bare.stdout, bare.status));
    let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(message.contains(&format!("{reason}; nothing is recorded")), "{message}");
    assert_eq!(files(folder), Vec::<PathBuf>::new(), "nothing is left");
}

/// Beyond the limit every write raises SIGXFSZ, which ends the program: ours must not be one of them.
#[test]
fn a_file_size_limit_is_kept_and_never_a_signal() {
    let limited = |bytes: u64, folder: &Path| {
        let disk = compile("disk.c", &["-O1", "-pthread"]);
        let file = folder.join("disk.bin");
        let run = Run::new(installed("prlimit")).args([format!("--fsize={bytes}")]).args([disk]);
        // prlimit itself is recorded too; its recording is another one of this run.
        run.args(["churn", "thread and child"]).env("TM_OUT", folder.join("%e.bin")).env("DISK_FILE", file)
    };
    let folder_of_much = folder();
    let run = limited(MIB, folder_of_much.path());
    let outcome = run.recorded();
    let bare = run.bare();
    assert_eq!((&outcome.stdout, outcome.status), (&bare.stdout, bare.status));
    let file = folder_of_much.path().join("disk.bin");
    let info = info(&file);
    assert!(number(&info, "lost_events") > 0 && number(&info, "allocations") > 1_000, "{info}");
    assert!((MIB / 2..=MIB).contains(&sizes(&file).1), "{} bytes", sizes(&file).1);
    let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(message.contains("cannot grow: file size limit reached"), "{message}");

    let folder_of_little = folder();
    let outcome = limited(100 << 10, folder_of_little.path()).recorded();
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("done\n", Some(7)));
    let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(message.contains("file size limit reached; nothing is recorded"), "{message}");
}

#[test]
fn who_tracks_blocks_is_told_which_are_lost() {
    let folder = folder();
    let run = Run::new(installed("prlimit")).args([format!("--fsize={MIB}")]);
    let run = run.args([compile("lost_tracks.c", &["-O1"])]).env("TM_OUT", folder.path().join("%e.bin"));
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}", outcome.stdout);
    let numbers: Vec<u64> =
        outcome.stdout.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [n_tracked, n_lost] = numbers[..] else { panic!("{}", outcome.stdout) };
    let info = info(&folder.path().join("lost_tracks.bin"));
    assert!(n_tracked > 1_000 && n_lost > 1_000, "{n_tracked} tracked, {n_lost} lost");
    assert_eq!((number(&info, "tracks"), number(&info, "lost_events")), (n_tracked, n_lost), "{info}");
}

#[test]
fn where_files_cannot_be_mapped_shared_there_is_one_line_and_no_file() {
    let folder = folder();
    let disk = compile("disk.c", &["-O1", "-pthread"]);
    let refuses = Run::new(compile("refuses_shared.c", &["-O1"])).args([disk]);
    // The launcher is recorded before it refuses; what it starts is not.
    let run = refuses.env("TM_OUT", folder.path().join("%e.bin")).args(["churn"]);
    let outcome = run.recorded();
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("done\n", Some(7)));
    let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(message.contains("the file system cannot map files shared; nothing is recorded"), "{message}");
    let left: Vec<PathBuf> = files(folder.path());
    assert_eq!(left, [folder.path().join("refuses_shared.bin")]);
}

/// A control group whose processes have `bytes` of memory, gone at the end; `None` where that cannot be made.
struct MemoryLimited(PathBuf);

impl MemoryLimited {
    fn new(bytes: u64) -> Option<MemoryLimited> {
        let name = format!("tm-test-{}", std::process::id());
        for (parent, limit) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let group = Path::new(parent).join(&name);
            if fs::create_dir(&group).is_err() {
                continue;
            }
            if fs::write(group.join(limit), bytes.to_string()).is_ok() {
                return Some(MemoryLimited(group));
            }
            fs::remove_dir(group).ok();
        }
        eprintln!("left out: no control group with a memory limit can be made");
        None
    }
}

impl Drop for MemoryLimited {
    fn drop(&mut self) {
        let is_removed = || fs::remove_dir(&self.0).is_ok();
        if std::thread::panicking() {
            is_removed();
        } else {
            wait::until("the kernel to forget the group's last process", is_removed);
        }
    }
}

/// What is written to tmpfs is memory of the control group: the kernel ends the program for the recording's size.
#[test]
fn a_recording_on_tmpfs_that_uses_up_a_memory_limit_keeps_all_up_to_the_kill() {
    let Some(group) = MemoryLimited::new(24 * MIB) else { return };
    let mounted = Mounted::tmpfs("64m");
    let disk = compile("disk.c", &["-O1", "-pthread"]);
    let churns = ["churn"; 12].join(" ");
    let script = format!("echo $$ > {}/cgroup.procs; exec '{}' {churns}", group.0.display(), disk.display());
    let run = Run::new(installed("sh")).args(["-c", &script]);
    let (outcome, counts) = counted(&run.env("TM_OUT", mounted.path().join("%e.bin")));
    assert_eq!(outcome.status.signal(), Some(9), "{}", outcome.stderr);
    let infos = tm_tests::info::all(&files(mounted.path()));
    let sum = |key| tm_tests::info::sum(&infos, key);
    assert!(infos.iter().all(|info| info["problems"].as_array().is_some_and(Vec::is_empty)), "{infos:?}");
    let recorded = sum("allocations") + sum("reallocations") + sum("frees");
    let made = counts.allocations + counts.reallocations + counts.frees;
    assert!(recorded.abs_diff(made) <= 1 && sum("lost_events") == 0, "{recorded} recorded, {made} made");
    assert!(recorded > 1_000_000, "{recorded}");
}
