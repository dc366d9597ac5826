//! Layer 5: this process as a recorder: when it records, its threads, what a fork makes of it, and its end.
//!
//! ```text
//!            first call            fork                first call in the child
//!   New --> Starting --> Ready ----> (own word wiped) --> Ready, as another process
//!                  \---> Never: TM_DISABLE=1, or no file could be made
//! ```
//!
//! A process that is ready records or does not, by the commands of its program or from outside ([`commands`]).

pub mod commands;
pub mod control;
pub mod finish;
pub mod fork;
pub mod names;
pub mod sampler;
pub mod start;
pub mod threads;
pub mod withdraw;

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use tm_common::header::Loss;
use tm_common::ids::{Stamp, ThreadIndex};
use tm_common::metadata::{CommandKind, MappedProcess, OUTSIDE, control as control_word};
use tm_common::sampling::SampleRate;

use crate::lockfree::try_lock::TryLock;
use crate::recording::Recording;
use crate::recording::stack_table::StackTable;
use crate::sys::message::Message;
use crate::unwind::walk::Unwinder;
use control::{Control, State};
use names::Names;
use threads::Threads;

/// Everything that the hooks share. There is one, [`SESSION`].
#[derive(Debug)]
pub struct Session {
    /// Tells whether there is anything to do.
    pub control: Control,
    /// The file.
    pub recording: Recording,
    /// The stacks in it.
    pub stacks: StackTable,
    /// The way stacks are walked.
    pub unwinder: Unwinder,
    /// The threads that record.
    pub threads: Threads,
    /// Tags and domains.
    pub names: Names,
    /// `TM_NFRAME`, or what the program has said since.
    n_frames_max: AtomicU32,
    /// `TM_SELF_CHECK`.
    pub self_check_interval: AtomicU32,
    phase: AtomicU32,
    pid: AtomicU32,
    process: AtomicPtr<MappedProcess>,
    /// Tells whether this process was told to record. A forked child goes by it: the control word may still be its parent's.
    is_on: AtomicBool,
    /// What the control word says while the process records: 0 for every event, or [`control::sampling`](tm_common::metadata::control::sampling).
    on_word: AtomicU32,
    /// What samples are drawn by.
    pub seed: AtomicU64,
    commanding: TryLock,
    /// The stamp of the latest command: what a forked child has a copy of tells that it came before the fork.
    latest_command: AtomicU64,
    /// The function that sees calls, a `fn(usize) -> bool`; null for none.
    watch: AtomicPtr<()>,
    /// Tells that this library stands behind the C library, and nobody was told yet.
    is_behind_unsaid: AtomicBool,
}

/// Where in the session the pointers to the two words of [`control`] stand, for the stubs.
pub const CONTROL_OFFSETS: (usize, usize) = {
    let (control, own) = Control::OFFSETS;
    let at = core::mem::offset_of!(Session, control);
    (at + control, at + own)
};

/// The process's session.
pub static SESSION: Session = Session {
    control: Control::new(),
    recording: Recording::new(),
    stacks: StackTable::new(),
    unwinder: Unwinder::new(),
    threads: Threads::new(),
    names: Names::new(),
    n_frames_max: AtomicU32::new(tm_common::settings::N_FRAMES_MAX),
    self_check_interval: AtomicU32::new(0),
    phase: AtomicU32::new(Phase::New as u32),
    pid: AtomicU32::new(0),
    process: AtomicPtr::new(core::ptr::null_mut()),
    is_on: AtomicBool::new(false),
    on_word: AtomicU32::new(0),
    seed: AtomicU64::new(0),
    commanding: TryLock::new(),
    latest_command: AtomicU64::new(0),
    watch: AtomicPtr::new(core::ptr::null_mut()),
    is_behind_unsaid: AtomicBool::new(false),
};

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Off,
    /// Every event.
    Every,
    /// Samples, by the control word.
    Samples(u32),
}

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Phase {
    New,
    Starting,
    Ready,
    Never,
}

impl Session {
    /// Returns how many frames of a stack are recorded.
    #[inline(always)]
    pub fn n_frames_max(&self) -> usize {
        // Relaxed: a number on its own.
        self.n_frames_max.load(Ordering::Relaxed) as usize
    }

    /// Changes it.
    fn use_n_frames_max(&self, n_frames: u32) {
        // Relaxed: whoever goes by the number before forgets the paths of it afterwards.
        self.n_frames_max.store(n_frames, Ordering::Relaxed);
        self.unwinder.forget_paths();
    }

