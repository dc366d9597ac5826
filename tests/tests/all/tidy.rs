//! The source keeps its own rules: each file tells what it is for and is short, and what is to be run can be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tm_tests::products::workspace;
use tm_tests::source_tree::{assert_none, sources, text};

const LINES_MAX: usize = 400;

#[test]
fn every_source_file_opens_with_what_it_is_for() {
    let rust = sources(workspace(), &[".rs"]);
    assert!(rust.len() > 50, "only {} files were found", rust.len());
    let wrong = |path: &PathBuf| !text(path).starts_with("//!");
    let programs = sources(&workspace().join("tests/programs"), &[".c", ".cc", ".h"]);
    let untold = |path: &PathBuf| !text(path).starts_with("//") && !text(path).starts_with("/*");
    let rust = rust.into_iter().filter(wrong);
    let page = sources(&workspace().join("web"), &[".ts", ".mjs", ".css"]);
    assert!(page.len() > 30, "only {} files of the page were found", page.len());
    let others = programs.into_iter().chain(page).filter(untold);
    let all: Vec<String> = rust.chain(others).map(|path| path.display().to_string()).collect();
    assert_none(&all, "files that do not open with a comment");
}

#[test]
fn no_source_file_is_over_400_lines() {
    let files = sources(workspace(), &[".rs", ".c", ".cc", ".h", ".ts", ".mjs", ".css"]);
    let lines = files.iter().map(|path| (path, text(path).lines().count()));
    let long: Vec<String> =
        lines.filter(|(_, n)| *n > LINES_MAX).map(|(path, n)| format!("{}: {n}", path.display())).collect();
    assert_none(&long, "too long");
}

/// A name that no file has would be passed over: nothing would be tested by it.
#[test]
fn files_of_tests_that_scripts_name_are_there() {
    for (script, list) in [("check", "in_root=("), ("target", "names=(")] {
        let script = text(&workspace().join("scripts").join(script));
        let (_, names) = script.split_once(list).expect("it has the list");
        let (names, _) = names.split_once(')').expect("the list ends");
        let names: Vec<&str> = names.split_whitespace().collect();
        assert!(names.len() > 15, "{names:?}");
        let is_file = |name: &&str| workspace().join(format!("tests/tests/all/{name}.rs")).is_file();
        let unknown: Vec<String> =
            names.into_iter().filter(|name| !is_file(name)).map(str::to_owned).collect();
        assert_none(&unknown, "no files of tests/tests/all");
    }
}

#[test]
fn scripts_can_be_run() {
    let mut scripts: Vec<PathBuf> = sources(&workspace().join("scripts"), &[""]);
    scripts.extend([workspace().join(".ci/run")].into_iter().filter(|path| path.exists()));
    assert!(scripts.len() >= 2, "{scripts:?}");
    let is_runnable = |path: &PathBuf| {
        let mode = fs::metadata(path).expect("it was found").permissions().mode();
        mode & 0o111 == 0o111 && text(path).starts_with("#!")
    };
    let wrong = scripts.iter().filter(|path| !is_runnable(path)).map(|path| path.display().to_string());
    assert_none(&wrong.collect::<Vec<_>>(), "not executable");
}
