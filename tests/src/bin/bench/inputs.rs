//! What workloads work on, made on the spot and alike on every machine.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tm_tests::products::workspace;
use tm_tests::programs::installed;

/// `tests/programs/regex.cc`, preprocessed: what cc1plus compiles.
pub fn preprocessed(folder: &Path) -> PathBuf {
    let path = folder.join("regex.ii");
    let source = workspace().join("tests/programs/regex.cc");
    let status = Command::new(installed("g++")).arg("-E").arg(source).arg("-o").arg(&path).status();
    assert!(status.expect("g++ starts").success(), "g++ -E fails");
    path
}

/// The compiler proper.
pub fn cc1plus() -> PathBuf {
    let output = Command::new(installed("g++")).arg("-print-prog-name=cc1plus").output().expect("g++ starts");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// A git repository of `n_commits`, each of which changes five of forty text files.
pub fn repository(folder: &Path, n_commits: u64) -> PathBuf {
    let path = folder.join("repository");
    let git = || {
        let mut git = Command::new(installed("git"));
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        git
    };
    let status = git().args(["init", "-q", "-b", "main"]).arg(&path).status().expect("git starts");
    assert!(status.success(), "git init fails");
    let mut import = git();
    import.arg("-C").arg(&path).args(["fast-import", "--quiet", "--done"]).stdin(Stdio::piped());
    let mut import = import.spawn().expect("git starts");
    let mut stdin = import.stdin.take().expect("it is a pipe");
    for commit in 0..n_commits {
        stdin.write_all(commit_text(commit).as_bytes()).expect("git reads it");
    }
    stdin.write_all(b"done\n").expect("git reads it");
    drop(stdin);
    assert!(import.wait().expect("it is our child").success(), "git fast-import fails");
    path
}

/// A commit as `git fast-import` takes it.
fn commit_text(commit: u64) -> String {
    let mut text =
        format!("commit refs/heads/main\ncommitter A <a@example.com> {} +0000\n", 1_700_000_000 + commit);
    writeln!(text, "data 12\ncommit{commit:06}").expect("a string takes all");
    for file in (0..5).map(|i| (commit * 3 + i) % 40) {
        let mut content = String::new();
        for line in 0..60 + commit / 10 {
            let changed = if line % 7 == commit % 7 { commit } else { 0 };
            writeln!(content, "line {line} of file {file}, changed in commit {changed}").expect("as above");
        }
        write!(
            text,
            "M 100644 inline folder{}/file{file}.txt\ndata {}\n{content}\n",
            file % 4,
            content.len()
        )
        .expect("as above");
    }
    text
}
