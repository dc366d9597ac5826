//! How a walk goes.

use std::fmt;

use super::walk::{Block, Follow, Walk};

/// The way [`total_size`](fn@crate::total_size) walks.
#[derive(Default)]
pub struct Options<'a> {
    pub(super) depth_max: Option<usize>,
    /// 0: no limit.
    pub(super) blocks_max: usize,
    pub(super) handler: Option<&'a mut HandlerFn<'a>>,
    pub(super) visit: Option<&'a mut VisitFn<'a>>,
    pub(super) verbose: bool,
}

pub(super) type HandlerFn<'a> = dyn FnMut(&Block<'_>, &Walk<'_>) -> Follow + 'a;
pub(super) type VisitFn<'a> = dyn FnMut(&Block<'_>) + 'a;

impl<'a> Options<'a> {
    /// Follows everything.
    pub fn new() -> Options<'a> {
        Options::default()
    }

    /// Does not reach blocks that are more than `steps` (at least 1) away.
    #[must_use]
    pub fn depth_max(mut self, steps: usize) -> Self {
        self.depth_max = Some(steps.max(1));
        self
    }

    /// Stops after `number` blocks (at least 1).
    #[must_use]
    pub fn blocks_max(mut self, number: usize) -> Self {
        self.blocks_max = number.max(1);
        self
    }

    /// Calls `handler` once for each block that is reached, to say what is done with it. Calls of tm in it but
    /// [`Walk::follow`] and commands return [`Error::Busy`](crate::Error::Busy).
    #[must_use]
    pub fn handler(mut self, handler: &'a mut HandlerFn<'a>) -> Self {
        self.handler = Some(handler);
        self
    }

    /// Calls `visit` once for each block that is counted, in the order in which they are reached.
    #[must_use]
    pub fn visit(mut self, visit: &'a mut VisitFn<'a>) -> Self {
        self.visit = Some(visit);
        self
    }

    /// Has a line written on standard error for each block that is counted.
    #[must_use]
    pub fn verbose(mut self) -> Self {
        self.verbose = true;
        self
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options = formatter.debug_struct("Options");
        options.field("depth_max", &self.depth_max).field("blocks_max", &self.blocks_max);
        options.field("verbose", &self.verbose).finish_non_exhaustive()
    }
}
