//! What a thread samples by in one space: where the next sample is, and the line in which it counts.
//!
//! It stands in memory that the kernel wipes in a forked child, so that no child writes in a line of its parent's: it finds nothing
//! here, and takes a line of its own. The fast path (`recorder::sampling`) asks for no more than whether it was begun for the
//! present control word.
//!
//! A thread that is given the place of one that has ended goes on where that one was: the distance to the next sample is as good for
//! it, and the line's sums are as exact. What the other one had not told of itself, its successor tells.

use core::cell::Cell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};

use tm_common::ids::{Space, ThreadIndex};
use tm_common::metadata::control;
use tm_common::sampling::{MappedTotals, SampleRate, Totals};

use super::Session;
use crate::real;
use crate::sys::arch;

/// See the module's text. All zeros is one that is not begun.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Sampler {
    /// The control word that it was begun for.
    word: AtomicU32,
    /// The same, if [`real::is_quick`]; else 0.
    quick_word: AtomicU32,
    line: AtomicPtr<MappedTotals>,
    /// How many bytes there are up to the next sample; signed: at most 0 from that on.
    left: AtomicU64,
    /// Between these what the thread holds is not worth a record of totals.
    floor: AtomicI64,
    ceiling: AtomicI64,
    /// The state of xoshiro256++.
    random: [AtomicU64; 4],
    /// The thread that samples by it.
    thread: AtomicU32,
    /// What the line said when it was last recorded, ...
    told: Cell<Totals>,
    /// ... and when it was of a thread before this one: the thread's own part is what the line says more.
    told_of_others: Cell<Totals>,
}

/// A sampler that was begun, and the line in which it counts.
///
/// A signal handler that forks may interrupt the thread anywhere: in the child the sampler is wiped from there on. So nobody who is to
/// count keeps one of these over a call: it is looked for again. In the few instructions that count, a child finishes what its parent
/// had begun.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    sampler: &'static Sampler,
    line: &'static MappedTotals,
    word: u32,
}

/// The longest distance of samples, in means: it comes once in e^20 times.
const DISTANCE_MAX: f64 = 20.0;
/// The size from which on blocks are all alike, so that no sum of a few is negative.
const SIZE_MAX: u64 = 1 << 56;

/// Adds to a number of the thread's own; of 1 it says so.
macro_rules! add {
    ($of:ident: $kind:ident . $field:ident, 1) => {
        // SAFETY: a field.
        unsafe { arch::count_alone::<{ offset_of!($kind, $field) }>(core::ptr::from_ref($of).cast()) }
    };
    ($of:ident: $kind:ident . $field:ident, $addend:expr) => {{
        let addend: u64 = $addend;
        // SAFETY: a field.
        unsafe { arch::add_alone::<{ offset_of!($kind, $field) }>(core::ptr::from_ref($of).cast(), addend) }
    }};
}

// Relaxed, everywhere here: all of it is the thread's own; a signal handler of the thread sees the order of its instructions.
impl Sampler {
    /// Where the word by which calls are counted quickly stands, and how many bytes there are up to the next sample, for the stubs.
    pub const OFFSETS: (usize, usize) = (offset_of!(Sampler, quick_word), offset_of!(Sampler, left));

