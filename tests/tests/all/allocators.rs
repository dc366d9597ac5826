//! Programs with an allocator of their own, linked or preloaded, are recorded call by call: `operator new` and
//! `delete` where the allocator defines them itself, the C functions below them where it does not. Never both.
//! The oracle is `programs/operators.cc`, which calls each operator a number of times of its own.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use tm_analyzer::events::Action;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_common::ids::ProcessIndex;
use tm_tests::info::{assert_nothing_missing, info};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed_library};
use tm_tests::run::{Outcome, Run};
use tm_tests::soak;

const JEMALLOC: &str = "libjemalloc.so.2";
const TCMALLOC: &str = "libtcmalloc_minimal.so.4";
const MIMALLOC: &str = "libmimalloc.so.2.0";

/// (allocated by, freed by, without an allocator that defines operators) of each kind of `programs/operators.cc`.
const KINDS: [(&str, &str, &str); 17] = [
    ("operator new", "operator delete", "malloc"),
    ("operator new[]", "operator delete[]", "malloc"),
    ("operator new(nothrow)", "operator delete(nothrow)", "malloc"),
    ("operator new[](nothrow)", "operator delete[](nothrow)", "malloc"),
    ("operator new(align)", "operator delete(align)", "aligned_alloc"),
    ("operator new[](align)", "operator delete[](align)", "aligned_alloc"),
    ("operator new(align, nothrow)", "operator delete(align, nothrow)", "aligned_alloc"),
    ("operator new[](align, nothrow)", "operator delete[](align, nothrow)", "aligned_alloc"),
    ("operator new", "operator delete(size)", "malloc"),
    ("operator new[]", "operator delete[](size)", "malloc"),
    ("operator new(align)", "operator delete(size, align)", "aligned_alloc"),
    ("operator new[](align)", "operator delete[](size, align)", "aligned_alloc"),
    ("malloc", "free", "malloc"),
    ("calloc", "free", "calloc"),
    ("aligned_alloc", "free", "aligned_alloc"),
    ("memalign", "free", "memalign"),
    ("realloc", "free", "realloc"),
];

/// Calls by (size of the block, function); `posix_memalign`, which libstdc++ calls since GCC 13, as `aligned_alloc`.
type Calls = BTreeMap<(u64, String), u64>;

/// Calls about blocks of the sizes that `wanted` holds for.
fn calls(outcome: &Outcome, wanted: impl Fn(u64) -> bool) -> Calls {
    let recording = Recording::open(outcome.recording()).expect("it is a recording");
    let (mut calls, mut sizes) = (Calls::new(), HashMap::new());
    events(&recording, ProcessIndex(0), |event| {
        let size = match event.action {
            Action::Allocate | Action::ReallocateEnd => {
                sizes.insert(event.address, event.size);
                Some(event.size)
            }
            Action::Free | Action::ReallocateBegin => sizes.remove(&event.address),
            _ => None,
        };
        if let Some(size) = size.filter(|size| wanted(*size)) {
            let name = event.function.name().replace("posix_memalign", "aligned_alloc");
            *calls.entry((size, name)).or_insert(0) += 1;
        }
    })
    .expect("the first process is there");
    calls
}

fn of_a_kind(size: u64) -> bool {
    (6400..6400 + 64 * KINDS.len() as u64).contains(&size) && size.is_multiple_of(64)
}

/// What `programs/operators.cc` does, with an allocator that defines the operators or with none.
fn expected(operators: bool) -> Calls {
    let mut calls = Calls::new();
    for (place, (allocation, free, without)) in (0..).zip(KINDS) {
        let (allocation, free) = if operators { (allocation, free) } else { (without, "free") };
        calls.insert((6400 + 64 * place, allocation.to_owned()), 10 + place);
        calls.insert((6400 + 64 * place, free.to_owned()), 10 + place - 1);
    }
    calls
}

/// Runs bare and recorded. What an allocator writes to standard error holds addresses, so it is left out, but we say
/// nothing there.
fn alike(run: &Run) -> Outcome {
    let (outcome, bare) = (run.recorded(), run.bare());
    assert_eq!((&outcome.stdout, outcome.status), (&bare.stdout, bare.status), "{}", outcome.stderr);
    assert_eq!(outcome.messages(), Vec::<&str>::new());
    outcome
}

