//! Layer 3b: CPython interpreters in the process: which they are, and the frames of the calling thread's.
//!
//! Nothing is asked of the interpreter: its memory is read, by [`layout`]s that are held against what it says of itself
//! ([`check`]). It is called for one thing, a look at a variable of the thread's ([`interpreter`]); one word of it is changed, so that
//! the end of code objects is seen ([`codes`]).
//!
//! Contract of what an event calls ([`Python::reading`], [`chain`]): as for `recording`. Meeting a code object is cold.

mod cached_frames;
pub mod chain;
mod check;
pub mod codes;
mod evaluation;
mod frame;
pub mod interpreter;
mod layout;
mod objects;
pub mod recent;
mod running;

#[cfg(test)]
pub mod tests;

use core::ffi::c_void;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use tm_common::ids::{CodeIndex, StackId};
use tm_common::metadata::InterpreterState;
use tm_common::stack::FrameKind;

use crate::lockfree::try_lock::TryLock;
use crate::recording::Recording;
use crate::sys::memory::pages;
use crate::sys::objects::image::Image;
use crate::sys::objects::link_map::LinkMap;
use chain::{Chain, Found};
use codes::Codes;
use interpreter::Phase;
pub use interpreter::{Interpreter, States};
use objects::Dealloc;
pub use running::Look;

/// What is done with the first frame of a process.
pub type SeeFirstFrame = fn(&'static Interpreter);

/// Does what a macro says for the shape of an interpreter's frames: each is read by code of its own.
macro_rules! by_shape {
    ($interpreter:expr, $do:ident, $otherwise:expr) => {
        match $interpreter.layout.shape {
            0 => $do!(0),
            1 => $do!(1),
            2 => $do!(2),
            3 => $do!(3),
            4 => $do!(4),
            _ => $otherwise,
        }
    };
}

/// How long a module stays loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// As long as the process: it was there when that began.
    ForGood,
    /// Maybe until somebody closes it.
    Unknown,
}

/// The interpreters of the process.
#[derive(Debug)]
pub struct Python {
    /// The one whose frames are read; null for none.
    interpreter: AtomicPtr<Interpreter>,
    /// `TM_PYTHON_FRAMES=1`.
    reads_frames: AtomicBool,
    /// `TM_PYTHON_OBJECTS=1`: the first frame is looked for in any case.
    waits_for_frame: AtomicBool,
    /// A [`SeeFirstFrame`]; null for none.
    see_first_frame: AtomicPtr<()>,
    /// Held while wrappers are put in front of its allocators, or taken away.
    pub changing: TryLock,
    /// The code objects that were met.
    pub codes: Codes,
    /// The interpreter's own function that frees code objects.
    dealloc: AtomicUsize,
}

/// What the functions that the interpreter calls find.
pub static PYTHON: Python = Python {
    interpreter: AtomicPtr::new(core::ptr::null_mut()),
    reads_frames: AtomicBool::new(false),
    waits_for_frame: AtomicBool::new(false),
    see_first_frame: AtomicPtr::new(core::ptr::null_mut()),
    changing: TryLock::new(),
    codes: Codes::new(),
    dealloc: AtomicUsize::new(0),
};

impl Python {
    /// Has frames read, or not, and the first one looked for. Called once at the start, before modules are looked at.
    pub fn initialise(&self, reads_frames: bool, waits_for_frame: bool) {
        // Relaxed, both: published with the session.
        self.reads_frames.store(reads_frames, Ordering::Relaxed);
        self.waits_for_frame.store(waits_for_frame, Ordering::Relaxed);
    }

    /// Has `see` called once, when the first frame of a Python program is met, in the event that meets it, if that was asked for.
    /// Called before the program runs.
    pub fn on_first_frame(&self, see: SeeFirstFrame) {
        // Relaxed, both: constant since the start, and the program's threads come later.
        if self.waits_for_frame.load(Ordering::Relaxed) {
            self.see_first_frame.store(see as *mut (), Ordering::Relaxed);
        }
    }

