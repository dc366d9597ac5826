//! Sampling: the rate of a segment's events, and the exact totals that stand beside samples, `docs/format.md` section
//! "Sampling".

use core::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::u64_at;
use crate::error::DecodeError;
use crate::ids::{Space, ThreadIndex};
use crate::settings::parse_bytes;

/// The mean number of bytes from one sample to the next, a power of two; or none, for every event is recorded.
///
/// A block of S bytes is a sample with the probability `p = 1 - exp(-S / mean)`, one of 0 bytes as if it had 1: it stands for
/// `1 / p` blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u8);

impl SampleRate {
    /// Every event is recorded.
    pub const EVERY: SampleRate = SampleRate(0);
    /// The binary logarithm of the largest mean, 1 TiB: more than programs allocate.
    pub const LOG2_MAX: u8 = 40;

    /// Returns the rate with this [code](SampleRate::code).
    #[must_use]
    pub const fn from_code(code: u8) -> Option<SampleRate> {
        if code <= Self::LOG2_MAX + 1 { Some(SampleRate(code)) } else { None }
    }

    /// Returns 0 for every event, else one more than the mean's binary logarithm: 6 bits.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Tells whether every event is recorded.
    #[must_use]
    pub const fn is_every(self) -> bool {
        self.0 == 0
    }

    /// Returns the mean number of bytes from one sample to the next; 0 if every event is recorded.
    #[must_use]
    pub const fn mean_bytes(self) -> u64 {
        if self.0 == 0 { 0 } else { 1 << (self.0 - 1) }
    }

    /// Returns the rate whose mean is `bytes`; `None` if there is none.
    #[must_use]
    pub const fn of_bytes(bytes: u64) -> Option<SampleRate> {
        match bytes {
            0 => Some(SampleRate::EVERY),
            _ if bytes.is_power_of_two() => SampleRate::from_code(bytes.trailing_zeros() as u8 + 1),
            _ => None,
        }
    }

    /// Returns the rate that a user means by `bytes`: the power of two that is nearest, of two the smaller one. `None` above the
    /// largest.
    #[must_use]
    pub const fn nearest(bytes: u64) -> Option<SampleRate> {
        if bytes > 1 << Self::LOG2_MAX {
            return None;
        }
        if bytes == 0 {
            return Some(SampleRate::EVERY);
        }
        let below = 1 << bytes.ilog2();
        SampleRate::of_bytes(if bytes - below > 2 * below - bytes { 2 * below } else { below })
    }

    /// Returns the rate that a user means by `text`: bytes, or with K (KiB), M, G or T as many times 1024 of them. `None` if
    /// that is no size, or above the largest.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<SampleRate> {
        SampleRate::nearest(parse_bytes(text)?)
    }
}

/// What a thread did in one space since it began to sample there, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The bytes that were asked for.
    pub bytes: u64,
    /// The calls that returned a block, those of `realloc` with them.
    pub n_allocated: u64,
    /// The calls of `realloc` and its relatives among these, with or without a block before.
    pub n_reallocated: u64,
    /// The calls that gave a block back, `realloc(p, 0)` with them where that frees; not those that gave another one for it.
    pub n_freed: u64,
    /// The bytes that the allocator says its blocks hold (`malloc_usable_size`), those of blocks that the thread gave back taken
    /// off: over all threads of a process what is live. Below 0 where blocks of others, or from before, went. 0 but in the heap.
    pub held_bytes: i64,
    /// The most that `held_bytes` was since the thread's last record of totals.
    pub held_high: i64,
}

impl Totals {
    /// Returns what came since these were `before`.
    #[must_use]
    pub const fn since(&self, before: &Totals) -> Totals {
        Totals {
            bytes: self.bytes.wrapping_sub(before.bytes),
            n_allocated: self.n_allocated.wrapping_sub(before.n_allocated),
            n_reallocated: self.n_reallocated.wrapping_sub(before.n_reallocated),
            n_freed: self.n_freed.wrapping_sub(before.n_freed),
            held_bytes: self.held_bytes.wrapping_sub(before.held_bytes),
            held_high: self.held_high.wrapping_sub(before.held_bytes),
        }
    }
}

/// The bytes of a [`MappedTotals`]: a line of the processor's cache.
pub const LINE_BYTES: usize = 64;

/// The totals of one thread in one space as they stand in the mapped file, in a segment of
/// [`crate::segment::SegmentKind::Totals`]. The thread alone writes them; when it has ended, another one may go on with them.
///
/// ```text
///  byte 0                    8                16               24
///       | thread + 1 | space | bytes          | empty blocks   | n_allocated    |
///    32 | n_reallocated      | n_freed        | held_bytes     | held_high      |
/// ```
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct MappedTotals {
    /// One more than the first thread's number, in the lower half, and the space in the upper one; 0 for nobody's line.
    pub owner: AtomicU64,
    /// The bytes that were asked for, each block of 0 bytes counted as 1.
    pub position: AtomicU64,
    /// The number of blocks of 0 bytes.
    pub n_empty: AtomicU64,
    /// See [`Totals`], as for all below.
    pub n_allocated: AtomicU64,
    /// See [`Totals`].
    pub n_reallocated: AtomicU64,
    /// See [`Totals`].
    pub n_freed: AtomicU64,
    /// See [`Totals`]; signed, in two's complement.
    pub held_bytes: AtomicU64,
    /// See [`Totals`].
    pub held_high: AtomicU64,
}