fn assert_recorded(outcome: &Outcome, operators: bool) {
    assert_eq!(outcome.stdout, "done\n");
    assert_nothing_missing(&info(outcome.recording()));
    assert_eq!(calls(outcome, of_a_kind), expected(operators));
}

fn linked_to(source: &str, library: &Path) -> PathBuf {
    let library = library.to_string_lossy();
    // The C++ library comes after the allocator, as with -ltcmalloc on a command line of one's own.
    compile(source, &["-O1", "-g", "-Wl,--no-as-needed", &library])
}

fn assert_recorded_with(library: &str) {
    let library = installed_library(library);
    let linked = Run::new(linked_to("operators.cc", &library));
    assert_recorded(&alike(&linked), true);
    let preloaded = Run::new(compile("operators.cc", &["-O1", "-g"])).preload_after(&library);
    assert_recorded(&alike(&preloaded), true);
}

#[test]
fn jemalloc_s_operators_are_recorded_once_each() {
    assert_recorded_with(JEMALLOC);
}

#[test]
fn tcmalloc_s_operators_are_recorded_once_each() {
    assert_recorded_with(TCMALLOC);
}

#[test]
fn mimalloc_s_operators_are_recorded_once_each() {
    assert_recorded_with(MIMALLOC);
}

#[test]
fn the_c_library_s_operators_are_recorded_as_the_malloc_below_them() {
    assert_recorded(&alike(&Run::new(compile("operators.cc", &["-O1", "-g"]))), false);
}

#[test]
fn a_new_that_fails_fails_as_without_us() {
    let plain = Run::new(compile("operators.cc", &["-O1", "-g"])).args(["fail"]);
    let outcome = alike(&plain);
    assert!(outcome.stdout.contains("new(align): bad_alloc\n"), "{}", outcome.stdout);
    assert_eq!(calls(&outcome, of_a_kind), expected(false));
    for library in [JEMALLOC, TCMALLOC, MIMALLOC] {
        let library = installed_library(library);
        let outcome = alike(&Run::new(linked_to("operators.cc", &library)).args(["fail"]));
        assert_eq!(calls(&outcome, of_a_kind), expected(true), "{}", library.display());
        // mimalloc gives up at once where there is no handler, with us and without.
        alike(&plain.clone().preload_after(&library));
    }
}

#[test]
fn a_c_program_is_recorded_with_each_allocator_too() {
    let plain = Run::new(compile("c_only.c", &["-O1"]));
    let mut runs = vec![plain.clone()];
    for library in [JEMALLOC, TCMALLOC, MIMALLOC] {
        let library = installed_library(library);
        runs.push(Run::new(linked_to("c_only.c", &library)));
        runs.push(plain.clone().preload_after(library));
    }
    for run in runs {
        let outcome = alike(&run);
        assert_nothing_missing(&info(outcome.recording()));
        let expected: Calls =
            [("malloc", 50), ("free", 30)].map(|(name, n)| ((640, name.to_owned()), n)).into();
        assert_eq!(calls(&outcome, |size| size == 640), expected, "{run:?}");
    }
}

#[test]
fn an_allocator_preloaded_before_us_is_named_because_it_takes_the_calls() {
    for library in [JEMALLOC, TCMALLOC, MIMALLOC] {
        let library = installed_library(library);
        let run = Run::new(compile("c_only.c", &["-O1"])).preload_before(&library);
        let outcome = run.recorded();
        assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("done\n", Some(0)));
        let [message] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
        let name = library.file_name().expect("a library has a name").to_string_lossy();
        assert!(message.contains("LD_PRELOAD") && message.contains(&*name), "{message}");
    }
}

/// What `programs/interfaces.c` does, its blocks allocated, allocated otherwise, and freed by functions of these names.
fn calls_of_interface(allocate: &str, other: &str, free: &str, mixed: bool) -> Calls {
    let mut expected = vec![
        (7001, allocate, 10),
        (7001, free, 10),
        (7002, allocate, 20),
        (7002, "realloc", 20),
        (7003, "realloc", 20),
        (7003, free, 20),
        (7004, other, 3),
    ];
    if mixed {
        expected.extend([(7005, "malloc", 5), (7005, free, 5), (7006, allocate, 6), (7006, "free", 6)]);
    }
    expected.into_iter().map(|(size, name, n)| ((size, name.to_owned()), n)).collect()
}

