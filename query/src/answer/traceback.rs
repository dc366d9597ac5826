//! Where a block was allocated.

use std::ffi::{CString, c_char};
use std::iter::repeat;
use std::ptr;

use tm_analyzer::events::Block;
use tm_analyzer::reader::Recording;
use tm_analyzer::snapshot::Namer;
use tm_common::api;
use tm_common::ids::{Address, Space};

use crate::failure::{Answer, Failure};
use crate::names::c_text;
use crate::process::Process;

/// A traceback with all that it points to.
#[repr(C)]
pub struct OwnedTraceback {
    /// The part that the program sees; the pointer to it is the pointer to all.
    seen: api::Traceback,
    frames: Vec<api::Frame>,
    texts: Vec<CString>,
}

/// Returns the traceback of the block that holds `address`.
///
/// # Errors
/// There is no such block, or nothing is traced.
pub fn of_object(process: &mut Process, address: u64) -> Answer<Box<OwnedTraceback>> {
    process.check_is_tracing()?;
    // Most ask for a block's start, for which no index is needed.
    let exact = process.follower.live().get(Space::HEAP, Address(address));
    let (block, recording, names) = match exact {
        Some(block) => (Some(block), process.follower.recording(), &mut process.names),
        None => {
            let (finder, recording, names) = process.parts();
            (finder.first(address), recording, names)
        }
    };
    Ok(OwnedTraceback::new(recording, &mut names.namer, &block.ok_or(Failure::NotFound)?))
}

impl OwnedTraceback {
    fn new(recording: &Recording, namer: &mut Namer, block: &Block) -> Box<OwnedTraceback> {
        let traceback = namer.traceback(recording, block.stack);
        let addresses = namer.addresses(recording, block.stack);
        let mut texts = Vec::new();
        let mut text = |text: &str| {
            let text = c_text(text);
            let pointer = text.as_ptr();
            texts.push(text);
            pointer
        };
        let frames: Vec<api::Frame> = traceback
            .frames()
            .iter()
            .zip(addresses.into_iter().chain(repeat(0)))
            .map(|(frame, address)| api::Frame {
                filename: text(&frame.filename),
                lineno: frame.lineno,
                function: frame.function.as_deref().map_or(ptr::null::<c_char>(), &mut text),
                address: address as usize,
            })
            .collect();
        let seen = api::Traceback {
            frames: frames.as_ptr(),
            n_frames: frames.len(),
            total_nframe: traceback.total_nframe().unwrap_or(0) as usize,
            address: block.address.0 as usize,
            size: block.size as usize,
            domain: recording.domain(block.space).0.0,
        };
        Box::new(OwnedTraceback { seen, frames, texts })
    }

    /// Hands it to the program.
    pub fn into_raw(self: Box<OwnedTraceback>) -> *mut api::Traceback {
        Box::into_raw(self).cast()
    }

    /// # Safety
    /// `traceback` is NULL or comes from [`OwnedTraceback::into_raw`], and is not used afterwards.
    pub unsafe fn free(traceback: *mut api::Traceback) {
        if !traceback.is_null() {
            // SAFETY: the caller's; it is the start of what was handed out.
            drop(unsafe { Box::from_raw(traceback.cast::<OwnedTraceback>()) });
        }
    }
}
