//! The walk that every event takes: stack pointer and frame pointer only, one cached rule a frame, and only as far as
//! the last stack has changed.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tm_common::ids::StackId;
use tm_common::stack::{EndReason, FrameKind};

use super::cached_frame::Walked;
use super::stack_cache::StackCache;
use super::stack_memory::{Readable, StackMemory};
use super::step::{NotCached, State, Step};
use super::tables::modules::Modules;
use super::tables::registered::Registered;
use super::tables::rule::Rule;
use super::tables::rule_table::RuleTable;
use super::tables::{cfi, eh_frame, linker_stubs, musl};
use super::turns::Turns;
use super::{Caller, Frame, Frames, arch, reference, step};
use crate::recording::Recording;

/// What unwinding knows of the process.
#[derive(Debug)]
pub struct Unwinder {
    /// Found rules.
    pub rules: RuleTable,
    /// Found modules.
    pub modules: Modules,
    /// Tables of code that is in none.
    pub registered: Registered,
    /// Counts how often rules became void.
    generation: AtomicU32,
    /// A rule of code without a module may have been found since they did.
    has_rules_outside: AtomicBool,
    /// `TM_UNWIND=fp`, for programs that keep frame pointers everywhere: one rule for all.
    pub frame_pointers_only: AtomicBool,
}

/// Where a walk gives up. Steps on one stack lead outward, and [`Turns`] sees a circle of stacks.
pub const N_FRAMES_WALKED_MAX: usize = 1 << 20;

impl Unwinder {
    /// Knows nothing yet.
    pub const fn new() -> Unwinder {
        Unwinder {
            rules: RuleTable::new(),
            modules: Modules::new(),
            registered: Registered::new(),
            generation: AtomicU32::new(0),
            has_rules_outside: AtomicBool::new(false),
            frame_pointers_only: AtomicBool::new(false),
        }
    }

    /// Returns the stack of `caller`, the thread's stack number `n_stacks`, if it has come by a path that is remembered. Makes the cache fit
    /// for a walk, if not.
    #[inline(always)]
    pub fn known_stack(
        &self,
        recording: &Recording,
        caller: Caller,
        n_stacks: u32,
        memory: &mut StackMemory,
        cache: &mut StackCache,
    ) -> Option<StackId> {
        // Acquire: receives what has changed. Whoever sees an old generation has no frame of the module that went.
        cache.renew(self.generation.load(Ordering::Acquire), recording.epoch());
        let stack = memory.around(caller.sp)?;
        let (place, node) = cache.find_path(caller, stack, n_stacks)?;
        if !matches!(self.changed(recording, place, memory, stack, cache), Ok(None)) {
            return None;
        }
        cache.come_by_path(place);
        Some(node)
    }

    /// Walks from `caller` until the cache takes over, after [`Unwinder::known_stack`]. The number of outer frames that stayed as they were;
    /// [`StackCache::finish`] makes the cache this stack.
    #[inline(never)]
    pub fn walk_to_cache(
        &self,
        recording: &Recording,
        caller: Caller,
        memory: &mut StackMemory,
        cache: &mut StackCache,
    ) -> Result<usize, NotCached> {
        let mut cursor = cache.begin()?;
        let mut state = State::of(caller);
        let mut stack = memory.around(state.sp).ok_or(NotCached)?;
        let n_kept = loop {
            let remembered = cache.remembered(state);
            let rule = match state.kind {
                FrameKind::Interrupted => self.uncached_rule(recording, arch::strip(state.pc), state.kind),
                _ => remembered.rule(state.pc, || self.rule(recording, arch::strip(state.pc), state.kind)),
            };
            let place = remembered.place as usize;
            if cache.is_at(place, state, &cursor) {
                match self.changed(recording, place, memory, stack, cache)? {
                    None => break place + 1,
                    // Up to there the walk goes as the cache has it, but frame pointers may have changed.
                    Some(changed) => cursor.end = changed,
                }
            }
            if let Some((step, next)) = step::ordinary(rule, state, stack) {
                cache.push(&mut cursor, Walked::of(state, step))?;
                state = next;
                continue;
            }
            let (step, next, above) = step::odd(rule, state, memory, stack)?;
            cache.push(&mut cursor, Walked::of(state, step))?;
            let Some(State { pc, sp, fp, kind }) = next else { break 0 };
            if matches!(kind, FrameKind::Incomplete) {
                cache.push(&mut cursor, Walked::of(State { pc, sp, fp, kind }, Step::NONE))?;
                break 0;
            }
            // Field by field, as in `Walked::copy`.
            (state.pc, state.sp, state.fp, state.kind) = (pc, sp, fp, kind);
            stack = above;
        };
        cache.end_walk(&cursor);
        Ok(n_kept)
    }