    /// Returns what counts by it, if it was begun for this control word, and not by a parent.
    #[inline(always)]
    pub fn of(&'static self, word: u32) -> Option<Counting> {
        let line = self.line.load(Ordering::Relaxed);
        // Whoever finds the word has a line: one is wiped with the other.
        compiler_fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) != word {
            return None;
        }
        // SAFETY: null, or a line, which stays mapped.
        unsafe { line.as_ref() }.map(|line| Counting { sampler: self, line, word })
    }

    /// Returns the line in which it counts, if it was begun for this control word where calls are counted quickly.
    #[inline(always)]
    pub fn quick_line(&self, word: u32) -> Option<&'static MappedTotals> {
        let line = self.line.load(Ordering::Relaxed);
        // As in `of`.
        compiler_fence(Ordering::SeqCst);
        if self.quick_word.load(Ordering::Relaxed) != word {
            return None;
        }
        // SAFETY: null, or a line, which stays mapped.
        unsafe { line.as_ref() }
    }

    /// Counts as [`Counting::count_allocation`] does a block of `malloc` that is no sample: it was asked before. In a child that was
    /// forked since it does nothing: the call began in the parent.
    #[inline(always)]
    pub fn count_unsampled(&self, size: usize, held: usize) -> bool {
        // SAFETY: null, or a line, which stays mapped.
        let Some(line) = (unsafe { self.line.load(Ordering::Relaxed).as_ref() }) else { return false };
        add!(line: MappedTotals.n_allocated, 1);
        add!(line: MappedTotals.position, size as u64);
        add!(self: Sampler.left, (size as u64).wrapping_neg());
        self.note_held(line, held as u64)
    }

    /// Counts as [`Counting::count_free`] in `line`.
    #[inline(always)]
    pub fn count_free(&self, line: &MappedTotals, held: usize) -> bool {
        add!(line: MappedTotals.n_freed, 1);
        add!(line: MappedTotals.held_bytes, (held as u64).wrapping_neg());
        (line.held_bytes.load(Ordering::Relaxed) as i64) < self.floor.load(Ordering::Relaxed)
    }

    /// Notes that the thread holds so much more, and the most that it holds. Returns whether that is worth a record.
    #[inline(always)]
    fn note_held(&self, line: &MappedTotals, more: u64) -> bool {
        add!(line: MappedTotals.held_bytes, more);
        let held_bytes = line.held_bytes.load(Ordering::Relaxed) as i64;
        if held_bytes <= line.held_high.load(Ordering::Relaxed) as i64 {
            return false;
        }
        line.held_high.store(held_bytes as u64, Ordering::Relaxed);
        held_bytes > self.ceiling.load(Ordering::Relaxed)
    }

    /// Begins for `word`, with a line of its own; `false` if there is no room for one.
    #[cold]
    pub fn begin(&self, session: &Session, thread: ThreadIndex, space: Space, word: u32) -> bool {
        let Some(line) = session.recording.take_line(thread, space) else {
            session.recording.lose_for_want_of_room();
            return false;
        };
        self.word.store(0, Ordering::Relaxed);
        self.quick_word.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        self.line.store(core::ptr::from_ref(line).cast_mut(), Ordering::Relaxed);
        let number = u64::from(thread.0) | u64::from(space.0) << 32 | u64::from(word & 0x00ff_ff00) << 32;
        let process = u64::from(session.recording.process().0).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mut seed =
            session.seed.load(Ordering::Relaxed) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ process;
        for word in &self.random {
            word.store(split_mix(&mut seed), Ordering::Relaxed);
        }
        self.thread.store(thread.0, Ordering::Relaxed);
        self.told.set(Totals::default());
        self.told_of_others.set(Totals::default());
        let rate = control::sample_rate(word);
        self.left.store(self.distance(rate), Ordering::Relaxed);
        self.center(0, rate);
        compiler_fence(Ordering::SeqCst);
        self.word.store(word, Ordering::Relaxed);
        self.quick_word.store(if real::is_quick() { word } else { 0 }, Ordering::Relaxed);
        true
    }

    fn center(&self, held_bytes: i64, rate: SampleRate) {
        let reach = rate.mean_bytes() as i64;
        self.floor.store(held_bytes.saturating_sub(reach), Ordering::Relaxed);
        self.ceiling.store(held_bytes.saturating_add(reach), Ordering::Relaxed);
    }

    /// Draws the distance to the next sample, at least 1.
    fn distance(&self, rate: SampleRate) -> u64 {
        let [a, b, c, d] = &self.random;
        let [mut s0, mut s1, mut s2, mut s3] = [a, b, c, d].map(|word| word.load(Ordering::Relaxed));
        let drawn = s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0);
        let t = s1 << 17;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= t;
        s3 = s3.rotate_left(45);
        for (word, new) in [a, b, c, d].into_iter().zip([s0, s1, s2, s3]) {
            word.store(new, Ordering::Relaxed);
        }
        distance_of(drawn, rate)
    }
}

// Relaxed, everywhere here too.
impl Counting {
    /// Returns how many bytes there are from one sample to the next.
    pub fn rate(&self) -> SampleRate {
        control::sample_rate(self.word)
    }

