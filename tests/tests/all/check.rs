//! `tmtool check` fails on a leak of one block and passes on the same code without it, in C++, Rust and Python; and its exit codes
//! never mean two things: 0 within, 1 beyond, 2 could not be checked.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::exported::{python_with, read_by};
use tm_tests::hostile;
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::python::DEBIAN;
use tm_tests::run::{Outcome, Run};

/// What a command said, and its exit code.
struct Said {
    code: Option<i32>,
    text: String,
    errors: String,
}

fn tmtool(folder: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(&products().tmtool).current_dir(folder).args(arguments).output();
    let output = output.expect("tmtool starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), text: text(&output.stdout), errors: text(&output.stderr) }
}

impl Said {
    /// Asks for an exit code.
    #[track_caller]
    fn ends(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.text, self.errors);
        self.text
    }

    /// Asks for a sentence on why it could not be checked.
    #[track_caller]
    fn refuses(self, part: &str) {
        assert_eq!((self.code, self.text.as_str()), (Some(2), ""), "{}", self.errors);
        assert!(self.errors.starts_with("tmtool: ") && self.errors.contains(part), "{}", self.errors);
        assert_eq!(self.errors.lines().count(), 1, "{}", self.errors);
    }
}

/// A program as it is run, clean or with a leak of one block.
struct Subject {
    program: PathBuf,
    first: Vec<String>,
    source: &'static str,
}

impl Subject {
    fn of(source: &'static str) -> Subject {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/python").join(source);
        let (program, first) = match source.rsplit('.').next() {
            Some("py") => (DEBIAN.into(), vec![program.display().to_string()]),
            _ => (compile(source, &["-g", "-O1"][..if source.ends_with(".rs") { 1 } else { 2 }]), Vec::new()),
        };
        Subject { program, first, source }
    }

    fn recorded(&self, leaks: bool) -> Outcome {
        let leak = leaks.then_some("leak");
        let arguments = self.first.iter().map(String::as_str).chain(leak).collect::<Vec<_>>();
        let outcome = Run::new(&self.program).args(arguments).env("PYTHONHASHSEED", "0").recorded();
        assert!(outcome.status.success(), "{}", outcome.stderr);
        outcome
    }

    /// `leaks_one.cc:8`
    fn place(&self) -> String {
        let folder = if self.first.is_empty() { "programs" } else { "programs/python" };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(self.source);
        let text = std::fs::read_to_string(path).expect("it was run");
        let line = text.lines().position(|line| line.ends_with("LEAK")).expect("it is marked") + 1;
        format!("{}:{line}", self.source)
    }
}

fn file(outcome: &Outcome) -> String {
    outcome.recording().display().to_string()
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder")
}

fn write(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).expect("the scratch folder can be written to");
}

/// The gate of one program: blessed from a clean run, it passes another clean run and fails one with a leak of one block.
fn gate(source: &'static str, budget: &str) {
    let (subject, folder) = (Subject::of(source), scratch());
    let (clean, again, leaking) = (subject.recorded(false), subject.recorded(false), subject.recorded(true));
    if !budget.is_empty() {
        write(&folder, "tm-budget.toml", budget);
    }
    let check = |outcome: &Outcome, options: &[&str]| {
        tmtool(folder.path(), &[&["check", &file(outcome)], options].concat())
    };
    check(&clean, &["--bless"]).ends(0);
    let text = check(&again, &[]).ends(0);
    assert!(text.contains("within ") && !text.contains("OVER"), "{text}");
    let text = check(&leaking, &[]).ends(1);
    assert!(text.contains("leaked-blocks") && text.contains(&subject.place()), "{text}");
    if budget.is_empty() {
        let text = check(&again, &["--inject-leak"]).ends(1);
        assert!(text.contains("It is noticed by ") && text.contains("total leaked-blocks"), "{text}");
    }
}

#[test]
fn a_leak_of_one_block_fails_the_gate_of_a_program_in_cpp() {
    gate("leaks_one.cc", "");
}