    /// Looks whether a module that has just become known is an interpreter. `function_at` tells how far the function at an address
    /// goes.
    #[cold]
    pub fn look_at(
        &self,
        recording: &Recording,
        map: &'static LinkMap,
        image: &Image,
        stay: Stay,
        function_at: impl Fn(usize) -> Option<Range<usize>>,
    ) {
        let reads_frames = self.reads_frames.load(Ordering::Relaxed);
        if !reads_frames && !self.waits_for_frame.load(Ordering::Relaxed) {
            return;
        }
        let Some(found) = interpreter::find(map, image, stay, function_at) else { return };
        let start = image.range().start;
        let record = |state| recording.add_interpreter(start, found.version, state, found.evaluation.parts());
        match found.interpreter {
            Err(state) => record(state),
            Ok(interpreter) => {
                let place: *mut Interpreter = pages::zeroed(1);
                if place.is_null() {
                    return;
                }
                // SAFETY: fresh memory, which stays.
                unsafe { place.write(interpreter) };
                // Release: publishes the interpreter.
                let none = core::ptr::null_mut();
                let is_first = self
                    .interpreter
                    .compare_exchange(none, place, Ordering::Release, Ordering::Relaxed)
                    .is_ok();
                if !is_first && reads_frames {
                    record(InterpreterState::Second);
                }
            }
        }
    }

    /// Returns the interpreter whose frames are read, if there is one.
    #[inline(always)]
    pub fn interpreter(&self) -> Option<&'static Interpreter> {
        // Acquire: receives the interpreter.
        // SAFETY: null, or memory that stays.
        unsafe { self.interpreter.load(Ordering::Acquire).as_ref() }
    }

    /// Returns the innermost Python frame of the calling thread, 0 if there is none to be read.
    #[inline(always)]
    pub fn innermost(&self, recording: &Recording, interpreter: &'static Interpreter, look: Look) -> usize {
        let phase = interpreter.phase();
        if phase == Phase::Left as u32 {
            return 0;
        }
        let innermost = interpreter.innermost(look);
        if innermost == 0 || phase == Phase::Read as u32 {
            return innermost;
        }
        if self.begin(recording, interpreter, look) { innermost } else { 0 }
    }

    /// Gets ready to read frames, the first of which has been met. Returns whether they are read. Several threads may do so at once.
    #[cold]
    #[inline(never)]
    fn begin(&self, recording: &Recording, interpreter: &'static Interpreter, look: Look) -> bool {
        if interpreter.phase() == Phase::Left as u32 {
            return false;
        }
        // Relaxed: constant since the start.
        let reads_frames = self.reads_frames.load(Ordering::Relaxed);
        let is_expected = !reads_frames
            || interpreter.is_as_expected(look) && interpreter.lead_dealloc(code_goes, &self.dealloc);
        let (state, next) = match (is_expected, reads_frames) {
            (false, _) => (InterpreterState::UnexpectedLayout, Phase::Left),
            (true, true) => (InterpreterState::Read, Phase::Read),
            (true, false) => (InterpreterState::Read, Phase::Left),
        };
        if interpreter.advance(Phase::Found, next) {
            if reads_frames {
                let Interpreter { start, version, evaluation, .. } = interpreter;
                recording.add_interpreter(*start, *version, state, evaluation.parts());
            }
            let see = self.see_first_frame.load(Ordering::Relaxed);
            if is_expected && !see.is_null() {
                // SAFETY: `on_first_frame` has stored a function of this type.
                unsafe { core::mem::transmute::<*mut (), SeeFirstFrame>(see)(interpreter) };
            }
        }
        next == Phase::Read
    }

    /// Forgets an interpreter whose module is about to go, or has gone. Returns whether there was one.
    #[cold]
    pub fn leave(&self, start: usize) -> bool {
        // Acquire: receives the interpreter.
        let present = self.interpreter.load(Ordering::Acquire);
        // SAFETY: null, or memory that stays.
        let is_it = unsafe { present.as_ref() }.is_some_and(|interpreter| interpreter.start == start);
        let none = core::ptr::null_mut();
        // Relaxed: nothing is published.
        is_it
            && self.interpreter.compare_exchange(present, none, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Has an interpreter stay that the library about to be closed may be, or have brought: another thread may be on the way of looking
    /// at its state there. Called where the loader is about to be called.
    #[cold]
    pub fn keep(&self) {
        if let Some(interpreter) = self.interpreter()
            && !interpreter.stays()
        {
            self.leave(interpreter.start);
        }
    }

    /// Releases the try-locks that a forked child may have inherited locked.
    pub fn after_fork(&self) {
        self.changing.after_fork();
        self.codes.after_fork();
    }
}

/// Is called by the interpreter in place of the function that frees a code object.
unsafe extern "C" fn code_goes(code: *mut c_void) {
    PYTHON.codes.forget(code as usize);
    // Relaxed: stored before this function could be called.
    let address = PYTHON.dealloc.load(Ordering::Relaxed);
    // SAFETY: the function that the caller was about to call, with its argument.
    unsafe { core::mem::transmute::<usize, Dealloc>(address)(code) };
}

/// Tells whether `chain` is what the frames from `innermost` on are, read again.
#[cold]
pub fn is_chain_of(interpreter: &Interpreter, chain: &Chain, innermost: usize) -> bool {
    macro_rules! is_chain_of {
        ($shape:literal) => {
            chain.is_chain_of::<$shape>(innermost)
        };
    }
    by_shape!(interpreter, is_chain_of, true)
}

/// Makes a chain's nodes of the frames of an interpreter.
pub struct Reader<'a, E> {
    /// The interpreter.
    pub interpreter: &'static Interpreter,
    /// The recording.
    pub recording: &'a Recording,
    /// Enters a node.
    pub enter: E,
}