    /// Counts that a block of `size` bytes has come, of which the allocator says that it holds `held` more than what went for it.
    /// Returns whether there is something to write.
    #[inline(always)]
    pub fn count_allocation(&self, size: usize, held: i64, is_reallocation: bool) -> bool {
        let Counting { line, sampler, .. } = *self;
        add!(line: MappedTotals.n_allocated, 1);
        if is_reallocation {
            add!(line: MappedTotals.n_reallocated, 1);
        }
        if size == 0 {
            add!(line: MappedTotals.n_empty, 1);
        }
        let bytes = size.max(1) as u64;
        add!(line: MappedTotals.position, bytes);
        // What is larger than any memory takes no more than what is as large.
        add!(sampler: Sampler.left, bytes.min(SIZE_MAX).wrapping_neg());
        let has_moved = sampler.note_held(line, held as u64);
        has_moved || sampler.left.load(Ordering::Relaxed) as i64 <= 0
    }

    /// Counts that a block has gone, of which the allocator says that it holds `held` bytes. Returns whether there is something to
    /// write.
    #[inline(always)]
    pub fn count_free(&self, held: usize) -> bool {
        self.sampler.count_free(self.line, held)
    }

    /// Tells whether the block that was counted last is a sample, and draws where the next one is if it is.
    pub fn take_sample(&self) -> bool {
        let left = &self.sampler.left;
        let is_sample = left.load(Ordering::Relaxed) as i64 <= 0;
        if is_sample {
            left.store(self.sampler.distance(self.rate()), Ordering::Relaxed);
        }
        is_sample
    }

    /// Returns the line's totals if they are to be recorded: at a sample, or where what the thread holds has moved far.
    pub fn due_totals(&self, is_sample: bool) -> Option<Totals> {
        let totals = self.line.totals();
        let near = self.sampler.floor.load(Ordering::Relaxed)..=self.sampler.ceiling.load(Ordering::Relaxed);
        let is_far = !near.contains(&totals.held_bytes) || totals.held_high > *near.end();
        (is_sample || is_far).then_some(totals)
    }

    /// Goes on for `thread`, to which its place belongs now.
    pub fn go_on_for(&self, thread: ThreadIndex) {
        let sampler = self.sampler;
        if sampler.thread.load(Ordering::Relaxed) != thread.0 {
            sampler.thread.store(thread.0, Ordering::Relaxed);
            sampler.told_of_others.set(sampler.told.get());
        }
    }

    /// Returns the thread's own part of the line's `totals`.
    pub fn of_thread(&self, totals: &Totals) -> Totals {
        totals.since(&self.sampler.told_of_others.get())
    }

    /// Takes note that `totals` were recorded, or cannot be: then the most that the thread held stays for the next time.
    pub fn recorded(&self, totals: &Totals, is_recorded: bool) {
        if is_recorded {
            self.line.held_high.store(totals.held_bytes as u64, Ordering::Relaxed);
            // A handler that came between may have told more already.
            let calls = |totals: &Totals| totals.n_allocated.wrapping_add(totals.n_freed);
            if calls(totals) >= calls(&self.sampler.told.get()) {
                self.sampler.told.set(*totals);
            }
        }
        self.sampler.center(totals.held_bytes, self.rate());
    }
}

/// Returns the distance that a random number stands for: exponentially distributed, and rounded up.
fn distance_of(drawn: u64, rate: SampleRate) -> u64 {
    // In (0, 1]: 53 bits.
    let uniform = ((drawn >> 11) + 1) as f64 / (1u64 << 53) as f64;
    let distance = (-ln(uniform)).min(DISTANCE_MAX) * rate.mean_bytes() as f64;
    let whole = distance as u64;
    (whole + u64::from(distance > whole as f64)).max(1)
}

