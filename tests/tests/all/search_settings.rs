//! Where names and source lines are looked for, as the command line, the environment and the file of settings say it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::products::products;
use tm_tests::run::{Outcome, Run};

use crate::page_data;

/// A program that was recorded, and has moved with its source since.
struct Moved {
    folder: TempDir,
    outcome: Outcome,
}

const SOURCE: &str = "#include <stdlib.h>\nvoid *volatile kept;\n\
                      __attribute__((noinline)) void holds_it(void) { kept = malloc(4321); } /* the line */\n\
                      int main(void) { holds_it(); return 0; }\n";

impl Moved {
    fn new() -> Moved {
        let folder = TempDir::new().expect("the temporary folder can be written");
        let build = folder.path().join("build");
        fs::create_dir(&build).expect("as above");
        fs::write(build.join("p.c"), SOURCE).expect("as above");
        let compiled = Command::new("gcc")
            .args(["-g", "-O1"])
            .arg(build.join("p.c"))
            .arg("-o")
            .arg(build.join("p"))
            .status();
        assert!(compiled.expect("gcc starts").success());
        let outcome = Run::new(build.join("p")).recorded();
        assert!(outcome.status.success(), "{}", outcome.stderr);
        fs::rename(&build, folder.path().join("src")).expect("as above");
        Moved { folder, outcome }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `--map` of what has moved.
    fn map(&self) -> String {
        format!("{}={}", self.at("build").display(), self.at("src").display())
    }

    /// What tmtool says of the recording to a user whose settings are in the folder `config`.
    fn tmtool(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let (name, rest) = arguments.split_first().expect("a command");
        let mut command = Command::new(&products().tmtool);
        command.arg(name).arg(self.outcome.recording()).args(rest).env_remove("TMTOOL_CONFIG");
        command.env("XDG_CONFIG_HOME", self.at("config")).envs(variables.iter().copied());
        command.output().expect("tmtool starts")
    }

    fn says(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = self.tmtool(arguments, variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn set(&self, text: &str) -> PathBuf {
        fs::create_dir_all(self.at("config/tm")).expect("the folder can be written");
        let path = self.at("config/tm/config.toml");
        fs::write(&path, text).expect("as above");
        path
    }

    /// The settings that hold, as `symbols` says them.
    fn settings(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<[String; 3]> {
        let said = self.says(&[&["symbols", "--json"], arguments].concat(), variables);
        let symbols: Value = serde_json::from_str(&said).expect("--json prints JSON");
        let settings = symbols["settings"].as_array().expect("a list").iter();
        let text = |setting: &Value, key: &str| setting[key].as_str().expect("a text").to_owned();
        settings.map(|setting| ["name", "value", "by"].map(|key| text(setting, key))).collect()
    }
}

#[test]
fn source_lines_are_where_a_map_leads() {
    let moved = Moved::new();
    let stacks = ["stats", "--key", "traceback"];
    let with_map = |map: &str| moved.says(&[&stacks[..], &["--map", map]].concat(), &[]);
    let said = with_map(&moved.map());
    assert!(
        said.contains("in holds_it\n") && said.contains("{ kept = malloc(4321); } /* the line */"),
        "{said}"
    );
    // The program alone, and not its source.
    let program = format!("{}={}", moved.at("build/p").display(), moved.at("src/p").display());
    let said = with_map(&program);
    assert!(said.contains("in holds_it\n") && !said.contains("the line"), "{said}");
    // In a page too.
    let page = moved.at("page.html");
    moved.says(&["report", "--map", &moved.map(), "-o", page.to_str().expect("a text")], &[]);
    let data = page_data::data(&fs::read_to_string(&page).expect("it was written"));
    assert!(data["sources"].to_string().contains("/* the line */"), "{}", data["sources"]);
    // A copy of the sources that was made elsewhere is younger than the recording: it is shown, and that is said.
    let now = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let source = fs::File::options().append(true).open(moved.at("src/p.c")).expect("it is there");
    source.set_modified(now).expect("it is ours");
    let said = with_map(&moved.map());
    assert!(
        said.contains("/* the line */") && said.contains("written since the recording, where --map leads"),
        "{said}"
    );
}

#[test]
fn the_command_line_counts_before_the_environment_and_that_before_the_file() {
    let moved = Moved::new();
    let path = |name: &str| {
        fs::create_dir_all(moved.at(name)).expect("the folder can be written");
        moved.at(name).display().to_string()
    };
    let [a, b, c] = ["a", "b", "c"].map(path);
    let config = moved.set(&format!(
        "# where names are\ndebug-dir = [\"{c}\", \"{a}\"]\n\nmap = \"{}\"\ndebuginfod = false\n",
        moved.map()
    ));
    let by = |line: u32, key: &str| format!("{}:{line}: {key}", config.display());
    let of_file = [
        ["debug-dir", &c, &by(2, "debug-dir")],
        ["debug-dir", &a, &by(2, "debug-dir")],
        ["map", &moved.map(), &by(4, "map")],
        ["debuginfod", "no", &by(5, "debuginfod")],
    ];
    assert_eq!(moved.settings(&[], &[]), of_file);
    assert!(moved.says(&["stats"], &[]).contains("holds_it"), "names are found where the file says");
    let variable = ("TMTOOL_DEBUG_DIR", &*b);
    let found = moved.settings(&[], &[variable]);
    assert_eq!(
        (&found[0], &found[1][0]),
        (&["debug-dir", &b, "TMTOOL_DEBUG_DIR"].map(str::to_owned), &"map".to_owned())
    );
    let found = moved.settings(&["--debug-dir", &a], &[variable]);
    assert_eq!(found[0], ["debug-dir", &a, "--debug-dir"]);
    // An empty name is no file, and another one may be named.
    assert_eq!(moved.settings(&[], &[("TMTOOL_CONFIG", "")]), [[""; 3]; 0]);
    let other = moved.at("other.toml");
    fs::write(&other, "sysroot = \"/\"\n").expect("the folder can be written");
    let found = moved.settings(&[], &[("TMTOOL_CONFIG", other.to_str().expect("a text"))]);
    assert_eq!(found, [["sysroot", "/", &format!("{}:1: sysroot", other.display())]]);
    let text = moved.says(&["symbols"], &[]);
    assert!(text.contains("\nSettings\n  debug-dir ") && !text.contains(" (TMTOOL"), "{text}");
}

#[test]
fn what_is_wrong_with_the_file_is_a_sentence_with_its_line() {
    let moved = Moved::new();
    let refused = |text: &str| {
        let path = moved.set(text);
        let output = moved.tmtool(&["stats"], &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        said.strip_prefix(&format!("tmtool: {}:", path.display()))
            .unwrap_or_else(|| panic!("{said}"))
            .trim()
            .to_owned()
    };
    assert_eq!(refused("\nsysrot = \"/\""), "2: there is no key 'sysrot' here; did you mean 'sysroot'?");
    assert!(refused("map = [\n").contains("this is no TOML: "));
    assert_eq!(
        refused("sysroot = \"/nowhere\""),
        "1: sysroot: /nowhere is no folder; name one with --sysroot"
    );
    assert!(refused("map = [\"/a\"]").starts_with("1: map: '/a' does not say what becomes of which path"));
    assert!(refused("map = \"a\\u0000=b\"").starts_with("1: map: "));
    // What names nothing is not asked.
    let output = Command::new(&products().tmtool)
        .args(["completions", "bash"])
        .env("XDG_CONFIG_HOME", moved.at("config"))
        .output();
    assert!(output.expect("tmtool starts").status.success());
    let missing = moved.tmtool(&["stats"], &[("TMTOOL_CONFIG", "/nowhere/c.toml")]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    let expected = "tmtool: there is no /nowhere/c.toml, which TMTOOL_CONFIG names; correct or unset it\n";
    assert_eq!((missing.status.code(), said.as_str()), (Some(2), expected));
    let large = moved.set(&"#".repeat(2 << 20));
    assert!(!moved.tmtool(&["stats"], &[]).status.success(), "{}", Path::new(&large).display());
}