const _: () =
    assert!(size_of::<MappedTotals>() == LINE_BYTES, "the layout is the format: see docs/format.md");

/// A line of totals as read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadTotals {
    /// Whose they are.
    pub thread: ThreadIndex,
    /// Where its blocks are.
    pub space: Space,
    /// What it did.
    pub totals: Totals,
}

impl MappedTotals {
    /// Returns the [owner](MappedTotals::owner) of a line.
    #[must_use]
    pub const fn owner_of(thread: ThreadIndex, space: Space) -> u64 {
        (thread.0 as u64 + 1) | (space.0 as u64) << 32
    }

    /// Returns the totals. Called by the thread that writes them.
    #[must_use]
    pub fn totals(&self) -> Totals {
        // Relaxed, all: the thread's own.
        let n_empty = self.n_empty.load(Ordering::Relaxed);
        Totals {
            bytes: self.position.load(Ordering::Relaxed).wrapping_sub(n_empty),
            n_allocated: self.n_allocated.load(Ordering::Relaxed),
            n_reallocated: self.n_reallocated.load(Ordering::Relaxed),
            n_freed: self.n_freed.load(Ordering::Relaxed),
            held_bytes: self.held_bytes.load(Ordering::Relaxed) as i64,
            held_high: self.held_high.load(Ordering::Relaxed) as i64,
        }
    }
}

impl ThreadTotals {
    /// Reads a line; `None` if it is nobody's.
    ///
    /// # Errors
    /// The bytes are fewer, or there is no such thread.
    pub fn parse(line: &[u8]) -> Result<Option<ThreadTotals>, DecodeError> {
        let word = |place: usize| u64_at(line, 8 * place);
        let owner = word(0)?;
        if owner == 0 {
            return Ok(None);
        }
        let (thread, space) = ((owner as u32).checked_sub(1), u8::try_from(owner >> 32));
        let (Some(thread), Ok(space)) = (thread, space) else {
            return Err(DecodeError::Invalid { field: "owner of totals", found: owner });
        };
        let totals = Totals {
            bytes: word(1)?.wrapping_sub(word(2)?),
            n_allocated: word(3)?,
            n_reallocated: word(4)?,
            n_freed: word(5)?,
            held_bytes: word(6)? as i64,
            held_high: word(7)? as i64,
        };
        Ok(Some(ThreadTotals { thread: ThreadIndex(thread), space: Space(space), totals }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_powers_of_two_and_what_users_mean_is_the_nearest() {
        for code in 0..=SampleRate::LOG2_MAX + 1 {
            let rate = SampleRate::from_code(code).expect("it is one");
            assert_eq!(SampleRate::of_bytes(rate.mean_bytes()), Some(rate));
            assert_eq!(SampleRate::nearest(rate.mean_bytes()), Some(rate));
            assert!(rate.code() < 1 << 6 && rate.is_every() == (code == 0));
        }
        assert_eq!(SampleRate::from_code(SampleRate::LOG2_MAX + 2), None);
        assert_eq!([3, u64::MAX, 1 << 41].map(SampleRate::of_bytes), [None; 3]);
        let mean = |text: &str| SampleRate::parse(text.as_bytes()).map(SampleRate::mean_bytes);
        assert_eq!(["0", "1", "512K", "1m"].map(mean), [Some(0), Some(1), Some(512 << 10), Some(1 << 20)]);
        assert_eq!(
            ["500000", "3", "100KiB", "1T"].map(mean),
            [Some(512 << 10), Some(2), Some(128 << 10), Some(1 << 40)]
        );
        for nonsense in ["", "K", "-1", "+1", "1.5M", "512KB", "2T", "99999999999999999999", "0x10", " 1"] {
            assert_eq!(mean(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_line_comes_back() {
        let line = MappedTotals::default();
        line.owner.store(MappedTotals::owner_of(ThreadIndex(6), Space(2)), Ordering::Relaxed);
        let words = [&line.position, &line.n_empty, &line.n_allocated, &line.n_reallocated, &line.n_freed];
        for (place, word) in words.into_iter().enumerate() {
            word.store(100 >> place, Ordering::Relaxed);
        }
        line.held_bytes.store(-5i64 as u64, Ordering::Relaxed);
        line.held_high.store(7, Ordering::Relaxed);
        // SAFETY: MappedTotals is repr(C) without padding, 64 bytes long.
        let bytes = unsafe { core::ptr::from_ref(&line).cast::<[u8; LINE_BYTES]>().read() };
        let read = ThreadTotals::parse(&bytes).expect("it is valid").expect("it is somebody's");
        assert_eq!((read.thread, read.space, read.totals), (ThreadIndex(6), Space(2), line.totals()));
        assert_eq!((read.totals.bytes, read.totals.held_bytes), (50, -5));
        assert_eq!(ThreadTotals::parse(&[0; LINE_BYTES]), Ok(None));
        assert!(ThreadTotals::parse(&bytes[..60]).is_err() && ThreadTotals::parse(&[0xff; 64]).is_err());
    }
}
