//! The bytes that can be reached from a pointer.

use std::collections::hash_map::Entry;
use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_analyzer::reader::Recording;
use tm_common::api::{SizeGroup, TotalSizeOptions, TotalSizeResult};
use tm_common::ids::StackId;

use super::visits::Visits;
use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::memory::OwnMemory;
use crate::names::Names;
use crate::process::Process;
use crate::walk::{Found, Limits, walk};

/// A result with all that it points to.
#[repr(C)]
pub struct OwnedResult {
    /// The part that the program sees; the pointer to it is the pointer to all.
    seen: TotalSizeResult,
    by_depth: Vec<SizeGroup>,
    by_line: Vec<SizeGroup>,
    texts: Vec<Arc<CStr>>,
}

/// Walks from the block that holds `address`.
///
/// # Errors
/// There is no such block, nothing is traced, or the process's memory cannot be read.
pub fn of_pointer(
    process: &mut Process,
    host: &Host<'_>,
    address: u64,
    options: &TotalSizeOptions,
) -> Answer<Box<OwnedResult>> {
    process.check_is_tracing()?;
    let (finder, recording, names) = process.parts();
    let root = finder.smallest(address).ok_or(Failure::NotFound)?;
    let limits = limits(options);
    let memory = OwnMemory::by_call();
    let is_seen = options.handler.is_some() || options.visit.is_some() || options.verbose != 0;
    let found = if is_seen {
        let mut visits = Visits { host: *host, finder, recording, names, options };
        walk(root, &finder, memory, limits, &mut visits)
    } else {
        walk(root, &finder, memory, limits, &mut ())
    };
    let found = found.map_err(|error| {
        Failure::Failed(format!("the system does not let this process read its own memory: {}", error.0))
    })?;
    Ok(OwnedResult::new(found, recording, names))
}

fn limits(options: &TotalSizeOptions) -> Limits {
    let mut limits = Limits::NONE;
    if options.depth_max > 0 {
        limits.depth_max = options.depth_max;
    }
    if options.blocks_max > 0 {
        limits.blocks_max = options.blocks_max as u64;
    }
    limits
}

impl OwnedResult {
    fn new(found: Found, recording: &Recording, names: &mut Names) -> Box<OwnedResult> {
        let Found { size, count, by_depth, by_stack, is_cut } = found;
        let (by_line, texts) = by_line(&by_stack, recording, names);
        let seen = TotalSizeResult {
            size: size as usize,
            count: count as usize,
            by_depth: by_depth.as_ptr(),
            n_depths: by_depth.len(),
            by_line: by_line.as_ptr(),
            n_lines: by_line.len(),
            is_cut: is_cut.into(),
        };
        Box::new(OwnedResult { seen, by_depth, by_line, texts })
    }

    /// Hands it to the program.
    pub fn into_raw(self: Box<OwnedResult>) -> *mut TotalSizeResult {
        Box::into_raw(self).cast()
    }

    /// # Safety
    /// `result` is NULL or comes from [`OwnedResult::into_raw`], and is not used afterwards.
    pub unsafe fn free(result: *mut TotalSizeResult) {
        if !result.is_null() {
            // SAFETY: the caller's; it is the start of what was handed out.
            drop(unsafe { Box::from_raw(result.cast::<OwnedResult>()) });
        }
    }
}

/// Returns the groups by line, the largest first, and the texts that they point to.
fn by_line(
    by_stack: &FxHashMap<StackId, (u64, u64)>,
    recording: &Recording,
    names: &mut Names,
) -> (Vec<SizeGroup>, Vec<Arc<CStr>>) {
    let mut lines: FxHashMap<Arc<CStr>, (u64, u64)> = FxHashMap::default();
    for (stack, &(size, count)) in by_stack {
        match lines.entry(names.location(recording, *stack)) {
            Entry::Occupied(mut sum) => {
                let sum = sum.get_mut();
                *sum = (sum.0.saturating_add(size), sum.1 + count);
            }
            Entry::Vacant(place) => {
                place.insert((size, count));
            }
        }
    }
    let mut lines: Vec<_> = lines.into_iter().map(|(text, (size, count))| (size, count, text)).collect();
    // tracemalloc's order, ties with it.
    lines.sort_unstable_by(|a, b| b.cmp(a));
    let group = |(size, count, text): &(u64, u64, Arc<CStr>)| SizeGroup {
        depth: 0,
        location: if text.is_empty() { ptr::null() } else { text.as_ptr() },
        size: *size as usize,
        count: *count as usize,
    };
    (lines.iter().map(group).collect(), lines.into_iter().map(|(.., text)| text).collect())
}
