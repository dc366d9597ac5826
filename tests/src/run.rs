//! Runs a program in a scratch folder, bare or under libtm.so, and keeps all that it said and left.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::products::products;
use crate::soak;

/// No test program needs more than a few seconds of a processor of its own, in its long form than some minutes; one that
/// takes this long hangs, also where another processor is emulated and the machine is busy.
fn timeout() -> Duration {
    Duration::from_secs(if soak::is_long() { 1800 } else { 900 })
}

/// A program with its arguments and environment, to be run once or more often.
#[derive(Clone, Debug)]
pub struct Run {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    unset: Vec<OsString>,
    preloads_before: Vec<PathBuf>,
    preloads_after: Vec<PathBuf>,
    folder: Option<PathBuf>,
    has_input: bool,
}

/// What a run has left behind.
#[derive(Debug)]
pub struct Outcome {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
    /// The files in the folder that the default `TM_OUT` names, by name.
    pub recordings: Vec<PathBuf>,
    scratch: TempDir,
}

impl Run {
    /// `program` without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Run {
        Run {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            unset: Vec::new(),
            preloads_before: Vec::new(),
            preloads_after: Vec::new(),
            folder: None,
            has_input: false,
        }
    }

    /// Appends arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Run {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes an environment variable away, `TM_OUT` too.
    #[must_use]
    pub fn unset(mut self, name: impl AsRef<OsStr>) -> Run {
        self.unset.push(name.as_ref().to_owned());
        self
    }

    /// Preloads `library` before libtm.so.
    #[must_use]
    pub fn preload_before(mut self, library: impl Into<PathBuf>) -> Run {
        self.preloads_before.push(library.into());
        self
    }

    /// Preloads `library` after libtm.so.
    #[must_use]
    pub fn preload_after(mut self, library: impl Into<PathBuf>) -> Run {
        self.preloads_after.push(library.into());
        self
    }

    /// Runs in `folder` instead of an empty one.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Run {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Gives it a standard input that the test writes, instead of an empty one: for [`Run::start_recorded`].
    #[must_use]
    pub fn with_input(mut self) -> Run {
        self.has_input = true;
        self
    }

    /// Runs the program through `wrapper`, which takes it and its arguments after `arguments` of its own.
    #[must_use]
    pub fn through(mut self, wrapper: &Path, arguments: &[&OsStr]) -> Run {
        let program = std::mem::replace(&mut self.program, wrapper.to_owned());
        let own = arguments.iter().map(|argument| (*argument).to_owned());
        self.arguments = own.chain([program.into_os_string()]).chain(self.arguments).collect();
        self
    }

    /// Runs without libtm.so, but with the other preloads.
    pub fn bare(&self) -> Outcome {
        self.start(None).finish()
    }

    /// Starts the program without libtm.so, but with the other preloads, and does not wait for it.
    pub fn start_bare(&self) -> Running {
        self.start(None)
    }

    /// Runs under libtm.so.
    pub fn recorded(&self) -> Outcome {
        self.start(Some(&products().library)).finish()
    }

    /// Starts the program under libtm.so and does not wait for it.
    pub fn start_recorded(&self) -> Running {
        self.start(Some(&products().library))
    }

    fn start(&self, library: Option<&Path>) -> Running {
        let scratch = TempDir::with_prefix("tm-test-").expect("the temporary folder can be written");
        for folder in ["recordings", "work"] {
            std::fs::create_dir(scratch.path().join(folder)).expect("a fresh folder can be written");
        }
        let create = |name: &str| File::create(scratch.path().join(name)).expect("as above");
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.stdin(if self.has_input { Stdio::piped() } else { Stdio::null() });
        command.stdout(create("stdout")).stderr(create("stderr"));
        command.current_dir(self.folder.as_deref().unwrap_or(&scratch.path().join("work")));
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"TM_") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").env("TM_OUT", scratch.path().join("recordings/%e.%p.bin"));
        let preloads = self.preloads_before.iter().map(PathBuf::as_path);
        let preloads = preloads.chain(library).chain(self.preloads_after.iter().map(PathBuf::as_path));
        let preloads: Vec<&OsStr> = preloads.map(Path::as_os_str).collect();
        command.env("LD_PRELOAD", preloads.join(OsStr::new(":")));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        for name in &self.unset {
            command.env_remove(name);
        }
        let started = Instant::now();
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "cannot start {} ({error}): scripts/setup installs what the tests need",
                self.program.display()
            )
        });
        Running { child, started, scratch, name: self.program.clone() }
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    /// When it was started.
    pub started: Instant,
    scratch: TempDir,
    name: PathBuf,
}

impl Running {
    /// Waits for the end.
    ///
    /// # Panics
    /// It does not come.
    pub fn finish(mut self) -> Outcome {
        let deadline = Instant::now() + timeout();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().expect("it is our child");
                panic!("{} does not end", self.name.display());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        self.outcome(status)
    }

    /// What the run has left, for one who has waited for its end himself.
    pub fn outcome(self, status: ExitStatus) -> Outcome {
        let read = |name: &str| std::fs::read(self.scratch.path().join(name)).expect("we created it");
        let text = |name: &str| String::from_utf8_lossy(&read(name)).into_owned();
        Outcome {
            stdout: text("stdout"),
            stderr: text("stderr"),
            status,
            recordings: files(&self.scratch.path().join("recordings")),
            scratch: self.scratch,
        }
    }

    /// The recordings that are there so far.
    pub fn recordings_so_far(&self) -> Vec<PathBuf> {
        files(&self.scratch.path().join("recordings"))
    }

    /// What it has written to its standard output so far.
    pub fn stdout_so_far(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("stdout")).expect("we created it")
    }
}

impl Outcome {
    /// The folder that it ran in, if none was given.
    pub fn folder(&self) -> PathBuf {
        self.scratch.path().join("work")
    }

    /// The one recording.
    ///
    /// # Panics
    /// There is none, or more than one.
    pub fn recording(&self) -> &Path {
        match self.recordings.as_slice() {
            [recording] => recording,
            others => panic!("not one recording, but {others:?}; standard error: {}", self.stderr),
        }
    }

    /// The lines of standard error that are libtm.so's.
    pub fn messages(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("tm: ")).collect()
    }

    /// The run without libtm.so's lines.
    #[must_use]
    pub fn without_messages(mut self) -> Outcome {
        let lines = self.stderr.split_inclusive('\n');
        self.stderr = lines.filter(|line| !line.starts_with("tm: ")).collect();
        self
    }

    /// Asserts that nobody can tell the two runs apart by what they said and how they ended.
    ///
    /// # Panics
    /// Somebody can.
    pub fn assert_like(&self, other: &Outcome) {
        let end = |outcome: &Outcome| (outcome.status.code(), outcome.status.signal());
        // All of it at once: what a program wrote before it died says why.
        assert_eq!(
            (end(self), &self.stdout, &self.stderr),
            (end(other), &other.stdout, &other.stderr),
            "((exit code, signal), standard output, standard error)"
        );
    }
}

/// Whether this is root, who may mount, change the root folder and become somebody else. Otherwise says what was left
/// out.
pub fn may_administer() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let is_root = user.is_some_and(|user| user.split_whitespace().nth(1) == Some("0"));
    if !is_root {
        eprintln!("left out, because only root may do it");
    }
    is_root
}

/// The files in `folder`, by name.
///
/// # Panics
/// It cannot be read.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it is still there").path()).collect();
    files.sort();
    files
}
