//! What workloads work on, made on the spot and alike on every machine.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tm_tests::products::workspace;
use tm_tests::programs::installed;

/// A `source` of `tests/programs`, preprocessed by a `compiler`, for itself.
pub fn preprocessed(compiler: &str, source: &str, folder: &Path) -> PathBuf {
    let path = folder.join("preprocessed.ii");
    let source = workspace().join("tests/programs").join(source);
    let status = Command::new(installed(compiler)).arg("-E").arg(source).arg("-o").arg(&path).status();
    assert!(status.expect("a compiler starts").success(), "{compiler} -E fails");
    path
}

/// The compiler proper.
pub fn cc1plus() -> PathBuf {
    let output = Command::new(installed("g++")).arg("-print-prog-name=cc1plus").output().expect("g++ starts");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// An array of `n` objects.
pub fn json(folder: &Path, n: u64) -> PathBuf {
    let object = |i: u64| {
        let values: Vec<String> = (0..i % 9).map(|n| (n * i).to_string()).collect();
        format!(
            "{{\"id\":{i},\"name\":\"row {}\",\"values\":[{}],\"more\":{{\"x\":{}}}}}",
            i % 313,
            values.join(","),
            i / 7
        )
    };
    let text = format!("[{}]", (0..n).map(object).collect::<Vec<_>>().join(",\n"));
    written(folder.join("input.json"), &text)
}

/// A tree of `n` items in groups of ten.
pub fn xml(folder: &Path, n: u64) -> PathBuf {
    let item = |i: u64| {
        let (begin, end) =
            (if i.is_multiple_of(10) { "<group>" } else { "" }, if i % 10 == 9 { "</group>" } else { "" });
        format!(
            "{begin}<item id=\"{i}\" kind=\"k{}\"><name>item {i}</name><v>{}</v></item>{end}",
            i % 7,
            i * 31
        )
    };
    let text = format!("<all>{}</all>", (0..n / 10 * 10).map(item).collect::<String>());
    written(folder.join("input.xml"), &text)
}

fn written(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, text).expect("the temporary folder can be written");
    path
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