fn assert_interface_is_recorded(library: &str, flags: &[&str], expected: &Calls) {
    let library = installed_library(library).to_string_lossy().into_owned();
    for binding in ["-Wl,-z,now", "-Wl,-z,lazy"] {
        let flags = [&["-O1", "-Wl,--no-as-needed", binding, &library], flags].concat();
        let outcome = alike(&Run::new(compile("interfaces.c", &flags)));
        assert_nothing_missing(&info(outcome.recording()));
        assert_eq!(&calls(&outcome, |size| (7001..7010).contains(&size)), expected, "{library} {binding}");
    }
}

#[test]
fn jemalloc_s_own_functions_are_recorded() {
    let flags = ["-DALLOCATE(n)=mallocx(n, 0)", "-DREALLOCATE(p, n)=rallocx(p, n, 0)", "-DMIXED"];
    let flags = [&flags[..], &["-DFREE(p, n)=sdallocx(p, n, 0)", "-DOTHER(n)=mallocx(n, 64)"]].concat();
    let expected = calls_of_interface("mallocx", "mallocx", "sdallocx", true);
    assert_interface_is_recorded(JEMALLOC, &flags, &expected);
}

#[test]
fn mimalloc_s_own_functions_are_recorded() {
    let flags = ["-DALLOCATE(n)=mi_malloc(n)", "-DREALLOCATE(p, n)=mi_reallocn(p, 1, n)", "-DMIXED"];
    let flags = [&flags[..], &["-DFREE(p, n)=mi_free(p)", "-DOTHER(n)=mi_zalloc_aligned(n, 64)"]].concat();
    let expected = calls_of_interface("mi_malloc", "mi_zalloc_aligned", "mi_free", true);
    assert_interface_is_recorded(MIMALLOC, &flags, &expected);
}

#[test]
fn tcmalloc_s_own_functions_are_recorded() {
    let flags = ["-DALLOCATE(n)=tc_malloc(n)", "-DREALLOCATE(p, n)=tc_realloc(p, n)", "-DMIXED"];
    let flags = [&flags[..], &["-DFREE(p, n)=tc_free(p)", "-DOTHER(n)=tc_new(n)"]].concat();
    // The operator that does not throw is called in place of the one that does.
    let expected = calls_of_interface("tc_malloc", "tc_new_nothrow", "tc_free", true);
    assert_interface_is_recorded(TCMALLOC, &flags, &expected);
}

#[test]
fn one_tbb_s_own_functions_are_recorded() {
    let flags = ["-DALLOCATE(n)=scalable_malloc(n)", "-DREALLOCATE(p, n)=scalable_realloc(p, n)"];
    let flags = [&flags[..], &["-DFREE(p, n)=scalable_free(p)", "-DOTHER(n)=scalable_aligned_malloc(n, 64)"]]
        .concat();
    let expected = calls_of_interface("scalable_malloc", "scalable_aligned_malloc", "scalable_free", false);
    assert_interface_is_recorded("libtbbmalloc.so.2", &flags, &expected);
}

/// What the collector frees is not seen, so its blocks are no part of the heap's figures.
#[test]
fn a_collector_s_blocks_have_a_domain_of_their_own_and_a_note() {
    let library = installed_library("libgc.so.1").to_string_lossy().into_owned();
    let flags = ["-DALLOCATE(n)=GC_malloc(n)", "-DREALLOCATE(p, n)=GC_realloc(p, n)", "-DCOLLECTS"];
    let flags = [&flags[..], &["-DFREE(p, n)=GC_free(p)", "-DOTHER(n)=GC_malloc(n)", "-O1"]].concat();
    let program = compile("interfaces.c", &[&flags[..], &["-Wl,--no-as-needed", &library]].concat());
    let outcome = alike(&Run::new(program));
    let info = info(outcome.recording());
    assert_eq!(info["complete"], true, "{info}");
    let domain = &info["domains"][0];
    assert_eq!((domain["name"].as_str(), domain["live_blocks_at_end"].as_u64()), (Some("gc"), Some(3)));
    assert_eq!(domain["live_bytes_at_end"], 3 * 7004);
    // 33 blocks, and each reallocation is a block that goes and one that comes.
    assert_eq!((&info["tracks"], &info["untracks"]), (&53.into(), &50.into()));
    let notes = info["notes"].as_array().expect("a list");
    assert!(
        notes.iter().any(|note| note.as_str().is_some_and(|note| note.contains("libgc.so"))),
        "{notes:?}"
    );
    assert_eq!(calls(&outcome, |size| (7001..7010).contains(&size)), Calls::new());
}

