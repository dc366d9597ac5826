//! The commands to a process about its traces: by its program, or from outside through the recording's header.
//!
//! A command is a record with a stamp: events up to and including the stamp come before it. So a thread that gives one
//! waits, some ns at most, until the clock has gone on: then what it does next comes after it.

use core::sync::atomic::Ordering;

use tm_common::header::{MappedRequest, REQUEST_NAME_BYTES, request};
use tm_common::ids::{Stamp, ThreadIndex};
use tm_common::metadata::{CommandKind, OUTSIDE, start_argument, started_frames, started_rate};
use tm_common::sampling::SampleRate;
use tm_common::settings::N_FRAMES_MAX;

use super::Session;
use crate::lockfree::try_lock::Held;
use crate::sys::{syscall, tls};

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The process has no recording.
    NoRecording,
    /// The recording cannot grow.
    NoSpace,
    /// The number of frames is out of its range.
    BadNumber,
    /// Another thread is giving a command and does not come to an end.
    Busy,
    /// Nothing is recorded now.
    NotTracing,
}

/// The number of times that a command waits for another thread's, and the ns of each: 0.1 s in all.
const WAITS: (u32, i64) = (1_000, 100_000);

/// Begins to record, with at most `n_frames` frames of each stack, and every event or samples; by `None` as the process is set. Does
/// nothing if it records already, unless at another rate: then what lives is forgotten.
pub fn start(session: &Session, n_frames: u32, rate: Option<SampleRate>) -> Result<(), Refused> {
    if !(1..=N_FRAMES_MAX).contains(&n_frames) {
        return Err(Refused::BadNumber);
    }
    let _held = begin(session)?;
    if !session.control.is_idle() {
        if !is_other_rate(session, rate) {
            return Ok(());
        }
        set_on(session, false);
        let stopped =
            Command { kind: CommandKind::Stop, ..Command::now(session) }.record_and_wait(session, b"");
        if stopped.is_err() {
            // Readers would put what lives under the new rate: it goes on as it was.
            set_on(session, true);
            return stopped;
        }
    }
    session.use_n_frames_max(n_frames);
    session.use_rate(rate);
    let argument = start_argument(n_frames, rate);
    let command = Command { kind: CommandKind::Start, argument, ..Command::now(session) };
    let done = command.record_and_wait(session, b"");
    set_on(session, true);
    done
}

/// Tells whether a start asks for another rate than that of the process.
fn is_other_rate(session: &Session, rate: Option<SampleRate>) -> bool {
    rate.is_some_and(|rate| rate != session.sample_rate())
}

/// Records nothing any more. Does nothing if it does not record.
pub fn stop(session: &Session) -> Result<(), Refused> {
    let _held = begin(session)?;
    if session.control.is_idle() {
        return Ok(());
    }
    set_on(session, false);
    Command { kind: CommandKind::Stop, ..Command::now(session) }.record_and_wait(session, b"")
}

/// Forgets what lives.
pub fn clear(session: &Session) -> Result<(), Refused> {
    let _held = begin(session)?;
    if session.control.is_idle() {
        return Ok(());
    }
    Command { kind: CommandKind::Clear, ..Command::now(session) }.record_and_wait(session, b"")
}

/// Gives the moment a name. No lock, no system call: other commands of this moment stand before or after it.
pub fn mark(session: &Session, name: &[u8]) -> Result<(), Refused> {
    if !session.is_recording() {
        return Err(if session.is_process() { Refused::NotTracing } else { Refused::NoRecording });
    }
    Command { kind: CommandKind::Mark, ..Command::now(session) }.record_and_wait(session, name)
}

/// Takes the lock of those who give commands, and does first what was asked from outside.
fn begin(session: &Session) -> Result<Held<'_>, Refused> {
    if !session.is_process() {
        return Err(Refused::NoRecording);
    }
    let (n_waits, wait_ns) = WAITS;
    let mut held = session.commanding.take();
    for _ in 0..n_waits {
        if held.is_some() {
            break;
        }
        syscall::pause_ns(wait_ns);
        held = session.commanding.take();
    }
    let held = held.ok_or(Refused::Busy)?;
    obey_requests(session);
    Ok(held)
}

/// Does what the process is asked for from outside. If another thread is at it, that one does.
#[cold]
pub fn obey(session: &Session) {
    if let Some(_held) = session.commanding.take() {
        obey_requests(session);
    }
}

