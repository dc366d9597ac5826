//! `tmtool bundle`: a recording that carries its names says the same where nothing else is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile, compile_by, copy_program};
use tm_tests::run::{Outcome, Run};
use tm_tests::wait;

use crate::page_data;

/// A recording under this name, whatever it is, so that reports are equal to the byte.
const NAME: &str = "run.bin";

/// What is asked of a recording here, and of its bundle elsewhere.
const QUESTIONS: [&[&str]; 9] = [
    &["stats", NAME, "--limit", "0", "--full"],
    &["stats", NAME, "--key", "traceback", "--limit", "0", "--at", "end", "--json"],
    &["stats", NAME, "--key", "function", "--process", "all", "--raw", "--csv"],
    &["top", NAME, "--limit", "0"],
    &["leaks", NAME, "--key", "traceback", "--json", "--runtime"],
    &["peak", NAME, "--key", "module"],
    &["temporary", NAME],
    &["diff", "run.bin@10%", "run.bin@end", "--key", "function"],
    &["export", "folded", NAME, "-o", "-"],
];

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(TempDir::new().expect("the temporary folder can be written"))
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// What tmtool says, run here; with no other files where `sysroot` is.
    fn tmtool(&self, arguments: &[&str], sysroot: Option<&Path>) -> Output {
        let mut command = Command::new(&products().tmtool);
        command.args(arguments).current_dir(self.0.path());
        if let Some(root) = sysroot {
            command.env("TMTOOL_SYSROOT", root);
        }
        command.output().expect("tmtool starts")
    }

    fn says(&self, arguments: &[&str], sysroot: Option<&Path>) -> String {
        let output = self.tmtool(arguments, sysroot);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &stderr
    }
}

/// The recording of `run` in a folder, and its bundle in another one.
struct Made {
    outcome: Outcome,
    here: Folder,
    there: Folder,
}

fn made(run: &Run) -> Made {
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let (here, there) = (Folder::new(), Folder::new());
    fs::copy(outcome.recording(), here.at(NAME)).expect("the folder can be written");
    let target = there.at(NAME).display().to_string();
    let said = here.says(&["bundle", NAME, "-o", &target], None);
    assert!(said.starts_with(&format!("{target}: ")) && said.contains("of that names"), "{said}");
    Made { outcome, here, there }
}

/// Every report says the same of the bundle, in a root folder with nothing in it, as of the recording with all files.
fn assert_the_same(run: &Run, forget: impl FnOnce()) {
    let Made { outcome, here, there } = made(run);
    let before = QUESTIONS.map(|question| here.says(question, None));
    forget();
    let root = Folder::new();
    for (question, before) in QUESTIONS.iter().zip(&before) {
        assert_eq!(&there.says(question, Some(root.0.path())), before, "{question:?}");
    }
    // What is packed, unpacked and bundled again are all the same.
    there.says(&["pack", "--unpack", NAME, "-o", "plain"], None);
    assert!(
        fs::read(there.at("plain")).expect("it was written")
            == fs::read(outcome.recording()).expect("it is there")
    );
    for command in ["pack", "bundle"] {
        let again = Folder::new();
        let target = again.at(NAME).display().to_string();
        there.says(&[command, NAME, "-o", &target], Some(root.0.path()));
        assert_eq!(again.says(QUESTIONS[0], Some(root.0.path())), before[0], "{command}");
    }
    let (recording, bundle) = (fs::metadata(here.at(NAME)), fs::metadata(there.at(NAME)));
    let (recording, bundle) = (recording.expect("it is there").len(), bundle.expect("it is there").len());
    assert!(bundle <= recording + recording / 3 + (5 << 20), "{bundle} bytes of {recording}");
}

/// A copy of a program in a folder of its own, which goes with it.
fn copied(program: &Path, name: &OsStr) -> (Folder, PathBuf) {
    let folder = Folder::new();
    let path = folder.at(name);
    copy_program(program, &path);
    (folder, path)
}

#[test]
fn reports_are_the_same_where_no_file_is() {
    for compiler in ["g++", "clang++"] {
        let program = compile_by(compiler, "leak.cc", &["-g", "-O2"]);
        let (folder, program) = copied(&program, OsStr::new("leaks"));
        assert_the_same(&Run::new(program), || drop(folder));
    }
    assert_the_same(&Run::new(compile("forks_with_memory.c", &["-g"])), || ());
    assert_the_same(&Run::new("/usr/bin/python3").args(["-c", "import json; json.dumps([1] * 1000)"]), || ());
}