impl<E: Fn(StackId, u64, FrameKind) -> StackId> frame::Nodes for Reader<'_, E> {
    #[inline(always)]
    fn enter(&self, parent: StackId, pc: u64, kind: FrameKind) -> StackId {
        (self.enter)(parent, pc, kind)
    }

    #[inline(always)]
    fn code(&self, address: usize) -> Option<CodeIndex> {
        if !self.interpreter.is_code(address) {
            return None;
        }
        // SAFETY: a frame runs it, so it lives.
        unsafe { PYTHON.codes.number(self.recording, self.interpreter.layout, address) }
    }

    #[inline(always)]
    fn instructions(&self, address: usize) -> (usize, usize) {
        let shape = &self.interpreter.layout.code;
        // SAFETY: it is a code object, see `code`.
        let first = unsafe { ((address + shape.first_traceable) as *const i32).read() };
        (address + shape.size, usize::try_from(first).unwrap_or(0))
    }
}

/// Returns the node of the frames of an interpreter from `innermost` on, of which `limit` are kept at least. What is new of them is
/// entered by the reader that `reader` makes.
#[inline(always)]
pub fn node_of<'a, E: Fn(StackId, u64, FrameKind) -> StackId>(
    interpreter: &Interpreter,
    innermost: usize,
    chain: &mut Chain,
    limit: usize,
    reader: impl FnOnce() -> Reader<'a, E>,
) -> StackId {
    macro_rules! node_of {
        ($shape:literal) => {
            if limit == 1 {
                frame::innermost_node::<$shape>(innermost, &reader())
            } else {
                match chain.find::<$shape>(innermost, PYTHON.codes.generation(), limit) {
                    Found::Same(node) => node,
                    found => chain.enter::<$shape>(found, limit, &reader()),
                }
            }
        };
    }
    by_shape!(interpreter, node_of, StackId::NONE)
}
