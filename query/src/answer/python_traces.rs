//! What lives, with the Python frames that allocated it: what CPython's `_tracemalloc` has in its tables. Native frames are not
//! named, so no debug information is read.

use std::ffi::{CString, c_char};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_analyzer::events::Block;
use tm_analyzer::model::Frame;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::MemoryKind;
use tm_analyzer::snapshot::Namer;
use tm_analyzer::text::raw_text;
use tm_common::api;
use tm_common::ids::{Domain, StackId};

use crate::failure::{Answer, Failure};
use crate::process::Process;

/// Traces with all that they point to.
#[repr(C)]
pub struct OwnedTraces {
    /// The part that the program sees; the pointer to it is the pointer to all.
    seen: api::PythonTraces,
    tables: Tables,
    places: Vec<*const c_char>,
}

/// Returns all live blocks with at most `n_frames_max` frames each.
///
/// # Errors
/// Nothing is traced.
pub fn all(process: &mut Process, n_frames_max: u32) -> Answer<Box<OwnedTraces>> {
    process.check_is_tracing()?;
    let blocks: Vec<Block> = process.follower.live().iter(MemoryKind::Traced).collect();
    let (_, recording, names) = process.parts();
    Ok(OwnedTraces::new(recording, &mut names.namer, &blocks, n_frames_max))
}

/// Returns the block of CPython's allocators that holds `address`, in the same form.
///
/// # Errors
/// There is no such block, or nothing is traced.
pub fn of_object(process: &mut Process, address: u64, n_frames_max: u32) -> Answer<Box<OwnedTraces>> {
    process.check_is_tracing()?;
    let (finder, recording, names) = process.parts();
    let block = finder.smallest(address).filter(|block| recording.domain(block.space).0 == Domain::PYTHON);
    let block = block.ok_or(Failure::NotFound)?;
    Ok(OwnedTraces::new(recording, &mut names.namer, &[block], n_frames_max))
}

impl OwnedTraces {
    fn new(
        recording: &Recording,
        namer: &mut Namer,
        blocks: &[Block],
        n_frames_max: u32,
    ) -> Box<OwnedTraces> {
        let mut builder = Builder::default();
        for block in blocks {
            let traceback = builder.traceback_of_stack(recording, namer, block.stack, n_frames_max);
            builder.tables.traces.push(api::PythonTrace {
                size: block.amount(&recording.thread_tags).bytes,
                domain: recording.domain(block.space).0.0,
                traceback,
            });
        }
        let tables = builder.tables;
        let places: Vec<*const c_char> = tables.texts.iter().map(|text| text.as_ptr()).collect();
        let seen = api::PythonTraces {
            traces: tables.traces.as_ptr(),
            n_traces: tables.traces.len(),
            tracebacks: tables.tracebacks.as_ptr(),
            n_tracebacks: tables.tracebacks.len(),
            frames: tables.frames.as_ptr(),
            n_frames: tables.frames.len(),
            texts: places.as_ptr(),
            n_texts: places.len(),
        };
        Box::new(OwnedTraces { seen, tables, places })
    }

    /// Hands it to the program.
    pub fn into_raw(self: Box<OwnedTraces>) -> *mut api::PythonTraces {
        Box::into_raw(self).cast()
    }

    /// # Safety
    /// `traces` is NULL or comes from [`OwnedTraces::into_raw`], and is not used afterwards.
    pub unsafe fn free(traces: *mut api::PythonTraces) {
        if !traces.is_null() {
            // SAFETY: the caller's; it is the start of what was handed out.
            drop(unsafe { Box::from_raw(traces.cast::<OwnedTraces>()) });
        }
    }
}

/// What the program reads.
#[derive(Default)]
struct Tables {
    traces: Vec<api::PythonTrace>,
    tracebacks: Vec<api::PythonTraceback>,
    frames: Vec<api::PythonFrame>,
    texts: Vec<CString>,
}

/// Makes the tables: each traceback and each text is in them once.
#[derive(Default)]
struct Builder {
    tables: Tables,
    of_stack: FxHashMap<StackId, u32>,
    of_frames: FxHashMap<(Vec<api::PythonFrame>, u32), u32>,
    of_text: FxHashMap<Arc<str>, u32>,
}

impl Builder {
    fn traceback_of_stack(
        &mut self,
        recording: &Recording,
        namer: &mut Namer,
        stack: StackId,
        n_frames_max: u32,
    ) -> u32 {
        if let Some(&known) = self.of_stack.get(&stack) {
            return known;
        }
        let (frames, total_nframe) = namer.python_frames(recording, stack, n_frames_max);
        let frames: Vec<api::PythonFrame> = frames.iter().map(|frame| self.frame(frame)).collect();
        let number = self.traceback(frames, total_nframe);
        self.of_stack.insert(stack, number);
        number
    }

    fn traceback(&mut self, frames: Vec<api::PythonFrame>, total_nframe: u32) -> u32 {
        let Tables { tracebacks, frames: all, .. } = &mut self.tables;
        *self.of_frames.entry((frames, total_nframe)).or_insert_with_key(|(frames, total_nframe)| {
            tracebacks.push(api::PythonTraceback {
                first_frame: all.len() as u32,
                n_frames: frames.len() as u32,
                total_nframe: *total_nframe,
            });
            all.extend_from_slice(frames);
            tracebacks.len() as u32 - 1
        })
    }

    fn frame(&mut self, frame: &Frame) -> api::PythonFrame {
        let none = Arc::<str>::from("");
        api::PythonFrame {
            filename: self.text(&frame.filename),
            function: self.text(frame.function.as_ref().unwrap_or(&none)),
            lineno: frame.lineno,
        }
    }

    fn text(&mut self, text: &Arc<str>) -> u32 {
        if let Some(&known) = self.of_text.get(text) {
            return known;
        }
        let bytes: Vec<u8> = raw_text::to_bytes(text).iter().copied().filter(|&byte| byte != 0).collect();
        self.tables.texts.push(CString::new(bytes).unwrap_or_default());
        let number = self.tables.texts.len() as u32 - 1;
        self.of_text.insert(Arc::clone(text), number);
        number
    }
}
