//! What surprises nobody: a file alone, a closed standard output, a locale without Unicode, files that are in the way.

mod snapshots;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use snapshots::{failure, folder, stdout};
use tm_analyzer::model::{Frame, Origin, Snapshot, Trace, Traceback};

/// `script` by the shell, with `$TM` for tmtool: (exit code, stdout, stderr).
fn shell(folder: &Path, script: &str) -> (i32, String, String) {
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-c", script]).env("TM", env!("CARGO_BIN_EXE_tmtool"));
    for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_file_alone_is_shown_as_by_stats() {
    let folder = folder();
    let shown = stdout(folder.path(), &["stats", "new.snap", "--limit", "1"]);
    assert_eq!(stdout(folder.path(), &["new.snap", "--limit", "1"]), shown);
    let missing = "tmtool: cannot open gone.bin: no such file or directory\n";
    assert_eq!(failure(folder.path(), &["gone.bin"]), (1, missing.to_owned()));
    let (code, message) = failure(folder.path(), &["stast"]);
    assert!(
        code == 2 && message.contains("'stats'") && message.contains("no file of this name"),
        "{message}"
    );
}

#[test]
fn an_answer_that_nobody_gets_is_a_failure() {
    let folder = folder();
    for command in
        ["stats new.snap", "stats new.snap --json", "--help", "--version", "stats --help", "completions bash"]
    {
        let (code, _, message) = shell(folder.path(), &format!("$TM {command} >&-"));
        let closed = "tmtool: cannot write to standard output: bad file descriptor\n";
        assert_eq!((code, &*message), (1, closed), "{command}");
        let (code, _, message) = shell(folder.path(), &format!("$TM {command} >/dev/full"));
        let full = "tmtool: cannot write to standard output: no space left on device\n";
        assert_eq!((code, &*message), (1, full), "{command}");
    }
    // What is thrown away was wanted so, even where the descriptor may be read too.
    assert_eq!(shell(folder.path(), "$TM stats new.snap 1<>/dev/null"), (0, String::new(), String::new()));
}

#[test]
fn a_locale_without_unicode_gets_ascii() {
    let folder = tempfile::tempdir().unwrap();
    let frames = vec![Frame::new("r\u{e9}sum\u{e9}\u{202e}.c", 1)];
    let trace =
        Trace { domain: 0, size: 1, traceback: Traceback::new(frames, Some(1)), tag: None, sample: None };
    Snapshot::new(vec![trace], 16).dump(&folder.path().join("a.snap")).unwrap();
    for (locale, expected) in [
        ("LC_ALL=C", "r\\u{e9}sum\\u{e9}\\u{202e}.c:1\n"),
        ("LC_ALL= LANG=POSIX", "r\\u{e9}sum\\u{e9}\\u{202e}.c:1\n"),
        ("LC_ALL=C.UTF-8 LANG=C", "r\u{e9}sum\u{e9}\\u{202e}.c:1\n"),
        ("LC_ALL=", "r\u{e9}sum\u{e9}\\u{202e}.c:1\n"),
    ] {
        let (code, text, _) = shell(folder.path(), &format!("{locale} $TM a.snap"));
        assert!(code == 0 && text.ends_with(expected), "{locale}: {text}");
    }
    let (_, json, _) = shell(folder.path(), "LC_ALL=C $TM a.snap --json");
    assert!(json.contains("r\u{e9}sum\u{e9}"), "data stays as it is: {json}");
}

#[test]
fn nothing_but_a_snapshot_is_overwritten() {
    let folder = folder();
    fs::write(folder.path().join("a.bin"), b"\x89TMREC\r\n and more").unwrap();
    fs::write(folder.path().join("main.c"), "int main;").unwrap();
    let file = |name: &str| fs::read(folder.path().join(name)).unwrap();
    for (name, what) in [("a.bin", "is a recording"), ("main.c", "is there and no snapshot")] {
        let before = file(name);
        let (code, message) = failure(folder.path(), &["filter", "new.snap", "-o", name]);
        assert!(code == 2 && message.contains(what) && message.contains("--force"), "{message}");
        assert_eq!(file(name), before);
        let (code, message) = failure(folder.path(), &["filter", name, "-o", name]);
        assert!(code == 2 && message.contains("is the file that is read"), "{message}");
    }
    stdout(folder.path(), &["filter", "new.snap", "-o", "old.snap"]);
    stdout(folder.path(), &["filter", "new.snap", "-o", "a.bin", "--force"]);
    assert_eq!(file("a.bin"), file("old.snap"));
}

#[test]
fn tabs_of_source_lines_are_spaces() {
    let folder = folder();
    fs::write(folder.path().join("main.c"), "1\n2\n3\n\tp\t= make();\t/* \u{202e} */\n").unwrap();
    let text = stdout(folder.path(), &["stats", "new.snap", "--key", "traceback", "--limit", "1"]);
    assert!(text.contains("    p   = make();   /* \\u{202e} */\n"), "{text}");
}

#[test]
fn a_filtered_snapshot_goes_to_standard_output_where_that_is_no_terminal() {
    let folder = folder();
    let (code, _, message) = shell(folder.path(), "$TM filter new.snap -o - > out.snap");
    assert_eq!((code, &*message), (0, ""));
    assert!(!folder.path().join("-").exists());
    let shown = |name: &str| stdout(folder.path(), &["stats", name]);
    assert_eq!(shown("out.snap"), shown("new.snap"));
}

#[test]
fn a_program_of_a_snapshot_is_the_one_that_it_is_of() {
    let folder = folder();
    let mut snapshot = Snapshot::load(&folder.path().join("new.snap")).unwrap();
    snapshot.origin = Some(Origin { program: "/bin/cc1".to_owned(), pid: 7, ..Origin::default() });
    snapshot.dump(&folder.path().join("cc1.snap")).unwrap();
    for name in ["cc1", "7"] {
        stdout(folder.path(), &["stats", "cc1.snap", "--program", name]);
    }
    let none = "tmtool: cc1.snap has no program 'as'; it has cc1\n".to_owned();
    assert_eq!(failure(folder.path(), &["stats", "cc1.snap", "--program", "as"]), (1, none));
}

#[test]
fn a_folder_is_not_watched() {
    let folder = folder();
    let (code, message) = failure(folder.path(), &["watch", "."]);
    assert!(code == 1 && message.contains("one recording is watched at a time"), "{message}");
}
