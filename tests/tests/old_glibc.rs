//! The C library of Debian 11 (glibc 2.31), which has no `_dl_find_object`: programs run under libtm.so as without it, and
//! what they allocate has exact stacks. Long form only: it needs a root folder of that system, which `scripts/root` makes. And one
//! that is older still.

use tm_tests::info::{info, number};
use tm_tests::programs::compile;
use tm_tests::roots::Root;
use tm_tests::run::{Run, may_administer};
use tm_tests::soak;

#[test]
fn without_find_object_programs_run_and_stacks_are_exact() {
    if !soak::is_long() || !may_administer() {
        return;
    }
    let root = Root::of("bullseye", &[]);
    root.copy(&["plugin.c", "opens.c", "closes_meanwhile.c"]);
    let build = "for i in 0 1 2 3 4 5 6 7 8 9; do gcc -O1 -shared -fPIC plugin.c -o l$i.so; done
        gcc -O1 -shared -fPIC plugin.c -Wl,-Ttext-segment=0x400000 -o low.so
        gcc -O1 opens.c -o opens -ldl; gcc -O1 closes_meanwhile.c -o closes_meanwhile -ldl -lpthread";
    root.succeed(build);
    for (program, least) in
        [("opens ./low.so", 1), ("opens ./l1.so 50 ./l2.so", 1_050), ("closes_meanwhile .", 1_000)]
    {
        let under = "LD_PRELOAD=/tm-test/libtm.so TM_SELF_CHECK=1 TM_OUT=/tm-test/r.bin";
        let bare = root.run(&format!("exec ./{program}"));
        let recorded = root.run(&format!("rm -f r.bin; {under} exec ./{program}"));
        assert_eq!((bare.status, &bare.stdout), (recorded.status, &recorded.stdout), "{program}");
        let info = info(&root.folder().join("r.bin"));
        assert!(number(&info, "allocations") >= least, "{program}: {}", info["allocations"]);
        let sums = ["lost_events", "unknown_frees", "self_check_differences"].map(|key| number(&info, key));
        assert_eq!(sums, [0; 3], "{program}");
    }
}

#[test]
fn a_glibc_that_is_too_old_is_named_and_nothing_is_recorded() {
    let old = compile("claims_to_be_old.c", &["-shared", "-fPIC"]);
    let run = Run::new(compile("c_only.c", &["-O1"])).preload_after(&old);
    let (outcome, bare) = (run.recorded(), run.bare());
    assert_eq!((outcome.status, &outcome.stdout), (bare.status, &bare.stdout));
    let [message] = outcome.messages()[..] else { panic!("one message: {}", outcome.stderr) };
    assert!(message.contains("glibc 2.30") && message.contains("2.31"), "{message}");
    assert!(outcome.recordings.is_empty(), "{:?}", outcome.recordings);
}
