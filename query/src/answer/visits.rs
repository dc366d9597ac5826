//! The program's callbacks during a walk.

use std::ffi::{c_int, c_void};
use std::ptr;

use tm_analyzer::events::Block;
use tm_analyzer::reader::Recording;
use tm_common::api::{self, TotalSizeOptions, result};

use crate::failure::say;
use crate::finder::Finder;
use crate::host::Host;
use crate::names::Names;
use crate::walk::{Follow, Visitor};

/// Asks the program's handler, and tells its visitor and standard error.
pub struct Visits<'a> {
    pub host: Host<'a>,
    pub finder: Finder<'a>,
    pub recording: &'a Recording,
    pub names: &'a mut Names,
    pub options: &'a TotalSizeOptions,
}

/// The `tm_walk` of a handler, while the handler runs.
struct Handled<'a> {
    finder: Finder<'a>,
    named: &'a mut Vec<Block>,
}

impl Visits<'_> {
    /// Returns a block as C sees it, whose location is kept with the names.
    fn seen(&mut self, block: &Block, depth: usize) -> api::Block {
        api::Block {
            address: block.address.0 as usize,
            size: block.size as usize,
            domain: self.recording.domain(block.space).0.0,
            depth: u32::try_from(depth).unwrap_or(u32::MAX),
            location: self.names.location(self.recording, block.stack).as_ptr(),
        }
    }

    fn say(&mut self, block: &Block, depth: usize) {
        let location = self.names.location(self.recording, block.stack);
        let (size, address, location) = (block.size, block.address.0, location.to_string_lossy());
        say(&format!("{size} B at {address:#x}, depth {depth}: {location}"));
    }
}

impl Visitor for Visits<'_> {
    fn decide(&mut self, block: &Block, depth: usize, named: &mut Vec<Block>) -> Follow {
        let Some(handler) = self.options.handler else { return Follow::Words };
        let seen = self.seen(block, depth);
        let mut handled = Handled { finder: self.finder, named };
        let walk = ptr::from_mut(&mut handled).cast();
        // SAFETY: the program's own function, as its header has it; nothing else uses what `walk` points to meanwhile.
        match self.host.unmuted(|| unsafe { handler(self.options.context, &seen, walk) }) {
            api::follow::STOP => Follow::Named,
            api::follow::SKIP => Follow::Nothing,
            _ => Follow::Words,
        }
    }

    fn counted(&mut self, block: &Block, depth: usize) {
        if let Some(visit) = self.options.visit {
            let seen = self.seen(block, depth);
            // SAFETY: the program's own function, as its header has it.
            self.host.unmuted(|| unsafe { visit(self.options.context, &seen) });
        }
        if self.options.verbose != 0 {
            self.say(block, depth);
        }
    }
}

/// Adds the block that holds `ptr` to what is followed from the one whose handler runs.
///
/// # Safety
/// `walk` is what the handler was given, and the handler runs.
pub unsafe fn follow(walk: *mut api::Walk, ptr: *const c_void) -> c_int {
    // SAFETY: the caller's.
    let Some(handled) = (unsafe { walk.cast::<Handled<'_>>().as_mut() }) else { return result::INVALID };
    match handled.finder.smallest(ptr.addr() as u64) {
        Some(block) => {
            handled.named.push(block);
            result::OK
        }
        None => result::NOT_FOUND,
    }
}
