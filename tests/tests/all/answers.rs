//! What allocation functions answer, result and errno, is what they answer without libtm.so; and in glibc's heap there is
//! nothing of ours. Programs print it line by line, and the bare run's lines are the oracle.

use tm_tests::programs::{compile, installed_library};
use tm_tests::run::Run;

#[test]
fn odd_sizes_and_alignments_get_the_same_answers() {
    let run = Run::new(compile("edge_values.c", &["-O1"]));
    let outcome = run.recorded();
    outcome.assert_like(&run.bare());
    assert!(outcome.stdout.lines().count() > 1_500);
    for answer in
        ["posix_memalign returns 22\n", "NULL, errno 12\n", "realloc 0 to 0: NULL, content 1, errno 77\n"]
    {
        assert!(outcome.stdout.contains(answer), "the program did not try {answer:?}");
    }
}

/// A difference to the better is left alone: jemalloc's realloc does not set errno when it fails, and the C library's
/// `reallocarray`, which calls it, does not either. Here it does, as its manual says.
fn without_errno_of_failed_reallocarray(text: &str) -> Vec<&str> {
    let is_meant = |line: &&str| line.starts_with("realloc 1 to ") && line.contains("NULL");
    text.lines()
        .map(|line| if is_meant(&line) { line.split(", errno").next().unwrap_or(line) } else { line })
        .collect()
}

#[test]
fn odd_sizes_get_the_same_answers_of_other_allocators() {
    for library in ["libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2.0"] {
        let library = installed_library(library);
        let program = compile("edge_values.c", &["-O1"]);
        let run = Run::new(program).args(["common"]).preload_after(&library);
        let (outcome, bare) = (run.recorded(), run.bare());
        assert_eq!(outcome.status, bare.status, "{}", library.display());
        assert!(bare.status.success() && bare.stdout.lines().count() > 1_000, "{}", library.display());
        let [answers, expected] =
            [&outcome.stdout, &bare.stdout].map(|text| without_errno_of_failed_reallocarray(text));
        assert_eq!(answers, expected, "{}", library.display());
    }
}

#[test]
fn glibc_s_statistics_of_its_heap_are_those_of_the_bare_run_to_the_byte() {
    let run = Run::new(compile("heap_statistics.c", &["-O1", "-pthread"]));
    // The loader and the thread library allocate for each preloaded library with a thread-local block: this has one.
    let stand_in = compile("stand_in.c", &["-O1", "-shared", "-fPIC"]);
    let (outcome, bare) = (run.recorded(), run.clone().preload_after(stand_in).bare());
    outcome.assert_like(&bare);
    assert!(outcome.stdout.contains("mallopt: 1 1 1 1\n") && outcome.stdout.contains("<malloc version="));
}
