//! The start: settings, the file, what is loaded; once, at the first call of a hook or of the constructor.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering};

use tm_common::functions::Function;
use tm_common::ids::Epoch;
use tm_common::metadata::TextKind;

use super::commands::{self, Refused};
use super::control::Control;
use super::{Phase, Session, fork, withdraw};
use crate::config::Config;
use crate::python::PYTHON;
use crate::real::{self, Search};
use crate::recording::PATH_BYTES;
use crate::recording::output::{self, CreateRefused, Names};
use crate::sys::complaints::Complaints;
use crate::sys::memory::pages;
use crate::sys::message::{self, Message};
use crate::sys::objects::elf::{self, Symbols};
use crate::sys::objects::link_map::{self, LinkMap};
use crate::sys::objects::loader;
use crate::sys::process::{self, InitialStack, restrictions};
use crate::sys::text::Text;
use crate::sys::{arch, c_library, coarse, syscall};
use crate::unwind::tables::musl;

/// Starts the session; whether events are recorded now.
pub fn start(session: &Session) -> bool {
    message::remember_standard_error();
    restrictions::remember();
    real::resolve();
    withdraw::withdraw_cxx_unless_needed();
    let stack = InitialStack::current();
    let mut complaints = Complaints::of(stack);
    let config = match Search::here() {
        Search::AfterUs => Config::read(stack.environment(), &mut complaints),
        // Who loads us has our settings in the environment by then.
        Search::AllOthers => Config::read(process::present_environment(), &mut complaints),
    };
    let ready = !config.disabled && begin_if_supported(session, stack, &config, &mut complaints);
    if !config.follow {
        leave_executed_programs_alone(stack);
    }
    if !ready {
        session.control.never();
    }
    session.set_phase(if ready { Phase::Ready } else { Phase::Never });
    ready && config.start
}

/// Starts the session of a process that tmtool has brought us into, idle, with these settings; whether there is a recording.
/// What goes wrong is said, and leaves the session to be started again.
pub(super) fn start_brought(session: &Session, settings: impl Iterator<Item = &'static CStr>) -> bool {
    restrictions::remember();
    real::resolve();
    withdraw::withdraw_cxx_unless_needed();
    let stack = InitialStack::current();
    let mut complaints = Complaints::of(stack);
    let config = Config { start: false, ..Config::read(settings, &mut complaints) };
    let ready = begin_if_supported(session, stack, &config, &mut complaints);
    session.is_called_otherwise();
    session.set_phase(if ready { Phase::Ready } else { Phase::New });
    ready
}

/// Begins to record in a process that tmtool has brought us into, as these settings say.
pub fn begin_brought(
    session: &Session,
    settings: impl Iterator<Item = &'static CStr>,
) -> Result<(), Refused> {
    let config = Config::read(settings, &mut Complaints::of(InitialStack::current()));
    commands::start(session, config.n_frames_max, Some(config.sample_rate))
}

/// What is known of the program before anything else.
struct Program {
    executable: Text<PATH_BYTES>,
    working_directory: Text<PATH_BYTES>,
    host: [u8; 65],
}

impl Program {
    fn of_this_process() -> Program {
        let mut bytes = [0; PATH_BYTES];
        let executable = process::executable();
        let mut working_directory = Text::EMPTY;
        let len = syscall::getcwd(&mut bytes).unwrap_or(0);
        working_directory.push(bytes.get(..len).unwrap_or(&[]));
        Program { executable, working_directory, host: syscall::host_name() }
    }

    fn host(&self) -> &[u8] {
        CStr::from_bytes_until_nul(&self.host).map_or(&[], CStr::to_bytes)
    }

    /// Returns the last part of the path.
    fn name(&self) -> &[u8] {
        let path = match self.executable.as_bytes() {
            b"" => b"unknown",
            path => path,
        };
        path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
    }
}

/// Begins the session, but in a process whose C library is older than what this library was ever tried with.
fn begin_if_supported(
    session: &Session,
    stack: InitialStack,
    config: &Config,
    complaints: &mut Complaints,
) -> bool {
    let Some(version) = c_library::too_old() else { return begin(session, stack, config, complaints) };
    let (major, minor) = c_library::OLDEST_GLIBC;
    let message = Message::start("the C library is glibc ").bytes(version.to_bytes());
    let message = message.text(", and the oldest that can be recorded with is ").number(major).text(".");
    complaints.say(message.number(minor).text("; nothing is recorded: use a newer system or container"));
    false
}