/// Returns the next of splitmix64, which makes any seed a good one.
fn split_mix(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ *seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Returns the natural logarithm of a normal number above 0. There is no library for it here.
///
/// ```text
/// x = m 2^e, m from 1/sqrt(2) to sqrt(2)     ln x = e ln 2 + 2 artanh((m - 1) / (m + 1))
/// artanh t = t + t^3 / 3 + t^5 / 5 + ...     |t| < 0.172: what follows the 10th term is below 1e-17
/// ```
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i32 - 1023;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > core::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..10).rev().fold(0.0, |sum, term| sum * t * t + 1.0 / f64::from(2 * term + 1));
    f64::from(exponent) * core::f64::consts::LN_2 + 2.0 * t * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn the_logarithm_is_that_of_the_standard_library() {
        for x in [1.0, 0.5, 0.75, 1e-16, 0.707, 0.708, 1.0 - 1e-16, 3e-5, f64::MIN_POSITIVE] {
            assert!((ln(x) - x.ln()).abs() <= 4e-15 * x.ln().abs() + 1e-17, "{x}: {} {}", ln(x), x.ln());
        }
    }

    /// As a fork in a signal handler leaves it in the child, between the look at it and the count.
    #[test]
    fn one_that_is_wiped_meanwhile_counts_in_no_line() {
        // SAFETY: all zeros is one that is not begun.
        let sampler: &'static Sampler = Box::leak(Box::new(unsafe { core::mem::zeroed() }));
        assert!(!sampler.count_unsampled(100, 104));
        assert!(
            sampler.of(0).is_none(),
            "a word that is 0, as in a process that records every event, is none"
        );
        let line: &'static MappedTotals = Box::leak(Box::default());
        sampler.line.store(core::ptr::from_ref(line).cast_mut(), Ordering::Relaxed);
        sampler.word.store(4, Ordering::Relaxed);
        assert!(sampler.of(8).is_none());
        let counting = sampler.of(4).expect("it is begun");
        sampler.count_unsampled(100, 104);
        counting.count_free(104);
        let totals = line.totals();
        assert_eq!((totals.n_allocated, totals.bytes, totals.n_freed), (1, 100, 1));
    }

    /// What each thread told last is together what the line said when it was told last, however threads take turns.
    #[test]
    fn a_thread_tells_what_those_before_it_did_not() {
        let line: &'static MappedTotals = Box::leak(Box::default());
        // SAFETY: all zeros is one that is not begun.
        let sampler: &'static Sampler = Box::leak(Box::new(unsafe { core::mem::zeroed() }));
        sampler.line.store(core::ptr::from_ref(line).cast_mut(), Ordering::Relaxed);
        sampler.word.store(4, Ordering::Relaxed);
        let mut told = std::vec![Totals::default(); 40];
        let mut seed = 1;
        for (thread, told) in told.iter_mut().enumerate() {
            for _ in 0..split_mix(&mut seed) % 4 {
                let counting = sampler.of(4).expect("it is begun");
                counting.count_allocation(split_mix(&mut seed) as usize % 100, 112, false);
                counting.count_free(48);
                // Not always, and at times what cannot be written.
                if split_mix(&mut seed).is_multiple_of(2) {
                    let (totals, is_recorded) = (line.totals(), !split_mix(&mut seed).is_multiple_of(4));
                    counting.go_on_for(ThreadIndex(thread as u32));
                    if is_recorded {
                        *told = counting.of_thread(&totals);
                    }
                    counting.recorded(&totals, is_recorded);
                }
            }
        }
        let whole = sampler.told.get();
        let sum = |of: fn(&Totals) -> i64| told.iter().map(of).sum::<i64>();
        assert_eq!(sum(|told| told.n_allocated as i64), whole.n_allocated as i64);
        assert_eq!(sum(|told| told.bytes as i64), whole.bytes as i64);
        assert_eq!(sum(|told| told.n_freed as i64), whole.n_freed as i64);
        assert_eq!(sum(|told| told.held_bytes), whole.held_bytes);
        assert!(whole.n_allocated > 20 && whole.n_allocated <= line.totals().n_allocated);
    }

    /// The mean, and how often a block of this size is a sample, within 5 standard errors.
    #[test]
    fn distances_are_exponential() {
        const N: u32 = 200_000;
        let rate = SampleRate::of_bytes(4096).expect("it is one");
        let mut seed = 1;
        let distances: std::vec::Vec<u64> = (0..N).map(|_| distance_of(split_mix(&mut seed), rate)).collect();
        let mean = distances.iter().sum::<u64>() as f64 / f64::from(N);
        // Rounded up: half a byte more.
        assert!((mean - 4096.5).abs() < 5.0 * 4096.0 / f64::from(N).sqrt(), "{mean}");
        for size in [1, 100, 4096, 20_000] {
            let share = distances.iter().filter(|&&distance| distance <= size).count() as f64 / f64::from(N);
            let p = 1.0 - (-(size as f64) / 4096.0).exp();
            assert!(
                (share - p).abs() < 5.0 * (p * (1.0 - p) / f64::from(N)).sqrt(),
                "{size}: {share} for {p}"
            );
        }
        assert_eq!((distance_of(u64::MAX, rate), distance_of(0, rate)), (1, 20 * 4096));
    }
}