#[test]
fn a_leak_of_one_block_fails_the_gate_of_a_program_in_rust() {
    gate("leaks_one.rs", "");
}

#[test]
fn a_leak_of_one_block_fails_the_gate_of_a_program_in_python() {
    gate("leaks_one.py", "[[part]]\nfile = '*leaks_one.py'\nfunction = 'take_block'\nleaked-blocks = 7\n");
}

#[test]
fn what_machines_read_says_the_same() {
    let (subject, folder) = (Subject::of("leaks_one.cc"), scratch());
    write(&folder, "b.toml", "[total]\nleaked-blocks = 0\npeak = '1 GiB'\n");
    let outcome = subject.recorded(true);
    let leaking = file(&outcome);
    let options = ["--budget", "b.toml", "--junit", "j.xml", "--sarif", "s.sarif"];
    let text = tmtool(folder.path(), &[&["check", &leaking], &options[..], &["--github"]].concat()).ends(1);
    let annotation = text.lines().find(|line| line.starts_with("::error ")).expect("there is one");
    let (name, line) =
        subject.place().rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a line");
    assert!(annotation.contains(&format!("{name},line={line},title=")), "{annotation}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it was written");
    let junit = read("j.xml");
    assert!(junit.contains("tests=\"2\"") && junit.contains("failures=\"1\""), "{junit}");
    let sarif: Value = serde_json::from_str(&read("s.sarif")).expect("it is JSON");
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert!(place["artifactLocation"]["uri"].as_str().is_some_and(|uri| uri.ends_with(&name)), "{sarif:#}");
    assert_eq!(place["region"]["startLine"].to_string(), line);
    assert_eq!(faults_of_sarif(&folder.path().join("s.sarif")), Vec::<String>::new());
    let json = tmtool(folder.path(), &[&["check", &leaking, "--json"], &options[..2]].concat()).ends(1);
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((&json["within"], json["limits"].as_array().map(Vec::len)), (&Value::Bool(false), Some(2)));
    // Written over by the next run, and over nothing else.
    tmtool(folder.path(), &[&["check", &leaking], &options[..]].concat()).ends(1);
    let snap = folder.path().join("s.snap");
    tmtool(folder.path(), &["filter", &leaking, "-o", "s.snap"]).ends(0);
    let before = std::fs::read(&snap).expect("it was written");
    for name in ["s.snap", "b.toml", &leaking] {
        let said = tmtool(folder.path(), &["check", &leaking, "--budget", "b.toml", "--junit", name]);
        said.refuses("would be overwritten");
    }
    assert_eq!(std::fs::read(&snap).expect("it is there"), before);
}

/// What the schema of SARIF that its committee has published says against a file.
fn faults_of_sarif(file: &Path) -> Vec<String> {
    let script = "import json, sys, jsonschema\n\
                  schema, log = (json.load(open(path)) for path in sys.argv[1:])\n\
                  checker = jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)\n\
                  assert {'uri', 'uri-reference'} <= set(checker.format_checker.checkers)\n\
                  print(json.dumps([str(list(fault.absolute_path)) for fault in checker.iter_errors(log)]))";
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/sarif-schema-2.1.0.json");
    let python = python_with(&["jsonschema", "rfc3986_validator"]);
    let said = read_by(Command::new(python).args(["-c", script]).arg(schema).arg(file));
    serde_json::from_str(&said).expect("it prints JSON")
}

