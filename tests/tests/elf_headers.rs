//! Libraries whose headers and tables say what is not so: programs that load them run as without us, and what can be known of them is
//! recorded. The oracle of what happens is the bare program, of build ids the file's own.
//!
//! `scripts/fuzz` goes on where the short form of the last test ends.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tm_analyzer::reader::Module;
use tm_tests::elf::{Field, Library, PT_NOTE};
use tm_tests::fuzz::runner::cases;
use tm_tests::info::{assert_nothing_missing, info};
use tm_tests::programs::compile;
use tm_tests::recorded::Recorded;
use tm_tests::run::{Outcome, Run};
use tm_tests::soak;

fn plugin() -> PathBuf {
    plugin_with("-Wl,--build-id")
}

fn plugin_with(option: &str) -> PathBuf {
    compile("plugin.c", &["-O1", "-g", "-shared", "-fPIC", "-fomit-frame-pointer", "-Wl,--build-id", option])
}

fn opens() -> PathBuf {
    compile("opens.c", &["-O1", "-g"])
}

/// A plugin with changed headers, opened under libtm.so as without it.
fn opened(change: impl FnOnce(&mut Library)) -> (TempDir, PathBuf, Outcome) {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let path = folder.path().join("plugin.so");
    let mut library = Library(fs::read(plugin()).expect("it was compiled"));
    change(&mut library);
    fs::write(&path, library.0).expect("as above");
    let run = Run::new(opens()).args([&path]);
    let outcome = run.clone().env("TM_SELF_CHECK", "1").recorded();
    outcome.assert_like(&run.bare());
    assert_eq!(outcome.stdout, "done\n");
    (folder, path, outcome)
}

/// The stack of the plugin's allocation has its two frames, none of them guessed, in a module of this path with the
/// build id of the plugin as the linker made it.
fn assert_known(path: &Path, outcome: &Outcome) {
    assert_nothing_missing(&info(outcome.recording()));
    let recorded = Recorded::open(outcome.recording());
    let module = module_at(path, &recorded);
    let in_plugin = |&address: &u64| (module.start.0..module.end.0).contains(&address);
    let stacks = recorded.allocations.iter().map(|&allocation| recorded.exact_addresses(allocation));
    let found = stacks.filter(|stack| stack.first().is_some_and(in_plugin));
    let found: Vec<Vec<u64>> = found.collect();
    let [stack] = &found[..] else { panic!("one allocation of the plugin's: {found:x?}") };
    assert!(stack.len() > 4 && in_plugin(&stack[1]) && !in_plugin(&stack[2]), "{stack:x?}");
    let file = fs::read(plugin()).expect("it was compiled");
    let id = &module.build_id;
    assert!(id.len() == 20 && file.windows(20).any(|bytes| bytes == &id[..]), "{id:x?}");
}

/// The module at a path.
fn module_at<'a>(path: &Path, recorded: &'a Recorded) -> &'a Module {
    let modules = recorded.recording.modules.all();
    modules.iter().find(|module| Path::new(&module.path) == path).expect("it is a module")
}

/// How many segments the recording has of the module at a path.
fn n_segments(path: &Path, outcome: &Outcome) -> usize {
    module_at(path, &Recorded::open(outcome.recording())).program_headers.len()
}

#[test]
fn headers_at_the_end_of_the_file_are_found_where_they_are_mapped() {
    // 0: their distance from the beginning of the file falls into zeros.
    for hole in [1 << 20, 0, 0x1000] {
        let (_folder, path, outcome) = opened(|library| library.move_headers_to_end(Some(hole)));
        assert_known(&path, &outcome);
    }
}

/// They have the loader's PT_DYNAMIC and unwind table, and one segment less.
#[test]
fn headers_that_are_left_behind_are_not_taken_for_those_in_use() {
    let n_before = Library(fs::read(plugin()).expect("it was compiled")).n_segments();
    let (_folder, path, outcome) = opened(Library::leave_headers_behind);
    assert_known(&path, &outcome);
    assert_eq!(n_segments(&path, &outcome), n_before + 2);
}

#[test]
fn headers_that_are_not_mapped_at_all_are_read_from_the_file() {
    let (_folder, path, outcome) = opened(|library| library.move_headers_to_end(None));
    assert_known(&path, &outcome);
}

#[test]
fn a_note_whose_address_is_not_mapped_is_found_where_the_file_has_it() {
    let (_folder, path, outcome) =
        opened(|library| library.shift(PT_NOTE, Field::VirtualAddress, 0x1000_0000));
    assert_known(&path, &outcome);
}

#[test]
fn a_library_that_is_linked_for_another_address_is_known() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let flags = ["-O1", "-shared", "-fPIC", "-Wl,-Ttext-segment=0x400000"];
    let path = folder.path().join("low.so");
    fs::copy(compile("plugin.c", &flags), &path).expect("as above");
    let outcome = Run::new(opens()).args([&path]).recorded();
    assert_eq!(outcome.stdout, "done\n");
    let recorded = Recorded::open(outcome.recording());
    let module = module_at(&path, &recorded);
    assert_eq!(module.start.0 - module.bias, 0x40_0000, "{module:?}");
}

