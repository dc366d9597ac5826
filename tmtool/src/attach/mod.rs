//! Brings `libtm.so` into a running process, and leads its calls to it and back: by ptrace, without a debugger.
//!
//! ```text
//! checks   everything that can be known without touching the process
//! threads  one that is fit (fitness, by unwind) is stopped; all others run all the time
//! borrowed it is made to call: dlopen (bring, of a copy), then the library's own functions (door); its state is put back
//! ```
//!
//! Nothing is left in a process that was not attached to, except the library where that was loaded before something failed.

mod borrowed;
mod bring;
mod checks;
mod copy;
mod door;
mod elf;
mod fitness;
mod folder;
mod memory;
mod place;
mod ptrace;
mod seccomp;
mod sentences;
mod status;
mod threads;
mod undisturbed;
mod unwind;

// The one machine for which this is written so far; the command is not there on others.
#[path = "x86_64.rs"]
mod arch;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::control::has_same_root;
use crate::errors::{Error, Result};
use borrowed::Borrowed;
use checks::Checked;
use door::{Answer, Function, Library};
use memory::Memory;
use threads::{Fit, LongestStop};
use tm_common::attach::result;
use tm_common::settings;
use undisturbed::Undisturbed;

/// What is wanted of a recording.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it goes, a template.
    pub output: Option<PathBuf>,
    /// Settings of the library and their values, besides.
    pub settings: Vec<(&'static str, String)>,
    /// How long a thread is looked for, and a call waited for.
    pub patience: Duration,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// The process.
    pub pid: u32,
    /// Its recording goes on, after an earlier attach.
    pub is_again: bool,
    /// The process sees other files by the same paths.
    pub has_other_root: bool,
    /// The longest time that a thread stood still to be looked at.
    pub longest_look: Duration,
    /// The longest time that the thread that did the work was kept from its own.
    pub longest_call: Duration,
    /// How many calls were led.
    pub n_led: u64,
    /// What a recording does not hold, sentences.
    pub notes: Vec<String>,
}

/// Between leading all calls and recording: a thread that was looking up a function then has put its address by now.
const TO_SETTLE: Duration = Duration::from_millis(20);

/// Attaches to process `pid`.
///
/// # Errors
/// It cannot be attached to, and was left as it was found unless the sentence says otherwise.
pub fn attach(pid: u32, wanted: &Wanted) -> Result<Done> {
    let mut checked = checks::check(pid)?;
    let is_brought = match &checked.library {
        Library::None => false,
        Library::Brought(found) if !found.is_attached => true,
        Library::Brought(_) => return Err(sentences::attached_already(pid)),
        Library::Other => return Err(sentences::recorded_already(pid)),
    };
    let output = place::template(pid, &checked.target, &checked.own, wanted.output.as_deref())?;
    // An earlier attach may have got no further than to bring it.
    let is_again = is_brought && crate::control::find(pid).is_ok();
    if is_again && wanted.output.is_some() {
        return Err(sentences::goes_on(pid));
    }
    let copy = copy::of_library(&crate::library::find()?)?;
    let block = settings_block(&output, &wanted.settings)?;
    let mut work = Work::new(&mut checked, wanted.patience);
    let attached = work.with_thread(|borrowed, memory, code, has_files| {
        if !is_brought {
            bring::bring(borrowed, memory, code, &copy, pid, has_files, wanted.patience)
                .map_err(|error| sentences::not_brought(pid, error, wanted.patience))?;
        }
        call(pid, borrowed, Function::Attach, &block, wanted.patience)
    })?;
    thread::sleep(TO_SETTLE);
    let begun =
        work.with_thread(|borrowed, _, _, _| call(pid, borrowed, Function::Begin, &block, wanted.patience));
    let begun = begun.map_err(|error| sentences::not_begun(pid, &error))?;
    let (longest_look, longest_call) = (work.longest_look.0, work.longest_call.0);
    let n_led = attached.n_led + begun.n_led;
    let has_other_root = !has_same_root(pid);
    let notes = std::mem::take(&mut checked.notes);
    Ok(Done { pid, is_again, has_other_root, longest_look, longest_call, n_led, notes })
}