fn begin(session: &Session, stack: InitialStack, config: &Config, complaints: &mut Complaints) -> bool {
    let [find_object, clock, functions @ ..] = elf::first_of([
        c"_dl_find_object",
        arch::VDSO_CLOCK_GETTIME,
        c"pthread_setcancelstate",
        c"dlopen",
        c"dlsym",
        loader::INNER_FUNCTIONS[0],
        loader::INNER_FUNCTIONS[1],
    ]);
    link_map::initialise(find_object);
    if !c_library::is_glibc() {
        musl::remember_code();
    }
    coarse::initialise(clock);
    let program = Program::of_this_process();
    let has_dlopen = !real::address(Function::Dlopen).is_null();
    loader::remember(program.working_directory.as_bytes(), functions, has_dlopen);
    let names = Names {
        program: program.name(),
        pid: syscall::getpid(),
        host: program.host(),
        start_s: syscall::clock_ns(libc::CLOCK_REALTIME) / 1_000_000_000,
    };
    let mut path = output::expand(config.out, program.working_directory.as_bytes(), names);
    let Some(word) = wiped_on_fork() else {
        Message::start("no memory for the recorder; nothing is recorded").say();
        return false;
    };
    if let Err(error) = session.recording.create(&mut path, config) {
        complaints.say(explain(path.as_bytes(), &error));
        return false;
    }
    // Relaxed: all of this is published by the control word, last of all.
    session.use_n_frames_max(config.n_frames_max);
    // What frame pointers say is not what the tables say.
    let interval = if config.frame_pointers_only { 0 } else { config.self_check_interval };
    session.self_check_interval.store(interval, Ordering::Relaxed);
    session.unwinder.frame_pointers_only.store(config.frame_pointers_only, Ordering::Relaxed);
    session.pid.store(names.pid, Ordering::Relaxed);
    session.unwinder.rules.initialise();
    PYTHON.initialise(config.python_frames, config.python_objects);
    session.is_on.store(config.start, Ordering::Relaxed);
    let seed = config
        .sample_seed
        .unwrap_or_else(|| syscall::clock_ns(libc::CLOCK_MONOTONIC) ^ u64::from(names.pid) << 40);
    session.seed.store(seed, Ordering::Relaxed);
    session.use_rate(Some(config.sample_rate));
    session.control.use_own(word, session.recording.process().0 + 1);
    warn_of_calls_to_others(session, names.program);
    describe(session, stack, &program);
    true
}

/// Returns a word in a page of its own that is 0 in a forked child (`MADV_WIPEONFORK`, Linux 4.14), or in one that the C library
/// makes.
fn wiped_on_fork() -> Option<&'static AtomicU32> {
    let page: *mut AtomicU32 = pages::zeroed(1);
    // SAFETY: fresh zeroed memory, or null.
    let word = unsafe { page.as_ref() }?;
    let page_bytes = process::page_bytes();
    if pages::wipe_on_fork(page.cast(), page_bytes).is_err() && !fork::be_told() {
        Message::start("no fork is seen here (Linux before 4.14, or an emulator): ")
            .text("do not fork, or the child's events are mixed up")
            .say();
    }
    Some(word)
}

/// Records what the program is and what it consists of.
fn describe(session: &Session, stack: InitialStack, program: &Program) {
    let recording = &session.recording;
    let start = recording.now();
    // Relaxed: set by this thread.
    let control = Control::first_word(session.on());
    let process = recording.add_process(None, syscall::getpid(), start, control);
    recording.add_text(TextKind::Executable, core::iter::once(program.executable.as_bytes()));
    recording.add_text(TextKind::CommandLine, stack.arguments().map(CStr::to_bytes_with_nul));
    recording.add_text(TextKind::Host, core::iter::once(program.host()));
    recording.add_text(TextKind::WorkingDirectory, core::iter::once(program.working_directory.as_bytes()));
    session.unwinder.modules.learn_all(recording);
    debug_assert_eq!(recording.epoch(), Epoch(0), "the first process begins with the first epoch");
    session.use_process(process, start);
}

/// Says whose `malloc` the program's calls reach if it is not ours: that of a program that defines it, of a library that is
/// preloaded before us, or of the C library if we came after it: that is said with the first start.
fn warn_of_calls_to_others(session: &Session, program: &[u8]) {
    if Search::here() == Search::AllOthers {
        // Relaxed: decides who speaks.
        session.is_behind_unsaid.store(true, Ordering::Relaxed);
        if session.is_on.load(Ordering::Relaxed) {
            session.say_what_is_behind();
        }
        return;
    }
    let before_us = LinkMap::all().take_while(|map| !map.is_ours());
    for (place, map) in before_us.enumerate() {
        if Symbols::of(map).and_then(|symbols| symbols.find(c"malloc")).is_none() {
            continue;
        }
        let name = if place == 0 { program } else { map.name().to_bytes() };
        let message = Message::start("").bytes(name).text(" defines ").text(Function::Malloc.symbol());
        let reason = if place == 0 {
            " itself, so its allocations cannot be recorded; build it with the system allocator"
        } else {
            " and stands before libtm.so: what it does not hand on is not recorded; name libtm.so first in LD_PRELOAD"
        };
        return message.text(reason).say();
    }
}

fn explain(path: &[u8], error: &CreateRefused) -> Message {
    match error {
        CreateRefused::NotOurs => {
            let message =
                Message::start("").bytes(path).text(" exists and is not a tm recording; it was left");
            message.text(" alone and nothing is recorded: remove it or set TM_OUT to another path")
        }
        CreateRefused::System(error) => {
            let message = Message::start("cannot create ").bytes(path).text(": ").error(*error);
            message.text("; nothing is recorded: set TM_OUT to a path that can be written")
        }
    }
}

/// Takes this library out of the LD_PRELOAD that executed programs inherit, for `TM_FOLLOW=0`.
///
/// The entry is overwritten with separators in the environment block itself: pointers to it stay valid, and neither
/// the length nor the order of the environment changes.
fn leave_executed_programs_alone(stack: InitialStack) {
    let Some(value) = stack.variable("LD_PRELOAD") else { return };
    let mut at = 0;
    for entry in value.to_bytes().split(|&byte| byte == b':' || byte == b' ') {
        let name = entry.rsplit(|&byte| byte == b'/').next().unwrap_or(entry);
        if name == b"libtm.so" {
            // SAFETY: the initial environment block is writable memory of the process. No other thread runs yet unless this
            // library is loaded by `dlopen`; then a reader sees the entry or separators, byte by byte.
            unsafe {
                core::ptr::write_bytes(value.as_ptr().cast_mut().cast::<u8>().add(at), b':', entry.len())
            };
        }
        at += entry.len() + 1;
    }
}
