//! OCaml 5, whose run-time goes over to another stack at each call of C: whole stacks, through effects, handlers, exceptions
//! and domains, and libgcc's. Long form only: it needs a release of Debian that has it.
#![cfg(target_arch = "x86_64")]

use tm_tests::exact_stacks::compare_numbered;
use tm_tests::info::{assert_nothing_missing, info};
use tm_tests::notes::read_preload_notes;
use tm_tests::recorded::Recorded;
use tm_tests::roots::Root;
use tm_tests::run::may_administer;
use tm_tests::soak;

#[test]
fn stacks_of_ocaml_with_effects_are_those_of_libgcc() {
    if !soak::is_long() || !may_administer() {
        return;
    }
    let root = Root::of("trixie", &["ocaml-nox"]);
    root.copy(&["effects.ml", "effects_stub.c", "oracle/unwind_preload.c"]);
    root.succeed(
        "gcc -O2 -g -I$(ocamlopt -where) -c effects_stub.c; ocamlopt -g -o effects effects_stub.o effects.ml
        gcc -O2 -shared -fPIC -fexceptions unwind_preload.c -o unwind_preload; rm -f notes r.bin",
    );
    let bare = root.run("exec ./effects");
    let under = "NOTES=notes EVERY=1 TM_SELF_CHECK=1 TM_OUT=r.bin LD_PRELOAD=./unwind_preload:./libtm.so";
    let recorded = root.run(&format!("{under} exec ./effects"));
    assert_eq!((bare.status, &bare.stdout), (recorded.status, &recorded.stdout));
    let path = root.folder().join("r.bin");
    assert_nothing_missing(&info(&path));
    let notes = read_preload_notes(&root.folder().join("notes"));
    let agreement = compare_numbered(&Recorded::open(&path), &notes, 0);
    assert!(agreement.whole > 400 && agreement.marked == 0, "{agreement:?}");
}