/// Detaches from process `pid`.
///
/// # Errors
/// It was not attached to, or cannot be spoken to.
pub fn detach(pid: u32, patience: Duration) -> Result<Done> {
    let mut checked = checks::check(pid)?;
    match &checked.library {
        Library::Brought(found) if found.is_attached => {}
        Library::Brought(_) => return Err(sentences::detached_already(pid)),
        Library::Other => return Err(sentences::cannot_be_detached(pid)),
        Library::None => return Err(sentences::not_attached(pid)),
    }
    let mut work = Work::new(&mut checked, patience);
    let answer =
        work.with_thread(|borrowed, _, _, _| call(pid, borrowed, Function::Detach, &[], patience))?;
    let (longest_look, longest_call) = (work.longest_look.0, work.longest_call.0);
    let (n_led, has_other_root) = (answer.n_led, !has_same_root(pid));
    Ok(Done { pid, is_again: false, has_other_root, longest_look, longest_call, n_led, notes: Vec::new() })
}

/// What is done with threads of a process, one after the other.
struct Work<'a> {
    checked: &'a mut Checked,
    patience: Duration,
    longest_look: LongestStop,
    longest_call: LongestStop,
}

impl<'a> Work<'a> {
    fn new(checked: &'a mut Checked, patience: Duration) -> Work<'a> {
        hurry();
        let none = LongestStop::default();
        Work { checked, patience, longest_look: none, longest_call: none }
    }

    /// Has a thread do something, and gives it back.
    fn with_thread<T>(
        &mut self,
        act: impl FnOnce(&mut Borrowed<'_>, &Memory, &fitness::Code, bool) -> Result<T>,
    ) -> Result<T> {
        let pid = self.checked.pid;
        let deadline = Instant::now() + self.patience;
        let found = threads::find(pid, &mut self.checked.memory, deadline, &mut self.longest_look);
        let Fit { thread, tid, code, since } =
            found.map_err(|error| sentences::no_thread(self.checked, error, self.patience))?;
        let _undisturbed = Undisturbed::begin();
        checks::filters(self.checked, tid)?;
        let memory = &self.checked.memory;
        let mut borrowed = Borrowed::take(thread, memory, &code, since)
            .map_err(|error| sentences::failed(pid, error, self.patience))?;
        let done = act(&mut borrowed, memory, &code, self.checked.has_files_in_memory);
        let held = borrowed.give_back();
        let done = done?;
        self.longest_call.add(held.map_err(|error| sentences::failed(pid, error, self.patience))?);
        Ok(done)
    }
}

/// Has this process run before others where that may be asked for: a thread that stands still waits for it.
fn hurry() {
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: numbers, for this process alone. It sleeps whenever it waits.
    unsafe {
        if libc::sched_setscheduler(0, libc::SCHED_RR, &raw const first) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, -20);
        }
    }
}

/// Calls a function of the library, which must do what it is asked for.
fn call(
    pid: u32,
    borrowed: &mut Borrowed<'_>,
    function: Function,
    settings: &[u8],
    patience: Duration,
) -> Result<Answer> {
    let memory =
        Memory::of(pid).map_err(|error| Error::io("read the memory of", Path::new("the process"), error))?;
    let Some(found) = door::Found::in_copy(&memory) else { return Err(sentences::no_door(pid)) };
    let answer = found
        .call(borrowed, &memory, function, settings, patience)
        .map_err(|error| sentences::failed(pid, error, patience))?;
    if answer.result == result::OK { Ok(answer) } else { Err(sentences::refused(pid, &answer)) }
}

/// The settings as the library takes them: those of the user's environment, then what was asked for.
fn settings_block(output: &Path, asked: &[(&'static str, String)]) -> Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let not_here = [&settings::OUT, &settings::START, &settings::DISABLE, &settings::RUN, &settings::FOLLOW];
    let inherited = settings::ALL.iter().filter(|setting| !not_here.iter().any(|it| it.name == setting.name));
    let mut block = Vec::new();
    let mut add = |name: &str, value: &[u8]| {
        block.extend(name.bytes().chain([b'=']).chain(value.iter().copied()).chain([0]));
    };
    for setting in inherited {
        if let Some(value) = std::env::var_os(setting.name) {
            add(setting.name, value.as_bytes());
        }
    }
    for (name, value) in asked {
        add(name, value.as_bytes());
    }
    add(settings::OUT.name, output.as_os_str().as_bytes());
    block.push(0);
    if block.len() > door::SETTINGS_BYTES_MAX {
        return Err(Error::Usage("the settings are too long; give the recording a shorter path".to_owned()));
    }
    Ok(block)
}