fn obey_requests(session: &Session) {
    let Some(header) = session.recording.header() else { return };
    session.control.attend();
    while let Some(request) = earliest(session, &header.requests) {
        let mut name = [0; REQUEST_NAME_BYTES];
        for (bytes, word) in name.chunks_exact_mut(8).zip(&request.name) {
            // Relaxed: the request came with its state.
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        let len = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        obey_one(session, request, name.get(..len).unwrap_or(&[]));
        // Release: publishes the record that stands for the request now.
        request.state.store(request::FREE, Ordering::Release);
    }
    // Whoever asks for a stop sets the idle bit after the request, which may have been obeyed and undone by then.
    session.control.set_on(session.on());
}

/// Returns the earliest request to this process.
fn earliest<'a>(session: &Session, requests: &'a [MappedRequest]) -> Option<&'a MappedRequest> {
    let process = session.recording.process();
    let ready = requests.iter().filter(|request| request.is_ready_for(process));
    // Relaxed: the request came with its state.
    ready.min_by_key(|request| request.stamp.load(Ordering::Relaxed))
}

fn obey_one(session: &Session, request: &MappedRequest, name: &[u8]) {
    // Relaxed: the request came with its state.
    let argument = request.argument.load(Ordering::Relaxed);
    let Some(kind) = CommandKind::from_id(request.kind.load(Ordering::Relaxed)) else { return };
    // A stamp from the future, by a clock that is not ours, is not waited for.
    let mut stamp = Stamp(request.stamp.load(Ordering::Relaxed)).min(session.recording.now());
    let was_on = session.is_on.load(Ordering::Relaxed);
    match kind {
        CommandKind::Start => {
            let rate = started_rate(argument);
            if was_on && !is_other_rate(session, rate) {
                return set_on(session, true);
            }
            if was_on {
                set_on(session, false);
                // What was recorded since it was asked is of the old rate: it ends now.
                let stop = Command {
                    kind: CommandKind::Stop,
                    argument: 0,
                    stamp: session.recording.now(),
                    thread: OUTSIDE,
                };
                let _ = stop.record_and_wait(session, b"");
                stamp = session.recording.now();
            }
            session.use_n_frames_max(started_frames(argument).clamp(1, N_FRAMES_MAX));
            session.use_rate(rate);
        }
        CommandKind::Stop if !was_on => return,
        CommandKind::Stop | CommandKind::Clear | CommandKind::Mark => {}
    }
    // If the recording cannot grow, later readers do not know of it; events are being lost then, and are counted.
    let _ = Command { kind, argument, stamp, thread: OUTSIDE }.record_and_wait(session, name);
    match kind {
        CommandKind::Start => set_on(session, true),
        CommandKind::Stop => set_on(session, false),
        CommandKind::Clear | CommandKind::Mark => {}
    }
}

fn set_on(session: &Session, is_on: bool) {
    if is_on {
        session.say_what_is_behind();
    }
    // Relaxed: changed under the lock; a forked child has a copy.
    session.is_on.store(is_on, Ordering::Relaxed);
    session.control.set_on(session.on());
}

/// A command that is being given.
struct Command {
    kind: CommandKind,
    argument: u32,
    stamp: Stamp,
    thread: u32,
}

impl Command {
    /// Makes a command of the calling thread, as of now.
    fn now(session: &Session) -> Command {
        // SAFETY: the calling thread's own block.
        let block = unsafe { tls::current().as_mut() };
        let thread = session.threads.of_caller(session, block);
        let thread = thread.map_or(OUTSIDE, |thread| thread.recorded_index(session).0);
        Command { kind: CommandKind::Mark, argument: 0, stamp: session.recording.now(), thread }
    }

    fn record_and_wait(&self, session: &Session, name: &[u8]) -> Result<(), Refused> {
        let thread = ThreadIndex(self.thread);
        // Relaxed: read in a copy of this memory alone.
        session.latest_command.fetch_max(self.stamp.0, Ordering::Relaxed);
        let recorded = session.recording.add_command(self.kind, thread, self.argument, self.stamp, name);
        while session.recording.now() <= self.stamp {
            core::hint::spin_loop();
        }
        if recorded.is_none() && self.kind != CommandKind::Mark {
            // Readers will not know of it: what they say from here on is not the whole truth.
            session.recording.lose_for_want_of_room();
        }
        recorded.ok_or(Refused::NoSpace)
    }
}