    /// Returns the innermost frame from `place` outward, where the live stack is, whose step does not lead where the cache has it.
    #[inline(always)]
    fn changed(
        &self,
        recording: &Recording,
        place: usize,
        memory: &mut StackMemory,
        stack: Readable,
        cache: &StackCache,
    ) -> Result<Option<usize>, NotCached> {
        match cache.validate(place, stack) {
            Some(suspect) if cache.frame(suspect).is_barrier() => {
                self.changed_behind(recording, suspect, memory, stack, cache)
            }
            suspect => Ok(suspect),
        }
    }

    /// Returns the same, if all is as the cache has it up to the barrier `suspect`.
    #[inline(never)]
    fn changed_behind(
        &self,
        recording: &Recording,
        mut suspect: usize,
        memory: &mut StackMemory,
        mut stack: Readable,
        cache: &StackCache,
    ) -> Result<Option<usize>, NotCached> {
        while cache.frame(suspect).is_barrier() {
            let state = cache.frame(suspect).state();
            let next;
            (next, stack) = self.step(recording, state, memory, stack)?;
            let Some(outer) = suspect.checked_sub(1) else { return Ok(next.map(|_| suspect)) };
            if !next.is_some_and(|next| cache.frame(outer).is_at(next)) {
                break;
            }
            match cache.validate(outer, stack) {
                Some(further) => suspect = further,
                None => return Ok(None),
            }
        }
        Ok(Some(suspect))
    }

    /// Walks the whole stack of `caller` into `frames`: for stacks that cannot be cached.
    #[cold]
    pub fn walk(&self, recording: &Recording, caller: Caller, memory: &mut StackMemory, frames: &mut Frames) {
        frames.clear();
        if self.walk_by_rules(recording, caller, memory, frames).is_err() {
            frames.clear();
            reference::walk(self, recording, caller, memory, frames);
        }
    }

    fn walk_by_rules(
        &self,
        recording: &Recording,
        caller: Caller,
        memory: &mut StackMemory,
        frames: &mut Frames,
    ) -> Result<(), NotCached> {
        let mut state = State::of(caller);
        let mut stack = memory.around(state.sp).ok_or(NotCached)?;
        let mut turns = Turns::default();
        while frames.depth() < N_FRAMES_WALKED_MAX {
            frames.push(Frame::new(arch::strip(state.pc), state.kind));
            let (next, above) = self.step(recording, state, memory, stack)?;
            let Some(next) = next else { return Ok(()) };
            if next.is_incomplete() {
                frames.push(Frame::new(next.pc, next.kind));
                return Ok(());
            }
            if turns.is_circle(state.sp, (next.pc, next.sp)) {
                break;
            }
            (state, stack) = (next, above);
        }
        frames.push(Frame::incomplete(EndReason::Endless));
        Ok(())
    }

    /// Returns the caller's state, and where its stack is; `None` at the outermost frame.
    fn step(
        &self,
        recording: &Recording,
        state: State,
        memory: &mut StackMemory,
        stack: Readable,
    ) -> Result<(Option<State>, Readable), NotCached> {
        let rule = self.rule(recording, arch::strip(state.pc), state.kind);
        let (_, next, above) = step::odd(rule, state, memory, stack)?;
        Ok((next, above))
    }

    /// Returns the rule at `pc`.
    #[inline(never)]
    fn rule(&self, recording: &Recording, pc: usize, kind: FrameKind) -> Rule {
        match self.rules.find(pc) {
            Some(rule) if !matches!(kind, FrameKind::Interrupted) => rule,
            _ => self.uncached_rule(recording, pc, kind),
        }
    }