    /// Tells whether events are recorded, as far as the control word says. The first call starts the session; requests from
    /// outside are obeyed. A forked child's events still have to find out that they are.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.is_on_at(0)
    }

    /// Returns the same in a call from `pc`.
    #[inline(always)]
    pub fn is_on_at(&self, pc: usize) -> bool {
        self.mode_at(pc) != Mode::Off
    }

    /// Returns what is recorded in a call from `pc`, as [`Session::is_on`] does.
    #[inline(always)]
    pub fn mode_at(&self, pc: usize) -> Mode {
        match self.control.state() {
            State::On => Mode::Every,
            State::Sampled(word) => Mode::Samples(word),
            // A child whose parent is idle has a word of its own to get.
            State::Off if self.control.own() != 0 => Mode::Off,
            State::Off | State::Attend | State::New => self.mode_after_attending(pc),
        }
    }

    #[cold]
    fn mode_after_attending(&self, pc: usize) -> Mode {
        if self.attend(pc) { self.control.mode() } else { Mode::Off }
    }

    /// Returns what the control word says while the process records or, if it does not, `None`.
    fn on(&self) -> Option<u32> {
        // Relaxed: changed by who has the commands' lock, or while the process has one thread.
        let word = self.on_word.load(Ordering::Relaxed);
        let word = if control_word::sample_rate(word).is_every() { 0 } else { word };
        self.is_on.load(Ordering::Relaxed).then_some(word)
    }

    /// Makes the process record at `rate` when it records, or at that which it has. What threads count begins anew.
    fn use_rate(&self, rate: Option<SampleRate>) {
        // Relaxed: as in `on`.
        let before = self.on_word.load(Ordering::Relaxed);
        let rate = rate.unwrap_or(control_word::sample_rate(before));
        let time = (before >> 8) as u16;
        let next = if rate.is_every() {
            u32::from(time) << 8
        } else {
            control_word::sampling(rate, time.wrapping_add(1))
        };
        self.on_word.store(next, Ordering::Relaxed);
    }

    /// Returns the rate at which the process records when it does.
    fn sample_rate(&self) -> SampleRate {
        control_word::sample_rate(self.on_word.load(Ordering::Relaxed))
    }

    /// Has nobody told that calls of the program go to the C library: what is to be recorded comes another way.
    pub fn is_called_otherwise(&self) {
        // Relaxed: decides who speaks.
        self.is_behind_unsaid.store(false, Ordering::Relaxed);
    }

    /// Says once, if the calls of the program go to the C library and not to us, that they are not recorded.
    fn say_what_is_behind(&self) {
        // Relaxed: decides who speaks.
        if self.is_behind_unsaid.swap(false, Ordering::Relaxed) {
            let message = Message::start(
                "libtm.so stands behind the C library, as after dlopen: only calls of its own",
            );
            message.text(" functions are recorded; name it in LD_PRELOAD to record all").say();
        }
    }

    /// Gives `watch` the caller of each call of a hook from now on, 0 if that is not known, until it says that it has
    /// seen enough.
    pub fn watch_calls(&self, watch: fn(usize) -> bool) {
        // Release: publishes what it looks for.
        self.watch.store(watch as *mut (), Ordering::Release);
        self.control.ask_for_attention();
    }

    #[cold]
    fn tell_watch(&self, pc: usize) {
        // Acquire: receives what it looks for.
        let watch = self.watch.load(Ordering::Acquire);
        if watch.is_null() {
            return;
        }
        // SAFETY: `watch_calls` has stored a function of this type.
        let see: fn(usize) -> bool = unsafe { core::mem::transmute(watch) };
        if see(pc) {
            // Relaxed: nothing is published. Another one may have come meanwhile.
            let _ = self.watch.compare_exchange(
                watch,
                core::ptr::null_mut(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        } else {
            self.control.ask_for_attention();
        }
    }

    /// Tells whether this process records events now, a forked child as a process of its own.
    pub fn is_recording(&self) -> bool {
        self.is_on() && self.is_process()
    }

    /// Tells whether this is a process of a recording: a forked child is made one.
    pub fn is_process(&self) -> bool {
        if self.control.state() == State::New {
            self.attend(0);
        }
        let own = self.control.own();
        Control::has_number(own)
            || !self.control.is_never() && self.is_ready() && fork::continue_in_child(self)
    }

    /// Tells whether there is a recording; starts none.
    fn is_ready(&self) -> bool {
        // Acquire: receives what was set up.
        self.phase.load(Ordering::Acquire) == Phase::Ready as u32
    }

    /// Starts the session, or does what the process is asked for. Returns whether it records then.
    #[cold]
    fn attend(&self, pc: usize) -> bool {
        if self.control.state() == State::New {
            return self.enter();
        }
        if self.is_process() {
            commands::obey(self);
            self.tell_watch(pc);
        }
        !self.control.is_idle()
    }

    /// Starts the session as one that tmtool has brought us into: idle, by these settings. Returns whether there is a recording,
    /// which may be one from before.
    #[cold]
    pub fn enter_brought(&self, settings: impl Iterator<Item = &'static core::ffi::CStr>) -> bool {
        let (new, starting) = (Phase::New as u32, Phase::Starting as u32);
        // Acquire: receives what an earlier start has set up.
        match self.phase.compare_exchange(new, starting, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => start::start_brought(self, settings),
            Err(_) => self.is_process(),
        }
    }

    #[cold]
    fn enter(&self) -> bool {
        let (new, starting) = (Phase::New as u32, Phase::Starting as u32);
        // Acquire: receives what another thread's start has set up.
        match self.phase.compare_exchange(new, starting, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => start::start(self),
            Err(phase) if phase == starting => {
                // Another thread starts right now, or the start itself came here.
                self.recording.lose(Loss::NotReady);
                false
            }
            Err(_) => !self.control.is_idle(),
        }
    }

    /// Uses the record of the process (null if the recording could not grow): from here on it says whether events are
    /// recorded. A process that begins idle says so as of `start`.
    fn use_process(&self, process: *mut MappedProcess, start: Stamp) {
        // Relaxed: published by the control word.
        self.process.store(process, Ordering::Relaxed);
        let is_on = self.is_on.load(Ordering::Relaxed);
        if !is_on {
            let (kind, outside) = (CommandKind::Stop, ThreadIndex(OUTSIDE));
            // Without room there is nothing to be read anyway.
            let _ = self.recording.add_command(kind, outside, 0, start, b"");
        }
        // SAFETY: a record stays mapped.
        let word =
            unsafe { process.as_ref() }.map_or(core::ptr::null(), |process| &raw const process.control);
        self.control.use_word(word, self.on());
    }

    fn set_phase(&self, phase: Phase) {
        // Release: publishes what was set up.
        self.phase.store(phase as u32, Ordering::Release);
    }
}
