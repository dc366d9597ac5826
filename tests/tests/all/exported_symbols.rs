//! libtm.so shows its target the hooks of `tm_common::functions` and the functions of `tm.h` and nothing else, and brings
//! nothing along.
//!
//! The oracle is binutils.

use std::collections::BTreeSet;
use std::process::Command;

use tm_common::functions::Function;
use tm_tests::products::{products, workspace};

fn binutils(tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool).args(arguments).arg(&products().library).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot start {tool} ({error}): scripts/setup installs what the tests need")
    });
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("symbols are ASCII")
}

/// Lines of `nm` are `[address] type name[@version]`.
fn symbols(which: &str) -> BTreeSet<String> {
    let lines = binutils("nm", &["-D", which]);
    let names = lines.lines().filter_map(|line| line.split_whitespace().last());
    names.map(|name| name.split('@').next().unwrap_or(name).to_owned()).collect()
}

#[test]
fn the_exported_symbols_are_the_hooks_and_what_programs_may_call() {
    // The others would be found by programs that look whether they have such an allocator.
    let exported = Function::ALL.iter().filter(|hook| hook.family().is_exported());
    let mut expected: BTreeSet<String> = exported.map(|hook| hook.symbol().to_owned()).collect();
    let header =
        |name| std::fs::read_to_string(workspace().join("api/include").join(name)).expect("it is there");
    let headers = header("tm.h") + &header("tm_python.h");
    let called = headers.lines().filter_map(|line| line.strip_prefix("TM_INLINE_ ")?.split('(').next());
    let called: BTreeSet<String> =
        called.filter_map(|declared| Some(declared.split([' ', '*']).next_back()?.to_owned())).collect();
    assert!(called.len() > 20, "{called:?}");
    // What a scope ends with is the tag itself outside of C.
    expected.extend(called.into_iter().filter(|name| name != "tm_tag_end"));
    expected.extend(["tm_api", "tm_restore_tag", "tm_door"].map(str::to_owned));
    assert_eq!(symbols("--defined-only"), expected);
}

#[test]
fn only_the_c_library_and_the_loader_are_needed() {
    let dynamic = binutils("readelf", &["-dW"]);
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let needed: Vec<&str> = needed.filter_map(|line| line.split(['[', ']']).nth(1)).collect();
    assert!(dynamic.contains("(SYMTAB)"), "readelf has read the dynamic section: {dynamic}");
    for library in needed {
        assert!(library == "libc.so.6" || library.starts_with("ld-linux"), "it needs {library}");
    }
}

#[test]
fn thread_local_storage_needs_no_call_that_allocates() {
    let undefined = symbols("--undefined-only");
    assert!(!undefined.contains("__tls_get_addr"), "{undefined:?}");
    // Initial-exec TLS has places alone, no modules or descriptors that are made at the first use.
    let relocations = binutils("readelf", &["-rW"]);
    assert!(relocations.contains("TPREL") || relocations.contains("TPOFF"), "{relocations}");
    assert!(!relocations.contains("DTPMOD") && !relocations.contains("TLSDESC"), "{relocations}");
    let allocating = undefined.iter().filter(|name| Function::ALL.iter().any(|hook| hook.symbol() == *name));
    assert_eq!(allocating.collect::<Vec<_>>(), Vec::<&String>::new(), "it calls its own hooks");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_program_keeps_its_shadow_stack() {
    let notes = binutils("readelf", &["-nW"]);
    assert!(notes.contains("SHSTK"), "a process that loads it runs without a shadow stack:\n{notes}");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn every_hook_has_an_unwind_table_from_its_first_instruction() {
    let tables = binutils("readelf", &["-wF"]);
    let starts = tables.lines().filter_map(|line| line.split_once("pc=")?.1.split_once(".."));
    let starts: BTreeSet<u64> = starts.filter_map(|(start, _)| u64::from_str_radix(start, 16).ok()).collect();
    let symbols = binutils("nm", &["-D", "--defined-only"]);
    // A table is data.
    for line in
        symbols.lines().filter(|line| ![" tm_api", " tm_door"].iter().any(|name| line.ends_with(name)))
    {
        let address = line.split(' ').next().and_then(|word| u64::from_str_radix(word, 16).ok());
        assert!(address.is_some_and(|address| starts.contains(&address)), "{line} has none");
    }
}