    /// Finds a rule that is not in the table. An interrupted frame's is not put there: the same address may also be returned to, where the rule of the call
    /// before it holds.
    #[cold]
    fn uncached_rule(&self, recording: &Recording, pc: usize, kind: FrameKind) -> Rule {
        if kind == FrameKind::Interrupted {
            return self.find_rule(recording, pc, pc);
        }
        let rule = self.find_rule(recording, pc, pc - 1);
        self.rules.insert(pc, rule);
        rule
    }

    /// Evaluates the unwind table of the module that holds `pc`, at the instruction that `address` is in.
    #[cold]
    fn find_rule(&self, recording: &Recording, pc: usize, address: usize) -> Rule {
        recording.calibrate();
        // Relaxed: constant since the start.
        if self.frame_pointers_only.load(Ordering::Relaxed) {
            return Rule::guess(EndReason::FramePointer);
        }
        match self.row(recording, pc, address) {
            Ok(row) => Rule::of_row(&row),
            Err(reason) => Rule::guess(reason),
        }
    }

    /// Returns the row at `address`, the call that returns to `pc`, or `pc` itself where that was interrupted. Where there is none, why.
    #[cold]
    #[inline(never)]
    pub fn row(&self, recording: &Recording, pc: usize, address: usize) -> Result<cfi::Row, EndReason> {
        let entry = self.entry(recording, pc, address);
        if !entry.is_ok_and(|entry| !entry.is_signal_frame)
            && let Some(row) = arch::signal_row(pc)
        {
            return Ok(row);
        }
        // Matches, since each combinator has a copy of the row on the stack.
        let entry = match entry {
            Ok(entry) => entry,
            Err(reason) => {
                // Interrupted, and in a loaded object.
                if pc == address
                    && reason != EndReason::NoModule
                    && let Some(module) = self.modules.find(recording, pc)
                    && let Some(row) = linker_stubs::row_at(pc, &module.range())
                {
                    return Ok(row);
                }
                return match musl::row_at(pc) {
                    Some(row) => Ok(row),
                    None => Err(reason),
                };
            }
        };
        match cfi::evaluate(&entry, address) {
            Some(row) => Ok(row),
            None => Err(EndReason::NoEntry),
        }
    }

    /// Returns the table's entry for it. Not inlined, and nor is what it calls: a handler's small stack has room for the parts one
    /// after the other.
    #[inline(never)]
    fn entry(&self, recording: &Recording, pc: usize, address: usize) -> Result<eh_frame::Entry, EndReason> {
        if self.modules.is_stale(address) {
            self.module_closed(recording);
        }
        let module = self.modules.find(recording, address).or_else(|| self.modules.find(recording, pc));
        let Some(module) = module else {
            // Relaxed: whoever makes or ends code does so before it is called or after it has returned.
            self.has_rules_outside.store(true, Ordering::Relaxed);
            return self.registered.find(address).ok_or(EndReason::NoModule);
        };
        if module.eh_frame_header == 0 {
            return Err(EndReason::NoTable);
        }
        eh_frame::find(module.tables(), module.eh_frame_header, address).ok_or(EndReason::NoEntry)
    }

    /// Forgets what was found in modules that have gone, since one may have.
    #[cold]
    pub fn module_closed(&self, recording: &Recording) {
        if self.modules.remove_unloaded(recording) {
            self.clear_rules();
        }
    }

    /// Forgets what was found of code without a module, whose addresses no epoch is about: some has come or gone. Compilers
    /// at run time tell of each function, mostly with none of the code on any stack in between.
    #[cold]
    pub fn code_changed(&self) {
        // Relaxed: see `entry`.
        if self.has_rules_outside.swap(false, Ordering::Relaxed) {
            self.clear_rules();
        }
    }

    /// Makes threads forget the ways by which stacks have come.
    pub fn forget_paths(&self) {
        // Release: publishes what the paths depended on.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Forgets what was found: something has gone, or has come where there was nothing known.
    #[cold]
    pub(super) fn clear_rules(&self) {
        self.rules.clear();
        self.forget_paths();
    }
}