#[test]
fn sarif_is_what_its_schema_says() {
    let folder = scratch();
    write(
        &folder,
        "b.toml",
        "[total]\nleaked-blocks = 0\npeak = '1 GiB'\n[[part]]\nfunction = '*script*'\nend = 0\n",
    );
    let program = hostile::program(folder.path());
    let outcome = Run::new(&program).recorded();
    let (recording, sarif) = (file(&outcome), folder.path().join("s.sarif"));
    for (options, code) in [(&["--budget", "b.toml"][..], 1), (&["--baseline", &recording], 0)] {
        let all = [&["check", &recording, "--sarif", "s.sarif"], options].concat();
        tmtool(folder.path(), &all).ends(code);
        assert_eq!(faults_of_sarif(&sarif), Vec::<String>::new(), "{options:?}");
        let text = std::fs::read_to_string(&sarif).expect("it was written");
        let log: Value = serde_json::from_str(&text).expect("it is JSON");
        let n_results = log["runs"][0]["results"].as_array().map(Vec::len);
        assert_eq!(n_results.is_some_and(|n| n > hostile::names().len()), code == 1, "{n_results:?}");
    }
    // It is heard of what is wrong.
    write(
        &folder,
        "wrong.sarif",
        r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "a"}}, "results": [{}]}]}"#,
    );
    assert_eq!(faults_of_sarif(&folder.path().join("wrong.sarif")), ["['runs', 0, 'results', 0]"]);
}

#[test]
fn known_leaks_are_suppressed_by_the_lists_of_other_tools() {
    let (subject, folder) = (Subject::of("leaks_one.cc"), scratch());
    write(&folder, "tm-budget.toml", "[total]\nleaked-blocks = 0\nleaked = 0\n");
    let outcome = subject.recorded(true);
    let leaking = file(&outcome);
    tmtool(folder.path(), &["check", &leaking]).ends(1);
    write(&folder, "lsan.supp", "# ours\nleak:^take_block\nleak:never\n");
    let own = "[[suppress]]\nfunction = 'take_*'\nreason = 'on purpose'\n";
    write(&folder, "own.toml", own);
    for list in ["lsan.supp", "own.toml"] {
        let text = tmtool(folder.path(), &["check", &leaking, "--suppressions", list]).ends(0);
        assert!(text.contains("Live at the end and suppressed: 1000 B in 1 block\n"), "{text}");
        assert_eq!(
            text.contains("Unused suppression: leak:never (lsan.supp:3)\n"),
            list == "lsan.supp",
            "{text}"
        );
    }
    write(&folder, "never.supp", "leak:never\n");
    tmtool(folder.path(), &["check", &leaking, "--suppressions", "never.supp"]).ends(1);
    // What valgrind itself would write of this leak.
    let log = Command::new(installed("valgrind"))
        .args(["--leak-check=full", "--show-leak-kinds=all", "--gen-suppressions=all"])
        .arg(&subject.program)
        .arg("leak")
        .output()
        .expect("it is installed");
    let log = String::from_utf8_lossy(&log.stderr).into_owned();
    let entries = log.split("{\n").skip(1).filter_map(|rest| rest.split_once("\n}")).map(|(body, _)| body);
    let entry = entries.filter(|body| body.contains("take_block")).map(|body| format!("{{\n{body}\n}}\n"));
    let list: String = entry.collect();
    assert!(list.contains("fun:malloc"), "{log}");
    write(&folder, "valgrind.supp", &list);
    tmtool(folder.path(), &["check", &leaking, "--suppressions", "valgrind.supp"]).ends(0);
}

#[test]
fn growth_is_counted_from_a_recording_or_a_snapshot() {
    let (subject, folder) = (Subject::of("leaks_one.cc"), scratch());
    let outcomes = [subject.recorded(false), subject.recorded(true)];
    let [clean, leaking] = outcomes.each_ref().map(file);
    tmtool(folder.path(), &["filter", &clean, "--at", "end", "-o", "end.snap"]).ends(0);
    tmtool(folder.path(), &["filter", &clean, "--at", "peak", "-o", "peak.snap"]).ends(0);
    for old in [clean.as_str(), "end.snap", "peak.snap"] {
        tmtool(folder.path(), &["check", &clean, "--baseline", old]).ends(0);
    }
    for old in [clean.as_str(), "end.snap"] {
        let text = tmtool(folder.path(), &["check", &leaking, "--baseline", old]).ends(1);
        assert!(text.contains("leaked-blocks"), "{text}");
    }
    tmtool(folder.path(), &["check", &leaking, "--baseline", "peak.snap"]).ends(0);
    tmtool(folder.path(), &["check", &leaking, "--baseline", "end.snap", "--growth", "1000"]).ends(0);
    let other = Run::new(compile("leak.cc", &["-g", "-O1"])).recorded();
    let said = tmtool(folder.path(), &["check", &file(&other), "--baseline", "end.snap"]);
    said.refuses("growth is that of one program");
}

