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

/// A name that no test has would leave nothing out.
#[test]
fn tests_that_a_script_leaves_out_are_there() {
    let script = text(&workspace().join("scripts/check"));
    let mut names: Vec<&str> = Vec::new();
    for list in script.split("\nleft_out").skip(1) {
        let (_, list) = list.split_once("=(").expect("it is a list");
        names.extend(list.split(')').next().expect("the list ends").split_whitespace());
    }
    assert!(names.len() > 40, "{names:?}");
    let is_there = |name: &&str| {
        let (file, test) = name.split_once("::").unwrap_or((name, ""));
        fs::read_to_string(workspace().join(format!("tests/tests/all/{file}.rs")))
            .is_ok_and(|source| source.contains(&format!("fn {test}")))
    };
    let unknown: Vec<String> = names.into_iter().filter(|name| !is_there(name)).map(str::to_owned).collect();
    assert_none(&unknown, "no tests of tests/tests/all");
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
