//! An interpreter in the process: the program, or a library of it.

use core::ffi::CStr;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use tm_common::metadata::InterpreterState;

use super::Stay;
use super::check::{self, TYPE_DEALLOC};
use super::evaluation::Evaluation;
use super::layout::Layout;
use super::objects::{self, Dealloc, word};
use super::running::{Look, RUNNING_IS_OWN_SINCE, Running, this_thread};
use crate::real::is_loader;
use crate::sys::objects::elf::Symbols;
use crate::sys::objects::image::Image;
use crate::sys::objects::link_map::{self, LinkMap};
use crate::sys::objects::loader;

/// An interpreter whose frames can be read.
#[derive(Debug)]
pub struct Interpreter {
    map: &'static LinkMap,
    stay: Stay,
    is_kept: AtomicBool,
    /// The first address of its module, ...
    pub start: usize,
    /// ... and the first behind it.
    end: usize,
    /// Where the loader's code is.
    loader: Range<usize>,
    /// Where it keeps a thread's state.
    pub states: States,
    /// `PY_VERSION_HEX`.
    pub version: u32,
    /// Where its function that runs Python code is.
    pub evaluation: Evaluation,
    /// What it keeps where.
    pub layout: &'static Layout,
    /// The address of `PyCode_Type`.
    pub code_type: usize,
    is_type_writable: bool,
    running: Running,
    finalizing: usize,
    phase: AtomicU32,
}

/// What is known of a module that is an interpreter.
#[derive(Debug)]
pub struct Found {
    /// `PY_VERSION_HEX`, 0 if that is not known.
    pub version: u32,
    /// Where its function that runs Python code is.
    pub evaluation: Evaluation,
    /// The interpreter, or why its frames are not read.
    pub interpreter: Result<Interpreter, InterpreterState>,
}

/// Where an interpreter keeps its threads' states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum States {
    /// Where a look at one needs nothing: in keys of the C library's, up to 3.11; in variables of the program's.
    AtHand,
    /// In thread-local variables of a library, since 3.12: the loader may have to allocate before they can be looked at, and must
    /// not be made to while it does.
    InLibrary,
    /// In those of a library that came late: the loader has to, when a thread first looks, and takes its lock.
    InLateLibrary,
}

impl States {
    fn of(map: &LinkMap, stay: Stay, version: u32) -> States {
        let is_program = LinkMap::all().next().is_some_and(|program| core::ptr::eq(program, map));
        match stay {
            _ if version < RUNNING_IS_OWN_SINCE || is_program => States::AtHand,
            Stay::ForGood => States::InLibrary,
            Stay::Unknown => States::InLateLibrary,
        }
    }
}

/// Where an interpreter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// No frame of it was met.
    Found,
    /// Frames are read.
    Read,
    /// Frames are not read.
    Left,
}

/// Returns what the module of `map` is, if it is an interpreter. `function_at` tells how far the function at an address goes.
#[cold]
pub fn find(
    map: &'static LinkMap,
    image: &Image,
    stay: Stay,
    function_at: impl Fn(usize) -> Option<Range<usize>>,
) -> Option<Found> {
    let symbols = Symbols::of(map)?;
    symbols.variable(c"_PyRuntime")?;
    symbols.variable(c"PyCode_Type")?;
    let evaluation = symbols.function(c"_PyEval_EvalFrameDefault")?;
    // A program that names a variable of a library's at a fixed address has it itself, and the library uses that.
    let program = LinkMap::all().next().and_then(Symbols::of);
    let holder = |name| program.as_ref().filter(|it| it.variable(name).is_some()).unwrap_or(&symbols);
    let (runtime_holder, type_holder) = (holder(c"_PyRuntime"), holder(c"PyCode_Type"));
    let (runtime, code_type) =
        (runtime_holder.variable(c"_PyRuntime")?, type_holder.variable(c"PyCode_Type")?);
    let version = version(&symbols).unwrap_or(0);
    let running = Running::of(&symbols, version)?;
    let evaluation = Evaluation::find(image, evaluation, function_at);
    let make = || {
        let layout = Layout::of_version(version).ok_or(InterpreterState::UnknownVersion)?;
        let finalizing = check::check(image, &runtime, &code_type, version, layout)?;
        Ok(Interpreter {
            map,
            stay,
            is_kept: AtomicBool::new(false),
            start: image.range().start,
            end: image.range().end,
            loader: loader_range(),
            states: States::of(map, stay, version),
            version,
            evaluation,
            layout,
            code_type: code_type.start,
            is_type_writable: is_writable(type_holder.image(), &code_type),
            running,
            finalizing,
            phase: AtomicU32::new(Phase::Found as u32),
        })
    };
    Some(Found { version, evaluation, interpreter: make() })
}

/// Returns where the loader is; nowhere in a process without one.
fn loader_range() -> Range<usize> {
    let image = LinkMap::all().find(|map| is_loader(map)).and_then(link_map::image_of);
    image.map_or(0..0, |image| image.range())
}

/// Tells whether the words of the type at `place` may be changed.
fn is_writable(image: &Image, place: &Range<usize>) -> bool {
    place.start.is_multiple_of(8)
        && image.segment_with(libc::PF_W, place.clone())
        && !image.protected().contains(&place.start)
}

