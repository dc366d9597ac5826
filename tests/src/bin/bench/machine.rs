//! What the figures are of: the machine and the versions of all that took part.

use std::process::Command;

use tm_tests::products::workspace;

/// Lines of `name: value`.
#[derive(Debug)]
pub struct Machine {
    pub lines: Vec<(&'static str, String)>,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model =
            cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
        let memory = read("/proc/meminfo");
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let folder = std::env::temp_dir();
        let workspace = workspace().display().to_string();
        Machine {
            lines: vec![
                ("processor", format!("{}, {cores} cores", model.unwrap_or("unknown"))),
                ("memory", memory.trim().to_owned()),
                ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
                ("load averages at the end, other work included", read("/proc/loadavg").trim().to_owned()),
                ("recordings on", said("stat", &["-f", "-c", "%T", &folder.display().to_string()])),
                ("C library", said("ldd", &["--version"])),
                ("tm", said("git", &["-C", &workspace, "describe", "--always", "--dirty", "--abbrev=12"])),
                ("peer", said("heaptrack", &["--version"])),
                ("compilers", format!("{}; {}", said("g++", &["--version"]), said("rustc", &["--version"]))),
                (
                    "programs",
                    [said("/usr/bin/python3", &["--version"]), said("git", &["--version"]), {
                        let sqlite = said("sqlite3", &["--version"]);
                        format!("sqlite3 {}", sqlite.split(' ').next().unwrap_or_default())
                    }]
                    .join("; "),
                ),
            ],
        }
    }
}

/// The first line that a program says.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().map_or_else(|| "not installed".to_owned(), str::to_owned)
}
