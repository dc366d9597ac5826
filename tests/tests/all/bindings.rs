//! The crate `tm` in whichever way a program is linked and optimized, under libtm.so and without it. The program is
//! `programs/calls_tm.rs`, which checks every result.

use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};

fn assert_says(outcome: &Outcome, expected: &str, flags: &[&str]) {
    let Outcome { status, stdout, stderr, .. } = outcome;
    assert!(status.success(), "{flags:?}: {status}\n{stdout}{stderr}");
    assert_eq!(stdout, &format!("{expected}\n"), "{flags:?}");
}

#[test]
fn every_way_to_link_works_with_and_without_libtm() {
    let modes: [&[&str]; 6] = [
        &["-O"],
        &["-Copt-level=0"],
        // Position-dependent.
        &["-O", "-Crelocation-model=static"],
        // One object for each function, linked as one.
        &["-O", "-Clto=fat"],
        &["-O", "-Cpanic=abort"],
        &["-O", "-Ctarget-feature=+crt-static"],
    ];
    for flags in modes {
        let run = Run::new(compile("calls_tm.rs", &[&["-g"], flags].concat()));
        assert_says(&run.bare(), "tm is not loaded", flags);
        // A static program has no loader that would preload anything.
        let is_static = flags.contains(&"-Ctarget-feature=+crt-static");
        let expected = if is_static { "tm is not loaded" } else { "tm is loaded" };
        assert_says(&run.recorded(), expected, flags);
    }
}
