//! Asks servers for debug information by build-ids, through the client of elfutils, `debuginfod-find`: it has the servers, the
//! cache with what these do not have, headers and limits from the environment (`DEBUGINFOD_URLS` and others), as for gdb.
//!
//! Nothing waits for long: each file has a limit, and as soon as a server does not answer at all, none is asked any more.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::text::hex;

/// The client.
const CLIENT: &str = "debuginfod-find";
/// How long a file may take. The client looks at its clock once a second, in whole seconds, so it is given less, ...
const LIMIT: Duration = Duration::from_secs(10);
/// ... which it ends by itself, without a torn file in the cache.
const CLIENT_LIMIT_S: u64 = 8;
/// Where the user says the limit; 0 for none.
const LIMIT_VARIABLE: &str = "DEBUGINFOD_MAXTIME";
/// Where the user names servers.
const SERVERS_VARIABLE: &str = "DEBUGINFOD_URLS";
/// A failure that takes less may be had for each file.
const SHORT: Duration = Duration::from_secs(1);
/// After as many files that came too slowly none is asked for any more.
const SLOW_MAX: u32 = 3;
/// The client says no more than this, in bytes.
const SAID_BYTES_MAX: u64 = 1 << 20;

/// What is wanted of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The file with its debug information.
    DebugInformation,
    /// The file that ran.
    Executable,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is asked for.
    Asked,
    /// The bytes that are here, and all that there will be, if that is known.
    Bytes(u64, Option<u64>),
    /// It is here, or does not come.
    Over,
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No server has it.
    NowhereThere,
    /// It could not be asked for, or did not come, and why.
    Failed(String),
}

/// Shows how far the file of a name is.
type Show = Box<dyn Fn(&str, Progress) + Send + Sync>;

/// The servers.
pub struct Debuginfod {
    client: PathBuf,
    limit: Duration,
    show: Show,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why nothing is asked for any more.
    given_up: Option<String>,
    n_slow: u32,
}

/// What a client said before it ended.
#[derive(Debug, Default)]
struct Said {
    /// The last answer of a server that was not the file.
    answer: Option<String>,
    /// What that was about.
    error: Option<String>,
    /// Its own word for why there is no file.
    failure: Option<String>,
    /// Whether a file began to come.
    has_begun: bool,
}

impl Debuginfod {
    /// The servers that the environment names. `show` is given the name of a file, and how far that is.
    #[must_use]
    pub fn new(show: impl Fn(&str, Progress) + Send + Sync + 'static) -> Debuginfod {
        let of_user =
            std::env::var(LIMIT_VARIABLE).ok().and_then(|seconds| seconds.trim().parse::<u64>().ok());
        let limit = match of_user {
            None => LIMIT,
            Some(0) => Duration::MAX,
            Some(seconds) => Duration::from_secs(seconds.saturating_add(LIMIT.as_secs() - CLIENT_LIMIT_S)),
        };
        Debuginfod { client: CLIENT.into(), limit, show: Box::new(show), state: Mutex::default() }
    }