#[test]
fn what_could_not_be_checked_is_neither_within_nor_beyond() {
    let (subject, folder) = (Subject::of("leaks_one.cc"), scratch());
    let outcome = subject.recorded(false);
    let clean = file(&outcome);
    let check = |options: &[&str]| tmtool(folder.path(), &[&["check", &clean], options].concat());
    check(&[]).refuses("there is no tm-budget.toml here");
    check(&["--budget", "nowhere.toml"]).refuses("cannot read nowhere.toml");
    write(&folder, "b.toml", "[total]\n\nleakd = 0\n");
    check(&["--budget", "b.toml"]).refuses("b.toml:3: there is no key 'leakd' here; did you mean 'leaked'?");
    write(&folder, "b.toml", "[total]\nleaked = = 0\n");
    check(&["--budget", "b.toml"]).refuses("b.toml:2: this is no TOML: ");
    check(&["--budget", "b.toml", "--bless"]).refuses("b.toml:2: this is no TOML: ");
    write(&folder, "b.toml", "");
    check(&["--budget", "b.toml"]).refuses("has no limit");
    write(&folder, "b.toml", "[[part]]\nfunction = 'no_such'\nleaked = 0\n");
    check(&["--budget", "b.toml"]).refuses("nothing was allocated in 'function no_such'");
    write(&folder, "b.toml", "[total]\npeak = '1 GiB'\n");
    check(&["--budget", "b.toml", "--inject-leak", "5"]).refuses("does not notice a leaked block of 5 bytes");
    write(&folder, "damaged.supp", "{\n x\n Memcheck:Leak\n");
    check(&["--budget", "b.toml", "--suppressions", "damaged.supp"])
        .refuses("damaged.supp:1: this entry has no end");
    check(&["--budget", "b.toml", "--between", "1%..2%"]).refuses("check is of a whole run");
    tmtool(folder.path(), &["filter", &clean, "-o", "a.snap"]).ends(0);
    tmtool(folder.path(), &["check", "a.snap", "--budget", "b.toml"]).refuses("needs all events");
    tmtool(folder.path(), &["check", "gone.bin", "--budget", "b.toml"]).refuses("gone.bin");
    check(&["--budget", "b.toml"]).ends(0);
}

#[test]
fn running_and_checking_is_one_command() {
    let (subject, folder) = (Subject::of("leaks_one.cc"), scratch());
    write(&folder, "tm-budget.toml", "[total]\nleaked-blocks = 0\n");
    let program = subject.program.display().to_string();
    let run = |words: &[&str]| tmtool(folder.path(), &[&["run", "--check", "-o", "r.bin"], words].concat());
    let clean = run(&[&program]);
    assert!(clean.errors.contains("tm: Checked by tm-budget.toml: within its limit\n"), "{}", clean.errors);
    clean.ends(0);
    let leaking = run(&[&program, "leak"]);
    assert!(
        leaking.errors.contains("tm: Over: total leaked-blocks: 1 where 0 is allowed\n"),
        "{}",
        leaking.errors
    );
    leaking.ends(1);
    let failing = run(&["sh", "-c", "exit 7"]);
    assert!(failing.errors.contains("tm: not checked: the program failed\n"), "{}", failing.errors);
    failing.ends(7);
    write(&folder, "tm-budget.toml", "[total]\npaek = 0\n");
    let broken = run(&[&program]);
    assert!(broken.errors.contains("tm: could not be checked: tm-budget.toml:2: "), "{}", broken.errors);
    broken.ends(2);
}
