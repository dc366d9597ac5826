//! `tmtool` as a user runs it, on `.snap` files: texts, exit codes, closed pipes.

mod snapshots;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use snapshots::{failure, folder, stdout};
use tempfile::TempDir;
use tm_analyzer::model::{Frame, Snapshot, Trace, Traceback};

/// The names of all commands, from the definition that parses them.
fn commands() -> Vec<String> {
    let names: Vec<String> =
        tmtool::cli::definition().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert!(names.len() >= 18, "{names:?}");
    names
}

#[test]
fn stats_of_a_snapshot() {
    let folder = folder();
    assert_eq!(
        stdout(folder.path(), &["stats", "new.snap"]),
        "A snapshot of unknown origin: 1007 B in 3 blocks\n\
         Shown: 2 of 2 lines, 1007 B in 3 blocks (100.0%)\n\n  \
         SIZE  SHARE  COUNT  AVERAGE  LOCATION\n\
         1000 B  99.3%      2    500 B  src/a.c:1\n   \
         7 B   0.7%      1      7 B  src/a.c:3\n"
    );
    let all = stdout(folder.path(), &["stats", "new.snap", "--key", "filename", "--cumulative", "--json"]);
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["n_groups"], 2);
    assert_eq!(all["statistics"][0]["size"], 1007);
}

#[test]
fn the_name_of_a_snapshot_does_not_matter() {
    let folder = folder();
    fs::rename(folder.path().join("new.snap"), folder.path().join("new.bin")).unwrap();
    assert!(stdout(folder.path(), &["stats", "new.bin"]).contains("1007 B"));
}

#[test]
fn tracebacks_show_source_that_is_at_hand() {
    let folder = folder();
    fs::write(folder.path().join("main.c"), "1\n2\n3\n  p = make();\n").unwrap();
    let text = stdout(folder.path(), &["stats", "new.snap", "--key", "traceback", "--limit", "1"]);
    let frames = "  File \"main.c\", line 4\n    p = make();\n  File \"src/a.c\", line 1\n";
    assert!(text.ends_with(frames), "{text}");
}

#[test]
fn diff_of_two_snapshots() {
    let folder = folder();
    let text = stdout(folder.path(), &["diff", "old.snap", "new.snap"]);
    assert!(text.contains("Difference: +857 B, +1 block\n"), "{text}");
    let rows: Vec<&str> = text.lines().rev().take(3).collect();
    assert!(rows[2].ends_with("src/a.c:1") && rows[1].ends_with("src/b.c:2"), "{text}");
}

/// A folder with `app.snap`, as of a C++ program: 100 bytes by way of `pool_get` and `std::vector`, 10 by `malloc`.
fn cpp_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let frame = |file: &str, line, function: &str| Frame {
        function: Some(function.into()),
        module: Some(tm_analyzer::model::ModuleFile::at("/opt/app/bin/app")),
        ..Frame::new(file, line)
    };
    let main = frame("src/main.cc", 5, "main");
    let through_vector = vec![
        frame("app+0x10", 0, "operator new(unsigned long)"),
        frame(
            "/usr/include/c++/12/bits/vector.tcc",
            650,
            "void std::vector<int>::_M_realloc_insert<int>(int&&)",
        ),
        frame("src/pool.cc", 7, "pool_get(int)"),
        frame("src/load.cc", 3, "Loader::load(int)"),
        main.clone(),
    ];
    let trace = |size, frames| Trace {
        domain: 0,
        size,
        traceback: Traceback::new(frames, None),
        tag: None,
        sample: None,
    };
    let traces = vec![trace(100, through_vector), trace(10, vec![main])];
    Snapshot::new(traces, 16).dump(&folder.path().join("app.snap")).unwrap();
    folder
}