#[test]
fn who_looks_for_an_allocator_does_not_find_us() {
    let program = Run::new(compile("looks_for_allocators.c", &["-O1", "-Wl,-z,now"]));
    assert!(alike(&program).stdout.lines().all(|line| line.ends_with("no, no")));
    let with = program.preload_after(installed_library(JEMALLOC));
    assert!(alike(&with).stdout.contains("mallocx: here, here\n"));
}

#[test]
fn an_allocator_that_is_opened_late_and_called_by_name_is_recorded() {
    let run = Run::new(compile("late_allocator.c", &["-O1"])).args([installed_library("libtbbmalloc.so.2")]);
    let outcome = alike(&run);
    assert_eq!(outcome.stdout, "done\n");
    let names = [("scalable_malloc", 16), ("scalable_free", 14)];
    let expected: Calls = names.map(|(name, n)| ((7007, name.to_owned()), n)).into();
    assert_eq!(calls(&outcome, |size| size == 7007), expected);
}

#[test]
fn a_library_with_a_scope_of_its_own_is_recorded() {
    for binding in ["-Wl,-z,now", "-Wl,-z,lazy", "-Wl,-z,norelro"] {
        let library = compile("deepbind.c", &["-O0", "-shared", "-fPIC", "-DLIBRARY", binding]);
        let program = Run::new(compile("deepbind.c", &["-O0"]));
        for run in [program.clone().args([&library]), program.args([Path::new("lazy"), &library])] {
            let outcome = alike(&run);
            assert_nothing_missing(&info(outcome.recording()));
            let expected: Calls = [
                ((7008, "malloc"), 1000),
                ((7008, "free"), 1000),
                ((7009, "malloc"), 300),
                ((7009, "free"), 300),
                ((7010, "malloc"), 40),
                ((7010, "free"), 30),
            ]
            .map(|((size, name), n)| ((size, name.to_owned()), n))
            .into();
            assert_eq!(calls(&outcome, |size| (7008..=7010).contains(&size)), expected, "{binding}");
            let copied = calls(&outcome, |size| size == 32);
            assert_eq!(copied.get(&(32, "free".to_owned())), Some(&200), "{copied:?}");
        }
    }
}

/// The loader relocates what it opens on one thread, and expects that the pages stay as it has made them, while the other one
/// goes through the hooks that look for what was opened.
#[test]
fn libraries_with_scopes_of_their_own_are_opened_while_others_look_symbols_up() {
    let rounds = u64::from(soak::times(200, 5_000));
    for binding in ["-Wl,-z,now", "-Wl,-z,lazy"] {
        let library = compile("deepbind.c", &["-O0", "-shared", "-fPIC", "-DLIBRARY", binding]);
        let program = compile("opens_meanwhile.c", &["-O1", "-pthread"]);
        let rounds = rounds.to_string();
        let outcome = alike(&Run::new(program).args([library.as_os_str(), rounds.as_ref()]));
        assert_eq!(outcome.stdout, "done\n");
        let rounds: u64 = rounds.parse().expect("a number");
        let expected: Calls = [
            ((7008, "malloc"), rounds),
            ((7008, "free"), rounds),
            ((7010, "malloc"), 40 * rounds),
            ((7010, "free"), 30 * rounds),
        ]
        .map(|((size, name), n)| ((size, name.to_owned()), n))
        .into();
        assert_eq!(calls(&outcome, |size| (7008..=7010).contains(&size)), expected, "{binding}");
    }
}