/// Returns `PY_VERSION_HEX`: since 3.11 it is a variable, and before that a function makes a text that begins with the version.
fn version(symbols: &Symbols) -> Option<u32> {
    if let Some(place) = symbols.variable(c"Py_Version") {
        // SAFETY: a variable that can be read.
        return (place.len() >= 8).then(|| unsafe { word(place.start) } as u32);
    }
    let address = symbols.function(c"Py_GetVersion")?;
    // SAFETY: the address is that function's, which formats constants into a buffer of its own.
    let text = unsafe {
        let get: unsafe extern "C" fn() -> *const core::ffi::c_char = core::mem::transmute(address);
        let text = get();
        (!text.is_null()).then(|| CStr::from_ptr(text))?
    };
    parse_version(text.to_bytes())
}

/// Reads a version like `3.10.13 (main, ...)` or `3.9.0rc1+ (...`.
fn parse_version(text: &[u8]) -> Option<u32> {
    let mut rest = text;
    let mut number = |separator: Option<u8>| {
        if let Some(separator) = separator {
            rest = rest.strip_prefix(&[separator])?;
        }
        let n_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, behind) = rest.split_at(n_digits);
        rest = behind;
        (1..=3)
            .contains(&n_digits)
            .then(|| digits.iter().fold(0u32, |n, &digit| 10 * n + u32::from(digit - b'0')))
    };
    let (major, minor, micro) = (number(None)?, number(Some(b'.'))?, number(Some(b'.'))?);
    let level = match rest.first() {
        Some(b'a') => 0xa,
        Some(b'b') => 0xb,
        Some(b'r') => 0xc,
        _ => 0xf,
    };
    (major.max(minor).max(micro) < 256).then_some(major << 24 | minor << 16 | micro << 8 | level << 4)
}

impl Interpreter {
    /// Tells whether its module stays loaded when others close it: it is made to, if it does not of itself.
    pub fn stays(&self) -> bool {
        // Relaxed: once is enough.
        if self.stay == Stay::Unknown && !self.is_kept.load(Ordering::Relaxed) {
            self.is_kept.store(loader::keep(self.map.name()), Ordering::Relaxed);
        }
        self.stay == Stay::ForGood || self.is_kept.load(Ordering::Relaxed)
    }

    /// Returns the address of the function of this name that it exports.
    pub fn function(&self, name: &CStr) -> Option<usize> {
        Symbols::of(self.map)?.function(name)
    }

    /// Returns the calling thread's state, if it has one whose frames stay while they are read: when the interpreter ends, the thread that
    /// does it frees the others'.
    #[inline(always)]
    fn thread_state(&self, look: Look) -> Option<usize> {
        let state = self.running.of_thread(look);
        // SAFETY: inside of the runtime's variable.
        let finalizing = unsafe { word(self.finalizing) };
        (state != 0 && (finalizing == 0 || finalizing == state)).then_some(state)
    }

    /// Returns the calling thread's innermost frame; 0 if it runs no Python code.
    #[inline(always)]
    pub fn innermost(&self, look: Look) -> usize {
        self.thread_state(look).map_or(0, |state| {
            // SAFETY: the state is the thread's own, and alive.
            let first = unsafe { word(state + self.layout.frame) };
            match self.layout.frame_inside {
                // SAFETY: as above.
                Some(inside) if first != 0 => unsafe { word(first + inside) },
                _ => first,
            }
        })
    }

    /// Tells whether a look finds a thread's states, if it has any.
    pub fn is_enough(&self, look: Look) -> bool {
        self.running.is_enough(look)
    }

    /// Tells whether the code at `pc` is the loader's.
    #[inline]
    pub fn is_loader(&self, pc: usize) -> bool {
        self.loader.contains(&pc)
    }

    /// Tells whether the code at `pc` is its own.
    pub fn has_code(&self, pc: usize) -> bool {
        (self.start..self.end).contains(&pc)
    }

    /// Returns where it stands.
    #[inline(always)]
    pub fn phase(&self) -> u32 {
        // Acquire: receives what was made ready.
        self.phase.load(Ordering::Acquire)
    }

    /// Goes from one phase to the next; false if another thread has.
    pub fn advance(&self, from: Phase, to: Phase) -> bool {
        // Release: publishes what was made ready. Acquire: as in `phase`.
        self.phase.compare_exchange(from as u32, to as u32, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Tells whether the calling thread, which runs Python code, has a state as the version has it.
    pub fn is_as_expected(&self, look: Look) -> bool {
        self.thread_state(look).is_some_and(|state| {
            // SAFETY: as in `innermost`.
            unsafe { word(state + self.layout.thread_id) == this_thread() }
        })
    }

    /// Tells whether there is a code object at `address`.
    #[inline]
    pub fn is_code(&self, address: usize) -> bool {
        // SAFETY: what a frame says that it runs.
        unsafe { objects::is_of_type(address, self.code_type) }
    }

    /// Has `ours` called in place of the function that frees code objects, which is noted in `theirs`; false if that cannot be.
    /// Several threads may do so at once.
    pub fn lead_dealloc(&self, ours: Dealloc, theirs: &AtomicUsize) -> bool {
        if !self.is_type_writable {
            return false;
        }
        // SAFETY: an aligned word of the type's, which lives as long as the interpreter.
        let word = unsafe { &*((self.code_type + TYPE_DEALLOC) as *const AtomicUsize) };
        // Relaxed: the address of code.
        let present = word.load(Ordering::Relaxed);
        if present != ours as usize && present != 0 {
            // Relaxed: all store the same, and whoever calls ours has it from the store below.
            theirs.store(present, Ordering::Relaxed);
            // Release: publishes the other function.
            let _ = word.compare_exchange(present, ours as usize, Ordering::Release, Ordering::Relaxed);
        }
        present != 0
    }
}
