//! Recordings know what was loaded where: the same modules as findshlibs finds in the process, and of two libraries at
//! the same address, one after the other, the right one.

use std::collections::BTreeSet;
use std::path::Path;

use tm_tests::programs::compile;
use tm_tests::recorded::Recorded;
use tm_tests::run::Run;

#[test]
fn recorded_modules_are_those_of_findshlibs() {
    let program = env!("CARGO_BIN_EXE_loaded");
    let outcome = Run::new(program).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let recorded = Recorded::open(outcome.recording());
    let modules = recorded.recording.modules.all().iter().map(|module| {
        let id: String = module.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = if id.is_empty() { "-" } else { &id };
        format!("{:x} {id} {}", module.bias, module.path)
    });
    let found: BTreeSet<String> = outcome.stdout.lines().map(str::to_owned).collect();
    assert!(found.len() >= 4, "findshlibs finds only {found:?}");
    assert_eq!(modules.collect::<BTreeSet<_>>(), found);
}

/// As node's: its data stands far behind its code, and nothing is mapped between them.
#[test]
fn a_program_with_holes_between_its_segments_is_a_module() {
    let flags = ["-O1", "-no-pie", "-Wl,-Tdata=0x20000000", "-Wl,-z,norelro"];
    let program = compile("c_only.c", &flags);
    let outcome = Run::new(&program).recorded();
    let recorded = Recorded::open(outcome.recording());
    let module = recorded.recording.modules.all().iter().find(|module| Path::new(&module.path) == program);
    let module = module.expect("the program is a module");
    assert!(module.start.0 <= 0x400000 && module.end.0 > 0x20000000, "{module:?}");
    for &allocation in &recorded.allocations {
        recorded.exact_addresses(allocation);
    }
}

#[test]
fn a_library_at_the_address_of_an_unloaded_one_is_told_from_it() {
    let library = |name: &str, size: &str| {
        compile(
            "library.c",
            &["-O1", "-shared", "-fPIC", &format!("-DALLOCATES={name}"), &format!("-DSIZE={size}")],
        )
    };
    let (one, other) = (library("one_allocates", "100"), library("other_allocates", "200"));
    let outcome = Run::new(compile("reloads.c", &["-O1"])).args([&one, &other]).recorded();
    assert!(outcome.status.success(), "{} {}", outcome.status, outcome.stderr);
    let recorded = Recorded::open(outcome.recording());
    let mut addresses = BTreeSet::new();
    for line in outcome.stdout.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| u64::from_str_radix(words[place], 16).expect("hexadecimal");
        let frame = recorded.frames(recorded.last_of(number(1)))[0];
        let module = recorded.recording.module_at(frame.epoch, frame.pc).expect("the frame has a module");
        let expected = if words[0] == "one_allocates" { &one } else { &other };
        assert_eq!(Path::new(&module.path), expected.as_path(), "{line}");
        assert!((number(2)..number(2) + 64).contains(&frame.pc), "{line}: {frame:?}");
        addresses.insert(number(2));
    }
    assert_eq!(outcome.stdout.lines().count(), 8);
    assert!(addresses.len() < 8, "no library stood where another had: the test shows nothing");
}