#[test]
fn names_and_paths_of_any_bytes_and_length_are_kept() {
    let long = "n".repeat(100_000);
    let source = format!(
        "#include <stdlib.h>\nvoid *volatile kept;\nvoid f(int n) __asm__(\"{long}\");\n\
         __attribute__((noinline)) void f(int n) {{ kept = malloc(n); }}\nint main() {{ f(1404); return 0; }}\n"
    );
    let build = Folder::new();
    let odd = build.at(OsStr::from_bytes(b"od\xff\x1b[31m\n"));
    fs::create_dir(&odd).expect("the folder can be written");
    fs::write(odd.join("n.c"), source).expect("as above");
    let compiled = Command::new("gcc").args(["-g", "-O1", "n.c", "-o", "n"]).current_dir(&odd).output();
    assert!(compiled.expect("gcc starts").status.success());
    let program = odd.join("n");
    assert_the_same(&Run::new(program), || drop(build));
}

/// What `tmtool symbols --json` says of the module whose path ends so.
fn module(folder: &Folder, name: &str, root: &Path) -> Value {
    let found: Value =
        serde_json::from_str(&folder.says(&["symbols", NAME, "--json"], Some(root))).expect("JSON");
    let modules = found["module_list"].as_array().expect("a list");
    let is_it = |module: &&Value| module["path"].as_str().is_some_and(|path| path.ends_with(name));
    modules.iter().find(is_it).unwrap_or_else(|| panic!("no {name} in {found}")).clone()
}