#[test]
fn plumbing_is_passed_over_unless_raw() {
    let folder = cpp_folder();
    let first = |options: &[&str]| {
        let text = stdout(folder.path(), &[&["stats", "app.snap"], options].concat());
        text.lines().nth(4).unwrap_or_default().rsplit_once(" B  ").unwrap().1.to_owned()
    };
    assert_eq!(first(&[]), "src/pool.cc:7  pool_get(int)");
    assert_eq!(first(&["--plumbing", "pool_*"]), "src/load.cc:3  Loader::load(int)");
    assert_eq!(first(&["--plumbing", "@*/pool.cc", "--key", "function"]), "Loader::load(int)  src/load.cc");
    let vector =
        "/usr/include/c++/12/bits/vector.tcc:650  void std::vector<int>::_M_realloc_insert<int>(int&&)";
    assert_eq!(first(&["--plumbing", "!std::vector::*"]), vector);
    assert_eq!(first(&["--raw"]), "app+0x10  operator new(unsigned long)");
    assert_eq!(first(&["--raw", "--key", "filename"]), "app");
    assert_eq!(first(&["--key", "module"]), "/opt/app/bin/app");
    let stack = |options: &[&str]| {
        stdout(folder.path(), &[&["stats", "app.snap", "--key", "traceback"], options].concat())
    };
    assert!(!stack(&[]).contains("operator new") && stack(&["--raw"]).contains("operator new"));
}

#[test]
fn stacks_are_focused_on_ignored_and_hidden_by_the_names_of_their_frames() {
    let folder = cpp_folder();
    let line = stdout(folder.path(), &["filter", "app.snap", "-o", "copy.snap"]);
    assert!(line.starts_with("copy.snap: 2 of 2 blocks"), "{line}");
    let text = |options: &[&str]| stdout(folder.path(), &[&["stats", "app.snap"], options].concat());
    let whole = |options: &[&str]| text(options).lines().next().unwrap_or_default().to_owned();
    assert_eq!(whole(&["--focus", "^Loader::"]), "A snapshot of unknown origin: 100 B in 1 block");
    assert_eq!(whole(&["--focus", "operator new"]), "A snapshot of unknown origin: 100 B in 1 block");
    assert_eq!(
        whole(&["--focus", "pool", "--focus", "main"]),
        "A snapshot of unknown origin: 110 B in 2 blocks"
    );
    assert_eq!(whole(&["--ignore", "std::vector"]), "A snapshot of unknown origin: 10 B in 1 block");
    assert_eq!(
        whole(&["--focus", "bin/app$", "--ignore", "load"]),
        "A snapshot of unknown origin: 10 B in 1 block"
    );
    assert_eq!(whole(&["--focus", "nowhere"]), "A snapshot of unknown origin: 0 B in 0 blocks");
    let stacks = text(&["--key", "traceback", "--hide", "^Loader|operator", "--raw", "--full"]);
    assert!(!stacks.contains("Loader") && !stacks.contains("operator"), "{stacks}");
    assert!(stacks.contains("pool_get") && stacks.contains("110 B in 2 blocks"), "{stacks}");
    let hidden = text(&["--hide", "."]);
    assert!(hidden.ends_with("110 B  100.0%      2     55 B  <hidden>\n"), "{hidden}");
    assert!(text(&["--hide", "pool_get"]).contains("src/load.cc:3"), "the caller is to blame");
}

