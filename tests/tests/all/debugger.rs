//! Recorded stacks are those that gdb sees at the same moment. Its unwinder shares nothing with ours nor with libgcc's, and
//! reads what these cannot: where it knows more, ours say that they are not whole, and where they end.
#![cfg(target_arch = "x86_64")]

use tm_tests::exact_stacks::{Agreement, compare_numbered, compare_program};
use tm_tests::gdb::{Noted, noted_by_gdb};
use tm_tests::programs::{compile, find_installed, installed};
use tm_tests::run::Run;
use tm_tests::soak::is_long;

/// Has gdb note a program of ours; in the long form every stack, else one of each `every`.
fn compared(source: &str, flags: &[&str], arguments: &[&str], every: u32) -> Agreement {
    let program = compile(source, flags);
    let run = Run::new(&program).args(arguments);
    let (_outcome, recorded, notes) =
        noted_by_gdb(run, Noted::InProgram, &[], if is_long() { 1 } else { every });
    let agreement = compare_program(&program, &recorded, &notes);
    eprintln!("{source} {flags:?}: {agreement:?}");
    agreement
}

fn assert_all_whole(agreement: Agreement, at_least: usize) {
    let Agreement { whole, marked, beyond } = agreement;
    assert!(marked == 0 && beyond == 0 && whole >= at_least, "{agreement:?}");
}

#[test]
fn stacks_of_cxx_with_inlined_functions_exceptions_and_threads_are_those_of_gdb() {
    for flags in
        [&["-g", "-pthread", "-O2", "-DTAIL_CALLS"][..], &["-pthread", "-O0", "-fomit-frame-pointer"]]
    {
        // A context that was made by hand ends in data, which gdb takes for code.
        let agreement = compared("stacks.cc", flags, &["notes"], 1);
        assert!(agreement.whole > 120 && agreement.marked == 2 && agreement.beyond == 0, "{agreement:?}");
    }
}

#[test]
fn stacks_of_rust_are_those_of_gdb() {
    for optimised in ["-Copt-level=0", "-Copt-level=3"] {
        assert_all_whole(compared("noted.rs", &["-g", optimised], &[], 1), 40);
    }
}

#[test]
fn stacks_in_signal_handlers_are_those_of_gdb() {
    for alternate in [&["notes"][..], &["notes", "alternate"]] {
        assert_all_whole(compared("signals.c", &["-O2", "-fomit-frame-pointer"], alternate, 2), 30);
    }
}

#[test]
fn stacks_of_fibers_are_those_of_gdb() {
    assert_all_whole(compared("fibers.c", &["-O2", "-pthread"], &["notes"], 20), 50);
}

/// gdb takes a caller at a lower address for the end of the stack, but knows GCC's split stacks.
#[test]
fn stacks_on_switched_stacks_are_those_of_gdb() {
    assert_all_whole(compared("split_stacks.c", &["-O1", "-fsplit-stack"], &["notes"], 1), 60);
    let agreement = compared("switched_stacks.c", &["-O2", "-pthread", "-g"], &["notes"], 10);
    assert!(agreement.whole >= 40 && agreement.marked == 0, "{agreement:?}");
}

/// Boost's stacks end in its assembly, which has no unwind table: gdb guesses beyond some of them. Its headers are large: long
/// form only.
#[test]
fn stacks_of_boost_s_coroutines_are_those_of_gdb() {
    if is_long() {
        let agreement = compared("coroutines.cc", &["-O1", "-lboost_context"], &[], 1);
        assert!(agreement.whole > 150 && agreement.beyond == 0, "{agreement:?}");
    }
}

/// gdb reads them all, from the file: where our stacks end earlier, they say so.
#[test]
fn stacks_that_only_a_debugger_can_follow_are_marked() {
    const FLAGS: [&str; 2] = ["-O2", "-fomit-frame-pointer"];
    let without_tables = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    assert_all_whole(compared("chain.c", &FLAGS, &[], 1), 50);
    for more in [&["-Wl,--no-eh-frame-hdr"][..], &[&["-g"][..], &without_tables].concat()] {
        let agreement = compared("chain.c", &[&FLAGS[..], more].concat(), &[], 1);
        assert_eq!(agreement, Agreement { marked: 50, ..Agreement::default() });
    }
}

/// Has gdb note a program that is installed: of the allocations that the preload counts one of each `every`.
fn installed_program_compared(run: Run, every: u32) -> Agreement {
    let oracle = compile("oracle/unwind_preload.c", &["-O2", "-shared", "-fPIC", "-fexceptions"]);
    let run = run.env("NOTES", "notes").env("EVERY", every.to_string());
    let (_outcome, recorded, notes) = noted_by_gdb(run, Noted::InPreload, &[&oracle], 1);
    // What the preload's `malloc` has called to be stopped in, and itself.
    let agreement = compare_numbered(&recorded, &notes, 2);
    eprintln!("{agreement:?}");
    agreement
}

/// Distributions' programs have no debugging information, but gdb has the symbols and looks at the code.
#[test]
fn stacks_of_installed_programs_are_those_of_gdb() {
    let python = "import json, threading; work = lambda n: [json.loads(json.dumps({str(i): [i, {'k' * (i % 50): i}]})) \
        for i in range(n)]; threads = [threading.Thread(target=work, args=(300,)) for _ in range(3)]; \
        [thread.start() for thread in threads]; [thread.join() for thread in threads]; sorted(work(1000), key=repr)";
    let every = if is_long() { 100 } else { 2_000 };
    let run = Run::new("/usr/bin/python3").args(["-c", python]).env("PYTHONMALLOC", "malloc");
    assert_all_whole(installed_program_compared(run, every), 30);
    let sql = "create table t(a, b); create index i on t(b); \
        with recursive n(x) as (select 1 union all select x + 1 from n where x < 3000) \
        insert into t select x, hex(x * 7919) from n; select count(*), max(length(b)) from t group by a % 7;";
    let run = Run::new(installed("sqlite3")).args([":memory:", sql]);
    assert_all_whole(installed_program_compared(run, every / 20), 30);
    if let (true, Some(perl)) = (is_long(), find_installed("perl")) {
        let text = "my %h; push @{$h{$_ % 97}}, join('', sort split //, $_ * 7919) for 1..20000; print scalar(keys %h);";
        assert_all_whole(installed_program_compared(Run::new(perl).args(["-e", text]), 500), 30);
    }
}