#[test]
fn what_is_not_in_a_bundle_is_looked_for_in_files() {
    let (folder, program) = copied(&compile("leak.cc", &["-g", "-O1"]), OsStr::new("leaks"));
    let outcome = Run::new(&program).recorded();
    let (here, root) = (Folder::new(), Folder::new());
    fs::copy(outcome.recording(), here.at("plain")).expect("the folder can be written");
    let named = here.says(&["stats", "plain", "--limit", "0"], None).replace("plain", NAME);
    // Made where the program is not.
    fs::rename(&program, folder.at("elsewhere")).expect("as above");
    let said = here.says(&["bundle", "plain", "-o", NAME], None);
    assert!(said.contains("the functions of ") && said.contains("are missing"), "{said}");
    let sources = |module: &Value| {
        let attempts = module["attempt_list"].as_array().expect("a list").iter();
        attempts.map(|attempt| attempt["source"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let unnamed = module(&here, "/leaks", root.0.path());
    assert_eq!((&sources(&unnamed)[0][..], &unnamed["functions"]), ("file", &0.into()));
    // Others come from the bundle.
    let libc = module(&here, "/libc.so.6", root.0.path());
    assert_eq!(sources(&libc), ["bundle"]);
    fs::rename(folder.at("elsewhere"), &program).expect("as above");
    assert_eq!(here.says(&["stats", NAME, "--limit", "0"], None), named);
}

#[test]
fn a_run_bundles_what_it_recorded() {
    let (folder, program) = copied(&compile("leak.cc", &["-g", "-O1"]), OsStr::new("leaks"));
    let (here, root) = (Folder::new(), Folder::new());
    let program = program.display().to_string();
    for _ in 0..2 {
        let output = here.tmtool(&["run", "--bundle", "-o", NAME, &program], None);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && stderr.contains("tm: recorded process "), "{stderr}");
    }
    let named = here.says(&["stats", NAME, "--limit", "0"], None);
    drop(folder);
    assert!(number(&info(&here.at(NAME)), "packed_bytes") > 0);
    assert_eq!(here.says(&["stats", NAME, "--limit", "0"], Some(root.0.path())), named);
    // Of several programs each is one, and the next run takes their place.
    for _ in 0..2 {
        let script = "/bin/true; /bin/echo; :";
        let output = here.tmtool(&["run", "--bundle", "-o", "all", "/bin/sh", "-c", script], None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files: Vec<_> = fs::read_dir(here.at("all")).expect("it is a folder").flatten().collect();
        assert_eq!(files.len(), 3, "{files:?}");
        assert!(files.iter().all(|file| number(&info(&file.path()), "packed_bytes") > 0));
    }
}

/// A library that is loaded from a folder of its own, and goes while the program still runs.
fn a_library_that_goes(go: impl FnOnce(&Path)) {
    let plugin = compile("plugin.c", &["-g", "-O1", "-shared", "-fPIC"]);
    let (_folder, plugin) = copied(&plugin, OsStr::new("plugin.so"));
    let host = compile("plugin_host.c", &["-g"]);
    let (here, root) = (Folder::new(), Folder::new());
    let mut command = Command::new(&products().tmtool);
    command.args(["run", "--bundle", "-o", NAME]).arg(&host).arg(&plugin).current_dir(here.0.path());
    let mut run = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tmtool starts");
    let descriptors = format!("/proc/{}/fd", run.id());
    wait::until("tmtool to have the plugin open", || {
        let open = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|path| path == plugin)
    });
    go(&plugin);
    drop(run.stdin.take());
    let output = run.wait_with_output().expect("it is our child");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !stderr.contains("not bundled"), "{stderr}");
    let said = here.says(&["stats", NAME, "--key", "traceback", "--at", "end"], Some(root.0.path()));
    assert!(said.contains("in deeper") && said.contains("/plugin.c\", line"), "{said}");
    assert!(!said.contains("plugin.so is not here") && !said.contains("has changed"), "{said}");
}

#[test]
fn a_library_that_is_gone_at_the_end_is_bundled() {
    a_library_that_goes(|plugin| fs::remove_file(plugin).expect("it is there"));
    // Another one takes its name, as in an update of packages.
    a_library_that_goes(|plugin| {
        fs::remove_file(plugin).expect("it is there");
        fs::copy(compile("plugin.c", &["-g", "-O2", "-shared", "-fPIC"]), plugin).expect("as above");
    });
}

/// What is said of a program whose source is gone, by a bundle that has it; a bundle of that bundle has it too.
#[test]
fn lines_of_source_are_in_a_bundle_that_is_to_have_them() {
    let build = Folder::new();
    let source = "#include <stdlib.h>\nvoid *volatile kept;\n__attribute__((noinline)) void holds(int n) {\n\
                  \tkept = malloc(n); // the line\n}\nint main() { holds(1404); return 0; }\n";
    fs::write(build.at("n.c"), source).expect("the folder can be written");
    let compiled =
        Command::new("gcc").args(["-g", "-O1"]).arg(build.at("n.c")).arg("-o").arg(build.at("n")).output();
    assert!(compiled.expect("gcc starts").status.success());
    let script = build.at("p.py");
    fs::write(&script, "import ctypes # this one\n").expect("as above");
    for (program, arguments, line) in [
        (build.at("n"), vec![], "kept = malloc(n); // the line"),
        (PathBuf::from("/usr/bin/python3"), vec![script.as_os_str()], "import ctypes # this one"),
    ] {
        let outcome = Run::new(program).args(&arguments).recorded();
        let (here, there, root) = (Folder::new(), Folder::new(), Folder::new());
        fs::copy(outcome.recording(), here.at(NAME)).expect("the folder can be written");
        let stacks = ["stats", NAME, "--key", "traceback", "--limit", "0", "--at", "end"];
        let before = here.says(&stacks, None);
        assert!(before.contains(line), "{before}");
        let target = |folder: &Folder| folder.at(NAME).display().to_string();
        here.says(&["bundle", NAME, "--sources", "-o", &target(&there)], None);
        let (plain, again) = (Folder::new(), Folder::new());
        here.says(&["bundle", NAME, "-o", &target(&plain)], None);
        let gone = (arguments.is_empty(), build.at("n.c"), build.at("hidden"));
        let file = if gone.0 { gone.1 } else { script.clone() };
        fs::rename(&file, &gone.2).expect("it is there");
        assert_eq!(there.says(&stacks, Some(root.0.path())), before);
        there.says(&["bundle", NAME, "-o", &target(&again)], Some(root.0.path()));
        assert_eq!(again.says(&stacks, Some(root.0.path())), before);
        assert!(!plain.says(&stacks, Some(root.0.path())).contains(line), "nobody asked for it");
        there.says(&["report", NAME, "-o", "page.html"], Some(root.0.path()));
        let page = fs::read_to_string(there.at("page.html")).expect("it was written");
        assert!(page_data::data(&page)["sources"].to_string().contains(line), "{}", page.len());
        fs::rename(&gone.2, &file).expect("as above");
    }
}

#[test]
fn a_damaged_bundle_says_so_and_names_come_from_files() {
    let Made { here, there, .. } = made(&Run::new(compile("leak.cc", &["-g", "-O1"])));
    let question = ["stats", NAME, "--limit", "0"];
    let (named, whole) = (here.says(&question, None), fs::read(there.at(NAME)).expect("it was written"));
    let blocks: Vec<usize> = (0..whole.len() - 4).filter(|&at| whole[at..].starts_with(b"TMPB")).collect();
    let names = blocks.iter().copied().find(|&at| whole[at + 4] == 3).expect("it has names");
    let (next, mut n_said) = (blocks.iter().copied().find(|&at| at > names).unwrap_or(whole.len()), 0);
    for place in (names..next).step_by(97) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(there.at(NAME), &damaged).expect("it can be written");
        let said = there.says(&question, None);
        n_said += usize::from(said.contains("of the names in the packed file is damaged"));
        let is_said = |line: &&str| line.contains(" damaged");
        assert_eq!(said.lines().filter(is_said).count(), 1, "{place}: {said}");
        let rest: Vec<&str> = said.lines().filter(|line| !is_said(line)).collect();
        let mut expected: Vec<&str> = named.lines().collect();
        expected.retain(|line| !is_said(line));
        assert_eq!(rest, expected, "{place}");
    }
    assert!(n_said > 0);
    // Cut behind the names: what is there has them.
    let root = Folder::new();
    fs::write(there.at(NAME), &whole[..next]).expect("it can be written");
    let libc = module(&there, "/libc.so.6", root.0.path());
    assert_eq!(libc["attempt_list"][0]["source"], "bundle");
    let output = there.tmtool(&["pack", "--unpack", NAME, "-o", "x"], None);
    assert_eq!(output.status.code(), Some(1));
}