#[test]
fn an_expression_that_is_none_is_refused_where_it_goes_wrong() {
    let folder = cpp_folder();
    for (option, command) in [("--focus", "stats"), ("--ignore", "diff"), ("--hide", "watch")] {
        let (code, message) = failure(folder.path(), &[command, "app.snap", option, "std::(vector"]);
        assert_eq!(code, 2, "{message}");
        let expected =
            format!("error: invalid value 'std::(vector' for '{option} <RE>': unclosed group, at '(vector'");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn filter_matches_the_blamed_frame_and_keeps_whole_stacks() {
    let folder = cpp_folder();
    let line = stdout(folder.path(), &["filter", "app.snap", "--include", "*/pool.cc", "-o", "pool.snap"]);
    assert!(line.starts_with("pool.snap: 1 of 2 blocks"), "{line}");
    assert!(stdout(folder.path(), &["stats", "pool.snap", "--raw"]).contains("operator new"));
    let raw =
        stdout(folder.path(), &["filter", "app.snap", "--raw", "--include", "*/pool.cc", "-o", "none.snap"]);
    assert!(raw.starts_with("none.snap: 0 of 2 blocks"), "{raw}");
}

#[test]
fn csv_has_a_line_for_each_group() {
    let folder = cpp_folder();
    assert_eq!(
        stdout(folder.path(), &["stats", "app.snap", "--csv"]),
        "size,count,average,share,filename,lineno,function,module\n\
         100,1,100.0,0.909091,src/pool.cc,7,pool_get(int),/opt/app/bin/app\n\
         10,1,10.0,0.090909,src/main.cc,5,main,/opt/app/bin/app\n"
    );
}

/// A folder with `old.snap` and `new.snap`, whose blocks are under labels.
fn tagged_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let trace = |size, tag: Option<&str>| {
        let traceback = Traceback::new(vec![Frame::new("src/a.c", 1)], None);
        Trace { domain: 0, size, traceback, tag: tag.map(Into::into), sample: None }
    };
    let old = vec![trace(100, Some("read, parse")), trace(50, None)];
    let new = vec![trace(100, Some("read, parse")), trace(900, Some("render")), trace(7, None)];
    Snapshot::new(old, 16).dump(&folder.path().join("old.snap")).unwrap();
    Snapshot::new(new, 16).dump(&folder.path().join("new.snap")).unwrap();
    folder
}

#[test]
fn labels_group_and_select() {
    let folder = tagged_folder();
    let run = |arguments: &[&str]| stdout(folder.path(), arguments);
    assert_eq!(
        run(&["stats", "new.snap", "--key", "tag"]),
        "A snapshot of unknown origin: 1007 B in 3 blocks\n\
         Shown: 3 of 3 tags, 1007 B in 3 blocks (100.0%)\n\n \
         SIZE  SHARE  COUNT  AVERAGE  TAG\n\
         900 B  89.4%      1    900 B  render\n\
         100 B   9.9%      1    100 B  read, parse\n  \
         7 B   0.7%      1      7 B  (no tag)\n"
    );
    assert_eq!(
        run(&["stats", "new.snap", "--key", "tag", "--csv"]),
        "size,count,average,share,tag\n900,1,900.0,0.893744,render\n100,1,100.0,0.099305,\"read, parse\"\n\
         7,1,7.0,0.006951,\n"
    );
    let diff = run(&["diff", "old.snap", "new.snap", "--key", "tag"]);
    let rows: Vec<&str> = diff.lines().rev().take(3).collect();
    assert!(diff.contains("2 of 2 tags that changed (1 did not)"), "{diff}");
    assert!(rows[1].ends_with("  render") && rows[0].ends_with("  (no tag)"), "{diff}");
    let json: Value = serde_json::from_str(&run(&["stats", "new.snap", "--key", "tag", "--json"])).unwrap();
    assert_eq!(
        (&json["statistics"][0]["tag"], &json["statistics"][2]["tag"]),
        (&"render".into(), &Value::Null)
    );
    assert!(run(&["stats", "new.snap", "--tag", "render"]).contains("900 B in 1 block"));
    assert!(run(&["stats", "new.snap", "--tag", "(no tag)"]).contains("7 B in 1 block"));
    run(&["filter", "new.snap", "--tag", "render", "-o", "render.snap"]);
    assert!(run(&["stats", "render.snap", "--key", "tag"]).ends_with("  render\n"));
    let (code, text) = failure(folder.path(), &["stats", "new.snap", "--tag", "x"]);
    assert_eq!(
        (code, text.as_str()),
        (1, "tmtool: new.snap has no tag 'x'; its 2 tags are read, parse and render\n")
    );
}

#[test]
fn a_snapshot_without_labels_is_one_group() {
    let folder = folder();
    let text = stdout(folder.path(), &["stats", "new.snap", "--key", "tag"]);
    assert!(text.ends_with("1007 B  100.0%      3    336 B  (no tag)\n"), "{text}");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(folder.path(), &["completions", shell]).contains("plumbing"), "{shell}");
    }
    assert!(stdout(folder.path(), &["man"]).contains(".TH tmtool 1"));
    stdout(folder.path(), &["man", "pages/man1"]);
    for command in commands() {
        let page = fs::read_to_string(folder.path().join(format!("pages/man1/tmtool-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
}

#[test]
fn every_command_has_help_with_examples() {
    let folder = tempfile::tempdir().unwrap();
    for command in &commands() {
        let text = stdout(folder.path(), &[command, "--help"]);
        assert!(text.contains("Examples:\n  tmtool "), "{command}: {text}");
        assert_eq!(stdout(folder.path(), &["help", command]), text);
    }
}

#[test]
fn what_filter_writes_the_others_read() {
    let folder = folder();
    let line = stdout(folder.path(), &["filter", "new.snap", "--include", "*/a.c:1", "-o", "part.snap"]);
    assert_eq!(line, "part.snap: 2 of 3 blocks, 1000 B of 1007 B (99.3%)\n");
    assert!(stdout(folder.path(), &["stats", "part.snap"]).contains("1000 B in 2 blocks"));
    // The most recent frame is not in main.c; some frame is.
    for (option, kept) in [(&[][..], "0 of 3"), (&["--all-frames"], "3 of 3")] {
        let arguments = [&["filter", "new.snap", "--include", "main.c", "-o", "main.snap"], option].concat();
        assert!(stdout(folder.path(), &arguments).contains(kept));
    }
}

#[test]
fn bad_files_are_one_sentence_and_exit_code_1() {
    let folder = folder();
    let good = fs::read(folder.path().join("new.snap")).unwrap();
    fs::write(folder.path().join("cut.snap"), &good[..good.len() / 2]).unwrap();
    fs::write(folder.path().join("empty.snap"), "").unwrap();
    fs::write(folder.path().join("text.snap"), "hello\n").unwrap();
    for (file, what) in [
        ("none.snap", "no such file"),
        ("cut.snap", "is cut"),
        ("empty.snap", "empty.snap is empty"),
        ("text.snap", "cannot read text.snap"),
        (".", "directory"),
    ] {
        let (code, text) = failure(folder.path(), &["stats", file]);
        assert_eq!(code, 1);
        assert!(text.starts_with("tmtool: ") && text.contains(what) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn wrong_command_lines_are_exit_code_2() {
    let folder = folder();
    for arguments in [
        &["stats"][..],
        &["stats", "new.snap", "--at", "noon"],
        &["stats", "new.snap", "--at", "end"],
        &["stats", "new.snap", "--key", "traceback", "--cumulative"],
        &["stats", "new.snap", "--key", "tag", "--cumulative"],
        &["diff", "new.snap", "new.snap@noon"],
        &["leaks", "new.snap"],
        &["top", "new.snap", "--raw", "--plumbing", "x"],
        &["timeline", "new.snap", "--json", "--csv"],
        &["filter", "new.snap"],
        &["nonsense"],
    ] {
        let (code, text) = failure(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {text}");
        assert!(!text.is_empty());
    }
}

#[test]
fn a_closed_pipe_is_success_and_a_full_disk_is_not() {
    let folder = folder();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tmtool"));
        command.current_dir(folder.path()).args(["stats", "new.snap"]).stdout(stdout);
        command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    let output = run(writer.into());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = run(full.into());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write to standard output"));
}

#[test]
fn a_report_says_what_it_has_written_and_what_it_is_of() {
    let folder = cpp_folder();
    let line = stdout(folder.path(), &["report", "app.snap"]);
    assert!(line.starts_with("app.html: ") && line.ends_with(" KiB, 5 nodes of stacks\n"), "{line}");
    let html = fs::read_to_string(folder.path().join("app.html")).unwrap();
    assert!(html.contains("<title>app.snap - tm report</title>"), "no title");
    let line = stdout(folder.path(), &["report", "app.snap", "app.snap", "--hide", "pool_get"]);
    assert!(line.starts_with("app.diff.html: ") && line.ends_with(" KiB, 4 nodes of stacks\n"), "{line}");
    assert_eq!(stdout(folder.path(), &["report", "app.snap", "-o", "-"]), html);
}

#[test]
fn a_report_refuses_what_it_cannot_show() {
    let folder = cpp_folder();
    for (arguments, expected) in [
        (&["report", "app.snap@10s"][..], "app.snap is a snapshot of one moment"),
        (&["report", "app.snap", "app.snap", "--at", "peak"], "cannot be used with"),
        (&["report", "app.snap", "-o", "app.snap"], "is the file that is read"),
        (&["report", "app.snap", "-o", "-", "--open"], "cannot be opened"),
    ] {
        let (code, said) = failure(folder.path(), arguments);
        assert!(code == 2 && said.contains(expected), "{code}: {said}");
    }
    assert!(!folder.path().join("app.html").exists());
}