/// The path is absolute, though it was opened as `./plugins/...` and the program is somewhere else at its end.
#[test]
fn a_library_that_was_opened_by_a_relative_path_is_found_from_everywhere() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    fs::create_dir(folder.path().join("plugins")).expect("as above");
    let path = folder.path().join("plugins/x.so");
    fs::copy(plugin(), &path).expect("as above");
    let outcome = Run::new(opens()).args(["./plugins/x.so"]).folder(folder.path()).recorded();
    assert_eq!(outcome.stdout, "done\n");
    assert_known(&path, &outcome);
}

/// More loads than any table of ours once had places, and then another library.
#[test]
fn a_library_that_is_loaded_after_thousands_of_others_has_its_name() {
    let times = "4200";
    let other = compile("plugin.c", &["-O2", "-g", "-shared", "-fPIC"]);
    let outcome =
        Run::new(opens()).args([plugin().as_os_str(), OsStr::new(times), other.as_os_str()]).recorded();
    assert_eq!(outcome.stdout, "done\n");
    let recorded = Recorded::open(outcome.recording());
    let module_of = |allocation| {
        let frame = recorded.frames(allocation)[0];
        recorded.recording.module_at(frame.epoch, frame.pc).map(|module| PathBuf::from(&module.path))
    };
    let of = |path: &Path| {
        recorded
            .allocations
            .iter()
            .filter(|&&allocation| module_of(allocation).as_deref() == Some(path))
            .count()
    };
    assert_eq!((of(&plugin()), of(&other)), (4200, 1000));
}

#[test]
fn a_program_that_its_loader_was_told_to_start_has_its_own_name() {
    let program = opens();
    let loader = if cfg!(target_arch = "x86_64") {
        "/lib64/ld-linux-x86-64.so.2"
    } else {
        "/lib/ld-linux-aarch64.so.1"
    };
    let run = Run::new(&program).args([plugin()]).through(Path::new(loader), &[]);
    let outcome = run.recorded();
    outcome.assert_like(&run.bare());
    let info = info(outcome.recording());
    assert_eq!(info["program"].as_str().map(Path::new), Some(program.as_path()));
    let recorded = Recorded::open(outcome.recording());
    assert!(recorded.recording.modules.all().iter().any(|module| Path::new(&module.path) == program));
    let name = outcome.recording().file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("opens."), "{name}");
}

/// The file has the bytes of the path, whatever they mean.
#[test]
fn a_path_that_is_not_utf_8_is_recorded_as_it_is() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let path = folder.path().join(OsStr::from_bytes(b"caf\xe9.so"));
    fs::copy(plugin(), &path).expect("as above");
    let outcome = Run::new(opens()).args([&path]).recorded();
    assert_eq!(outcome.stdout, "done\n");
    let file = fs::read(outcome.recording()).expect("it is there");
    let wanted = path.as_os_str().as_bytes();
    assert!(file.windows(wanted.len()).filter(|bytes| *bytes == wanted).count() >= 1, "{path:?}");
}

/// Each segment is recorded, so that each address of the module has a place in its file.
#[test]
fn a_library_of_many_segments_is_known() {
    let n_before = Library(fs::read(plugin()).expect("it was compiled")).n_segments();
    let (_folder, path, outcome) = opened(|library| library.add_segments(60));
    assert_known(&path, &outcome);
    assert_eq!(n_segments(&path, &outcome), n_before + 60);
}

/// Opened, opened with a scope of its own, or preloaded, so that all our ways to a library's tables are gone.
///
/// The loader believes the tables, and may come to memory that is not the library's: then what happens depends on what lies
/// there. So the program must run without us, and beside a library that maps memory as we do: what the loader itself refuses or
/// crashes of tells nothing of us.
#[test]
fn a_program_that_loads_a_damaged_library_ends_as_without_us() {
    let read = |option| Library(fs::read(plugin_with(option)).expect("it was compiled"));
    let whole = ["-Wl,--hash-style=gnu", "-Wl,--hash-style=sysv", "-Wl,--hash-style=both"].map(read);
    let folder = TempDir::new().expect("the temporary folder can be written");
    let path = folder.path().join("damaged.so");
    let run = Run::new(opens()).args([&path]);
    let runs = [run.clone(), run.clone().env("DEEP", "1"), run.preload_after(&path)];
    let beside = compile("maps_beside.c", &["-O1", "-shared", "-fPIC"]);
    let (mut n_cases, mut n_compared) = (0, 0);
    cases("the program ends as without us", u64::from(soak::times(60, 4000)), |case| {
        let mut library = case.random.of(&whole).clone();
        let n = 1 + case.random.below(2);
        case.what = (0..n).map(|_| library.damage(&mut case.random) + "; ").collect();
        fs::write(&path, &library.0).expect("the temporary folder can be written");
        case.file.clone_from(&path);
        let run = case.random.of(&runs);
        let (bare, other) = (run.bare(), run.clone().preload_before(&beside).bare());
        n_cases += 1;
        if !bare.status.success() || (bare.status, &bare.stdout) != (other.status, &other.stdout) {
            return;
        }
        n_compared += 1;
        let recorded = run.recorded();
        recorded.assert_like(&bare);
        assert_eq!(info(recorded.recording())["problems"].as_array().map(Vec::len), Some(0));
    });
    assert!(n_cases < 20 || 4 * n_compared >= n_cases, "{n_compared} of {n_cases} could be compared");
}
