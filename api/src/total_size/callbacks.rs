//! Handler and visitor as C calls them.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::options::{HandlerFn, VisitFn};
use super::walk::{Block, Follow, Walk};
use crate::layout;

/// The context of a walk. A panic does not cross C: it is kept, no more is called, and the walk ends.
pub struct Callbacks<'a> {
    pub handler: Option<&'a mut HandlerFn<'a>>,
    pub visit: Option<&'a mut VisitFn<'a>>,
    /// The payload that one of them panicked with.
    pub panic: Option<Box<dyn Any + Send>>,
}

impl Callbacks<'_> {
    fn guarded<R>(&mut self, call: impl FnOnce(&mut Self) -> Option<R>) -> Option<R> {
        if self.panic.is_some() {
            return None;
        }
        // What a panic leaves half done is the closure's own, and it is not called again.
        catch_unwind(AssertUnwindSafe(|| call(self))).unwrap_or_else(|panic| {
            self.panic = Some(panic);
            None
        })
    }
}

/// Calls the handler, as `tm_total_size_options` has it.
pub unsafe extern "C" fn call_handler(
    context: *mut c_void,
    block: *const layout::Block,
    walk: *mut layout::Walk,
) -> c_int {
    // SAFETY: the context that the call was given, which nobody else uses meanwhile; the block is valid during the call.
    let (callbacks, block) = unsafe { (&mut *context.cast::<Callbacks<'_>>(), Block(&*block)) };
    let wanted = callbacks.guarded(|callbacks| Some(callbacks.handler.as_mut()?(&block, &Walk::new(walk))));
    match wanted.unwrap_or(Follow::Skip) {
        Follow::All => 0,
        Follow::Named => 1,
        Follow::Skip => 2,
    }
}

/// Calls the visitor, as `tm_total_size_options` has it.
pub unsafe extern "C" fn call_visit(context: *mut c_void, block: *const layout::Block) {
    // SAFETY: as above.
    let (callbacks, block) = unsafe { (&mut *context.cast::<Callbacks<'_>>(), Block(&*block)) };
    callbacks.guarded(|callbacks| {
        callbacks.visit.as_mut()?(&block);
        Some(())
    });
}