    /// The file of a build, which is in the client's cache then; `name` is what it is called when progress is shown.
    pub(super) fn fetch(&self, wanted: Wanted, build_id: &[u8], name: &str) -> Result<PathBuf, Failure> {
        if let Some(why) = &self.state().given_up {
            return Err(Failure::Failed(format!("not asked for: {why}")));
        }
        if std::env::var_os(SERVERS_VARIABLE).is_none_or(|servers| servers.is_empty()) {
            return Err(self.give_up(format!("{SERVERS_VARIABLE} names no server")));
        }
        (self.show)(name, Progress::Asked);
        let found = self.ask(wanted, build_id, name);
        (self.show)(name, Progress::Over);
        found
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for nothing any more.
    fn give_up(&self, why: String) -> Failure {
        self.state().given_up.get_or_insert_with(|| why.clone());
        Failure::Failed(why)
    }

    fn ask(&self, wanted: Wanted, build_id: &[u8], name: &str) -> Result<PathBuf, Failure> {
        let mut command = Command::new(&self.client);
        command.args(["-v", "-v", wanted.word(), &hex(build_id)]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C");
        if std::env::var_os(LIMIT_VARIABLE).is_none() {
            command.env(LIMIT_VARIABLE, CLIENT_LIMIT_S.to_string());
        }
        let began = Instant::now();
        let mut child = command.spawn().map_err(|error| self.give_up(not_started(&error)))?;
        let Some(said) = self.follow(&mut child, name) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(self.too_late(false));
        };
        let mut path = Vec::new();
        let output = child.stdout.take().map(|stdout| stdout.take(SAID_BYTES_MAX).read_to_end(&mut path));
        let is_done =
            child.wait().is_ok_and(|status| status.success()) && output.is_some_and(|read| read.is_ok());
        let path = Path::new(OsStr::from_bytes(path.trim_ascii()));
        if is_done && path.is_absolute() {
            return Ok(path.to_owned());
        }
        Err(self.failure(&said, began.elapsed()))
    }

    /// What the client says until it ends; nothing if it goes on for too long.
    fn follow(&self, child: &mut Child, name: &str) -> Option<Said> {
        let (sender, lines) = mpsc::channel();
        let stderr = child.stderr.take();
        let read = move || {
            let lines = stderr
                .into_iter()
                .flat_map(|stderr| BufReader::new(stderr.take(SAID_BYTES_MAX)).split(b'\n'));
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        };
        let until = Instant::now().checked_add(self.limit);
        thread::Builder::new().spawn(read).ok()?;
        let mut said = Said::default();
        loop {
            let left = until.map_or(LIMIT, |until| until.saturating_duration_since(Instant::now()));
            match lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(progress) = said.take(&String::from_utf8_lossy(&line)) {
                        (self.show)(name, progress);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Some(said),
                Err(RecvTimeoutError::Timeout) if until.is_none() => {}
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
    }

    /// Why a file did not come, of what was said.
    fn failure(&self, said: &Said, took: Duration) -> Failure {
        let failure = said.failure.as_deref().unwrap_or("it ended without a word");
        let answer = said.answer.as_deref();
        let detail = said.error.as_deref().or(answer).unwrap_or(failure);
        match failure {
            "Timer expired" => self.too_late(said.has_begun),
            "No such file or directory" => match answer {
                // It is in the cache that no server has it.
                None => Failure::NowhereThere,
                Some(_) if detail.ends_with("404") => Failure::NowhereThere,
                Some(_) => Failure::Failed(detail.to_owned()),
            },
            // One of several servers may be there; no time is lost by the others.
            _ if took < SHORT => Failure::Failed(detail.to_owned()),
            _ => self.give_up(detail.to_owned()),
        }
    }

    /// A file that took too long: nothing is asked for any more of a server that did not answer, or was slow several times.
    fn too_late(&self, has_begun: bool) -> Failure {
        let limit = self.limit.as_secs();
        let why = match has_begun {
            true => format!("it did not come within {limit} s"),
            false => format!("no server answered within {limit} s"),
        };
        let n_slow = {
            let mut state = self.state();
            state.n_slow += 1;
            state.n_slow
        };
        if has_begun && n_slow < SLOW_MAX { Failure::Failed(why) } else { self.give_up(why) }
    }
}

/// The client cannot be run.
fn not_started(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{CLIENT} is not installed; it comes with elfutils, in Debian's package debuginfod and Fedora's elfutils-debuginfod-client"
        ),
        _ => format!("{CLIENT} cannot be run: {error}"),
    }
}

impl Said {
    /// Takes a line of what the client says.
    fn take(&mut self, line: &str) -> Option<Progress> {
        if let Some(progress) = line.strip_prefix("Progress ") {
            let (here, all) = progress.split_once(" / ")?;
            // It counts something else before a server has answered.
            let all = all.trim().parse::<i64>().ok().filter(|all| *all != 0)?;
            self.has_begun = true;
            return Some(Progress::Bytes(here.trim().parse().ok()?, u64::try_from(all).ok()));
        }
        if let Some(answer) = line.strip_prefix("server response ").filter(|answer| *answer != "No error") {
            self.answer = Some(answer.to_owned());
        } else if let Some((_, error)) = line.strip_prefix("url ").and_then(|rest| rest.split_once(' '))
            && !error.starts_with("http")
        {
            self.error = Some(error.to_owned());
        } else if let Some(failure) = line.strip_prefix("Server query failed: ") {
            self.failure = Some(failure.to_owned());
        } else if line.starts_with("committed to url") {
            self.has_begun = true;
        }
        None
    }
}

impl Wanted {
    /// What it is called in the paths of servers, and in the cache.
    pub(super) fn word(self) -> &'static str {
        match self {
            Wanted::DebugInformation => "debuginfo",
            Wanted::Executable => "executable",
        }
    }

    /// The path of the file at a server.
    pub(super) fn path(self, build_id: &[u8]) -> PathBuf {
        PathBuf::from(format!("/buildid/{}/{}", hex(build_id), self.word()))
    }
}

impl fmt::Debug for Debuginfod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debuginfod").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Two are one if they ask together.
impl PartialEq for Debuginfod {
    fn eq(&self, other: &Debuginfod) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Debuginfod {}