/// The thread that opens the library is not the last that opens something, and never calls the loader again.
#[test]
fn a_library_with_a_scope_of_its_own_is_recorded_whoever_else_opens_something() {
    let waits = compile("opens_at_once.c", &["-O1", "-shared", "-fPIC", "-DLIBRARY"]);
    for binding in ["-Wl,-z,now", "-Wl,-z,lazy", "-Wl,-z,norelro"] {
        let library = compile("deepbind.c", &["-O0", "-shared", "-fPIC", "-DLIBRARY", binding]);
        let run = Run::new(compile("opens_at_once.c", &["-O1", "-pthread", "-rdynamic"]));
        let outcome = alike(&run.args([&waits, &library]));
        let expected: Calls = [((7008, "malloc".to_owned()), 100), ((7008, "free".to_owned()), 100)].into();
        assert_eq!(calls(&outcome, |size| size == 7008), expected, "{binding}");
    }
}

/// A library that brings an allocator along, and whose constructor calls that. Opened plainly it is not looked at before its
/// constructors: nobody can know that there is something to be seen.
#[test]
fn constructors_that_came_too_early_are_named() {
    let allocator = installed_library(MIMALLOC).to_string_lossy().into_owned();
    let flags = ["-O0", "-shared", "-fPIC", "-DLIBRARY", "-Dmalloc=mi_malloc", "-Dfree=mi_free"];
    let flags = [&flags[..], &["-Wl,--no-as-needed", &allocator]].concat();
    let library = compile("deepbind.c", &flags);
    let run = Run::new(compile("opens_meanwhile.c", &["-O1", "-pthread"])).args([&library]);
    let blocks = |(n, n_constructed): (u64, u64)| -> Calls {
        let names = ["mi_malloc", "mi_free"].map(str::to_owned);
        let [allocate, free] = names;
        let all = [
            ((7008, allocate.clone()), n),
            ((7008, free.clone()), n),
            ((7010, allocate), n_constructed * 40),
            ((7010, free), n_constructed * 30),
        ];
        all.into_iter().filter(|(_, n)| *n > 0).collect()
    };
    for (arguments, expected) in [(&["1"][..], (1, 1)), (&["1", "plain"], (1, 0))] {
        let outcome = alike(&run.clone().args(arguments));
        assert_eq!(outcome.stdout, "done\n");
        assert_eq!(calls(&outcome, |size| [7008, 7010].contains(&size)), blocks(expected), "{arguments:?}");
        let notes = info(outcome.recording())["notes"].to_string();
        let named = notes.contains("constructors ran") && notes.contains(&*library.to_string_lossy());
        assert_eq!(named, expected.1 == 0, "{notes}");
    }
}

/// What these free is not seen, and every report says so; a heap whose blocks stay is no reason to say anything.
#[test]
fn functions_that_free_a_heap_at_once_are_named() {
    let runs: [(&str, &[&str], Option<&str>); 5] = [
        (MIMALLOC, &["-DMIMALLOC", "-DEND=mi_heap_destroy"], Some("mi_heap_destroy")),
        (MIMALLOC, &["-DMIMALLOC", "-DEND=mi_heap_delete"], None),
        (JEMALLOC, &["-DNAME=\"reset\""], Some("mallctl")),
        (JEMALLOC, &["-DNAME=\"destroy\"", "-DBY_NUMBERS"], Some("mallctlbymib")),
        (JEMALLOC, &["-DNAME=\"purge\"", "-DBY_NUMBERS"], None),
    ];
    for (library, flags, named) in runs {
        let library = installed_library(library).to_string_lossy().into_owned();
        let flags = [&["-O1", "-Wl,--no-as-needed", &library], flags].concat();
        let outcome = alike(&Run::new(compile("frees_at_once.c", &flags)));
        assert_eq!(outcome.stdout, "done\n");
        let notes = info(outcome.recording())["notes"].as_array().cloned().expect("a list");
        let notes: Vec<&str> = notes.iter().map(|note| note.as_str().expect("a sentence")).collect();
        let Some(named) = named else {
            assert_eq!(notes, Vec::<&str>::new(), "{flags:?}");
            continue;
        };
        let [note] = notes[..] else { panic!("one note of {notes:?}") };
        assert!(note.contains("free all blocks") && note.ends_with(&format!(": {named}.")), "{note}");
        let mut command = Command::new(&products().tmtool);
        let output = command.arg("leaks").arg(outcome.recording()).output().expect("it starts");
        assert!(String::from_utf8_lossy(&output.stdout).contains(note), "{output:?}");
    }
}
