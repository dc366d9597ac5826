//! The source keeps its own rules: each file tells what it is for and is short, layers use only those below them, and
//! what is to be run can be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tm_tests::products::workspace;

const LINES_MAX: usize = 400;

/// The layers of `libtm.so`, each of which uses only those before it.
const PRELOAD_LAYERS: [&str; 10] =
    ["sys", "lockfree", "config", "real", "recording", "unwind", "session", "recorder", "hooks", "api"];

/// The files with one of `suffixes` in the workspace, below `folder`.
fn sources(folder: &Path, suffixes: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the workspace can be read") {
        let path = entry.expect("it is still there").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(sources(&path, suffixes));
        } else if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a file uses of its crate: the first names after `crate::`, outside of its unit tests and comments.
fn used_modules(path: &Path) -> Vec<String> {
    let text = text(path);
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest
                .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .next()
                .unwrap_or_default(),
        };
        let first = |name: &str| name.trim().split([':', ' ']).next().unwrap_or_default().to_owned();
        used.extend(names.split(',').map(first));
    }
    used
}

/// The module of the crate that a file below `source` belongs to; `None` for the crate's own file.
fn module_of(source: &Path, path: &Path) -> Option<String> {
    let inner = path.strip_prefix(source).expect("it was found there");
    let name =
        inner.components().next().expect("a file has a name").as_os_str().to_string_lossy().into_owned();
    let name = name.strip_suffix(".rs").unwrap_or(&name).to_owned();
    (name != "lib" && name != "main").then_some(name)
}

fn assert_none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_source_file_opens_with_what_it_is_for() {
    let rust = sources(workspace(), &[".rs"]);
    assert!(rust.len() > 50, "only {} files were found", rust.len());
    let wrong = |path: &PathBuf| !text(path).starts_with("//!");
    let programs = sources(&workspace().join("tests/programs"), &[".c", ".cc", ".h"]);
    let untold = |path: &PathBuf| !text(path).starts_with("//") && !text(path).starts_with("/*");
    let rust = rust.into_iter().filter(wrong);
    let all: Vec<String> =
        rust.chain(programs.into_iter().filter(untold)).map(|path| path.display().to_string()).collect();
    assert_none(&all, "files that do not open with a comment");
}

#[test]
fn no_source_file_is_over_400_lines() {
    let files = sources(workspace(), &[".rs", ".c", ".cc", ".h"]);
    let lines = files.iter().map(|path| (path, text(path).lines().count()));
    let long: Vec<String> =
        lines.filter(|(_, n)| *n > LINES_MAX).map(|(path, n)| format!("{}: {n}", path.display())).collect();
    assert_none(&long, "too long");
}

#[test]
fn layers_of_the_library_use_only_those_below_them() {
    let source = workspace().join("preload/src");
    let place = |module: &str| PRELOAD_LAYERS.iter().position(|layer| *layer == module);
    let mut wrong = Vec::new();
    let mut n_uses = 0;
    for path in sources(&source, &[".rs"]) {
        let Some(module) = module_of(&source, &path) else { continue };
        let own = place(&module).unwrap_or_else(|| panic!("{module} is in no layer"));
        for used in used_modules(&path) {
            n_uses += 1;
            if place(&used).is_some_and(|used| used > own) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(n_uses > 30, "only {n_uses} uses were found");
    assert_none(&wrong, "upward uses");
}

#[test]
fn the_analyzer_s_parts_know_only_what_they_may() {
    let all =
        ["model", "reader", "events", "replay", "follow", "symbolize", "snapshot", "analysis", "inspect"];
    let forbidden: [(&str, &[&str]); 9] = [
        ("text", &all),
        ("files", &all),
        ("host", &all),
        ("follow", &["symbolize", "snapshot", "analysis"]),
        ("model", &["reader", "events", "replay", "symbolize", "snapshot", "inspect"]),
        ("symbolize", &["reader", "events", "replay", "snapshot", "analysis"]),
        ("replay", &["follow", "symbolize", "snapshot", "analysis"]),
        ("events", &["replay", "follow", "symbolize", "snapshot", "analysis"]),
        ("reader", &["model", "events", "replay", "follow", "symbolize", "snapshot", "analysis"]),
    ];
    let source = workspace().join("analyzer/src");
    let mut wrong = Vec::new();
    for path in sources(&source, &[".rs"]) {
        let Some(module) = module_of(&source, &path) else { continue };
        let file = path.strip_prefix(&source).expect("it was found there").display().to_string();
        // Tests use what they test by.
        if file.ends_with("/tests.rs") {
            continue;
        }
        let Some((_, not)) = forbidden.iter().find(|(name, _)| *name == module) else { continue };
        let used = used_modules(&path).into_iter().filter(|used| not.contains(&used.as_str()));
        wrong.extend(used.map(|used| format!("{file} uses {used}")));
    }
    assert_none(&wrong, "uses against the direction of docs/ARCHITECTURE.md");
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
