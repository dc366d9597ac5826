//! The file's first page, `docs/format.md` section "Header".

pub mod request;
mod shared;

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::bytes::{array, u8_at, u16_at, u32_at, u64_at};
use crate::error::DecodeError;
use crate::ids::Stamp;

pub use request::{MappedRequest, REQUEST_NAME_BYTES, REQUESTS_MAX, Request};
pub use shared::{SHARED_ROOMS, SharedRoom};

/// The first bytes of every recording. The first byte is not ASCII and the last two are a line end, so that a copy
/// which was taken for text is seen at once.
pub const MAGIC: [u8; 8] = *b"\x89TMREC\r\n";
/// The version of a recording of which a keeper has folded anything, and the latest that is read.
pub const VERSION: u32 = 5;
/// The version of one in which anything is sampled.
pub const VERSION_SAMPLED: u32 = 4;
/// The version of one in which every event is recorded.
pub const VERSION_UNSAMPLED: u32 = 3;
/// The header's size, and the grain of everything in the file: segments start at and consist of whole grains.
pub const GRAIN_BYTES: usize = 4096;

/// Why an event is not in the recording. The number is the place of its counter in [`Header::lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Loss {
    /// The recording was still being set up.
    NotReady = 0,
    /// A signal handler interrupted a signal handler that had interrupted the recorder.
    Nested = 1,
    /// The file could not be extended.
    NoSpace = 2,
    /// The process had no memory left for the recorder's own tables.
    NoMemory = 3,
    /// The file was as large as it may become, see [`crate::settings::LIMIT`].
    AtLimit = 4,
}

impl Loss {
    /// All of them, in the order of their numbers.
    pub const ALL: [Loss; 5] = [Loss::NotReady, Loss::Nested, Loss::NoSpace, Loss::NoMemory, Loss::AtLimit];

    /// Returns what happened, as a clause for reports.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Loss::NotReady => "the recorder was not set up yet",
            Loss::Nested => "signal handlers interrupted the recorder twice over",
            Loss::NoSpace => "the recording could not grow",
            Loss::NoMemory => "no memory was left for the recorder",
            Loss::AtLimit => "the recording had reached its limit",
        }
    }
}

/// The unit and origin of the stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ClockKind {
    /// The x86 time stamp counter.
    Tsc = 1,
    /// The aarch64 virtual counter, `CNTVCT_EL0`.
    VirtualCounter = 2,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    Monotonic = 3,
}

/// The header as it stands in the mapped file: fields that change while the program runs are atomics.
///
/// Its processes (the first one and those it forked) change it together.
#[repr(C)]
#[derive(Debug)]
pub struct MappedHeader {
    /// [`MAGIC`], written last: a file without it is not a recording yet. Little-endian.
    pub magic: AtomicU64,
    /// [`VERSION_UNSAMPLED`], [`VERSION_SAMPLED`] from before the first sample on, and [`VERSION`] from before the first
    /// checkpoint on.
    pub version: AtomicU32,
    /// The ELF machine number: 62 x86_64, 183 aarch64.
    pub machine: u16,
    /// A [`ClockKind`].
    pub clock_kind: u8,
    /// A stamp is the counter shifted right by this many bits.
    pub clock_shift: u8,
    /// The kernel's page size.
    pub page_bytes: u32,
    /// The pid of the process that began the recording.
    pub pid: u32,
    /// The start of that process, in clock ticks since boot (`/proc/PID/stat` field 22): with the pid its identity.
    pub process_start: u64,
    /// `TM_RUN`, 0 if not set.
    pub run: u64,
    /// `TM_NFRAME` as it was in force.
    pub n_frames_max: u32,
    /// 0 `TM_UNWIND=auto`, 1 `fp`.
    pub unwind: u32,
    /// Nanoseconds since 1970 at the first calibration.
    pub start_realtime_ns: u64,
    /// First calibration: the counter, not shifted, ...
    pub first_counter: u64,
    /// ... and `CLOCK_MONOTONIC` in nanoseconds at that moment.
    pub first_monotonic_ns: u64,
    /// Latest calibration, 0 before there is one. Odd while it is being changed.
    pub calibration_version: AtomicU64,
    /// The counter at the latest calibration.
    pub latest_counter: AtomicU64,
    /// `CLOCK_MONOTONIC` at the latest calibration.
    pub latest_monotonic_ns: AtomicU64,
    /// The end of the room that was claimed, in grains: a process that needs room adds to it.
    pub end_grain: AtomicU64,
    /// The number of stack segments so far.
    pub n_stack_segments: AtomicU32,
    /// The number of processes so far.
    pub n_processes: AtomicU32,
    /// The number of threads so far.
    pub n_threads: AtomicU32,
    /// The number of streams so far.
    pub n_streams: AtomicU32,
    /// The number of epochs so far.
    pub n_epochs: AtomicU32,
    /// `TM_SELF_CHECK`.
    pub self_check_interval: u32,
    /// Stacks that were walked twice.
    pub self_checks: AtomicU64,
    /// Stacks that came out differently.
    pub self_check_differences: AtomicU64,
    /// Events that are not in the recording, by [`Loss`].
    pub lost: [AtomicU64; 8],
    /// The file's length in grains as its processes have made it: ahead of `end_grain`, the rest is a hole.
    pub file_grains: AtomicU64,
    /// The pids of processes that may still write, 0 for none.
    pub writers: [AtomicU32; WRITERS_MAX],
    /// The number of tags and of spaces so far, those that every recording has with them.
    pub n_tags: AtomicU32,
    /// See `n_tags`.
    pub n_spaces: AtomicU32,
    /// The requests to processes from outside.
    pub requests: [MappedRequest; REQUESTS_MAX],
    /// The number of Python code objects so far, from 1.
    pub n_codes: AtomicU32,
    /// [`abilities`] of the library that writes it.
    pub abilities: u32,
    /// The checkpoint that holds: its number in the upper 32 bits, 0 for none, and how many parts it has in the lower ones.
    pub checkpoint: AtomicU64,
    /// The beginning of the list of free extents, a [`crate::free_list::Top`].
    pub free_extents: AtomicU64,
    /// The most grains that the file may have, 0 for any number.
    pub limit_grains: u64,
    /// The size in grains of extents that one stream has for itself, where there is a limit; 0 if they differ: then none
    /// is ever given back.
    pub extent_grains: u32,
    /// The pid of the latest keeper, 0 for none. Whether it lives its lock tells.
    pub keeper: AtomicU32,
    /// Where there is a limit, what the processes begin last for all of them, by [`SharedRoom`]: its first grain in the lower 48
    /// bits, 0 for none, and how many there are in the upper ones.
    pub shared: [AtomicU64; SHARED_ROOMS],
    /// Not 0 once one of the processes has said that the limit is reached: the others need not.
    pub said_limit: AtomicU64,
}

/// Stands in [`MappedHeader::end_grain`] while the file is being cut: who then claims room tries again.
pub const CUTTING: u64 = 1 << 62;

/// Bits of [`MappedHeader::abilities`]: what a writer may be asked for beside what every one knows.
pub mod abilities {
    /// A start may come with a rate of samples.
    pub const SAMPLES: u32 = 1;
    /// What stands in an extent of a stream's own is not looked at any more once all of it is handed out and written.
    pub const LEAVES_FULL: u32 = 2;
}

/// The number of processes that find a place in [`MappedHeader::writers`].
pub const WRITERS_MAX: usize = 64;

const _: () = assert!(size_of::<MappedHeader>() <= GRAIN_BYTES);
const _: () =
    assert!(size_of::<MappedHeader>() == 480 + 24 * 136 + 72, "the layout is the format: see docs/format.md");
const _: () = assert!(cfg!(target_endian = "little"), "the mapped structures are little-endian");

/// The header as read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of MappedHeader")]
pub struct Header {
    pub version: u32,
    pub machine: u16,
    pub page_bytes: u32,
    pub pid: u32,
    pub process_start: u64,
    pub run: u64,
    pub n_frames_max: u32,
    pub unwind: u32,
    pub start_realtime_ns: u64,
    pub clock: Clock,
    pub end_grain: u64,
    pub file_grains: u64,
    pub n_stack_segments: u32,
    pub n_processes: u32,
    pub n_threads: u32,
    pub n_streams: u32,
    pub self_check_interval: u32,
    pub self_checks: u64,
    pub self_check_differences: u64,
    pub lost: [u64; 8],
    /// [`abilities`]; 0, as all that follows, in what was read without the whole header.
    pub abilities: u32,
    pub checkpoint: u64,
    pub free_extents: u64,
    pub limit_grains: u64,
    pub extent_grains: u32,
    pub keeper: u32,
    /// The requests that are ready.
    pub requests: [Option<Request>; REQUESTS_MAX],
}

impl Header {
    /// What a reader needs of it: what stands before the pids of writers.
    pub const NEEDED_BYTES: usize = offset_of!(MappedHeader, writers);

    /// Reads the header from the file's first bytes.
    ///
    /// # Errors
    /// [`DecodeError::NotARecording`] if the magic is not there, [`DecodeError::NewerVersion`], or
    /// [`DecodeError::Truncated`].
    pub fn parse(bytes: &[u8]) -> Result<Header, DecodeError> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err(DecodeError::NotARecording);
        }
        let version = u32_at(bytes, offset_of!(MappedHeader, version))?;
        if version > VERSION {
            return Err(DecodeError::NewerVersion { found: version, readable: VERSION });
        }
        let u32_of = |offset| u32_at(bytes, offset);
        let u64_of = |offset| u64_at(bytes, offset);
        Ok(Header {
            version,
            machine: u16_at(bytes, offset_of!(MappedHeader, machine))?,
            page_bytes: u32_of(offset_of!(MappedHeader, page_bytes))?,
            pid: u32_of(offset_of!(MappedHeader, pid))?,
            process_start: u64_of(offset_of!(MappedHeader, process_start))?,
            run: u64_of(offset_of!(MappedHeader, run))?,
            n_frames_max: u32_of(offset_of!(MappedHeader, n_frames_max))?,
            unwind: u32_of(offset_of!(MappedHeader, unwind))?,
            start_realtime_ns: u64_of(offset_of!(MappedHeader, start_realtime_ns))?,
            clock: Clock::parse(bytes)?,
            end_grain: u64_of(offset_of!(MappedHeader, end_grain))?,
            file_grains: u64_of(offset_of!(MappedHeader, file_grains))?,
            n_stack_segments: u32_of(offset_of!(MappedHeader, n_stack_segments))?,
            n_processes: u32_of(offset_of!(MappedHeader, n_processes))?,
            n_threads: u32_of(offset_of!(MappedHeader, n_threads))?,
            n_streams: u32_of(offset_of!(MappedHeader, n_streams))?,
            self_check_interval: u32_of(offset_of!(MappedHeader, self_check_interval))?,
            self_checks: u64_of(offset_of!(MappedHeader, self_checks))?,
            self_check_differences: u64_of(offset_of!(MappedHeader, self_check_differences))?,
            lost: parse_lost(bytes)?,
            abilities: u32_of(offset_of!(MappedHeader, abilities)).unwrap_or(0),
            checkpoint: u64_of(offset_of!(MappedHeader, checkpoint)).unwrap_or(0),
            free_extents: u64_of(offset_of!(MappedHeader, free_extents)).unwrap_or(0),
            limit_grains: u64_of(offset_of!(MappedHeader, limit_grains)).unwrap_or(0),
            extent_grains: u32_of(offset_of!(MappedHeader, extent_grains)).unwrap_or(0),
            keeper: u32_of(offset_of!(MappedHeader, keeper)).unwrap_or(0),
            requests: core::array::from_fn(|place| Request::parse(bytes, place)),
        })
    }

    /// Returns the part of a file of `file_len` bytes that was claimed: without the hole behind it, which a killed program leaves.
    #[must_use]
    pub fn claimed_bytes(&self, file_len: u64) -> u64 {
        self.end_grain.saturating_mul(GRAIN_BYTES as u64).min(file_len)
    }

    /// Returns the grains that the file had at least while it was written. Fewer than were claimed, if a process ended between its
    /// claim of room and the file's growth: then nobody wrote there.
    #[must_use]
    pub fn grains_written(&self) -> u64 {
        match self.file_grains {
            // Recordings of before it was noted.
            0 => self.end_grain,
            file_grains => self.end_grain.min(file_grains),
        }
    }

    /// Returns all events that are not in the recording.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.lost.iter().fold(0, |sum, &n| sum.saturating_add(n))
    }
}

fn parse_lost(bytes: &[u8]) -> Result<[u64; 8], DecodeError> {
    let mut lost = [0; 8];
    for (place, count) in lost.iter_mut().enumerate() {
        *count = u64_at(bytes, offset_of!(MappedHeader, lost) + place * 8)?;
    }
    Ok(lost)
}

/// The way from stamps to nanoseconds since the recording's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The counter's kind; `None` for one that this version does not know.
    pub kind: Option<ClockKind>,
    /// A stamp is the counter shifted right by this many bits.
    pub shift: u8,
    /// (counter, `CLOCK_MONOTONIC` ns) at the start.
    pub first: (u64, u64),
    /// The same, latest; equal to `first` if the process died before there was one.
    pub latest: (u64, u64),
}

impl Clock {
    /// The assumed counter frequency of a process that died before its second calibration: 1 GHz.
    const FALLBACK_NS_PER_TICK: f64 = 1.0;

    fn parse(bytes: &[u8]) -> Result<Clock, DecodeError> {
        let kind = match u8_at(bytes, offset_of!(MappedHeader, clock_kind))? {
            1 => Some(ClockKind::Tsc),
            2 => Some(ClockKind::VirtualCounter),
            3 => Some(ClockKind::Monotonic),
            _ => None,
        };
        let pair = |counter, monotonic| Ok((u64_at(bytes, counter)?, u64_at(bytes, monotonic)?));
        let first =
            pair(offset_of!(MappedHeader, first_counter), offset_of!(MappedHeader, first_monotonic_ns))?;
        let latest =
            pair(offset_of!(MappedHeader, latest_counter), offset_of!(MappedHeader, latest_monotonic_ns))?;
        let [shift] = array::<1>(bytes, offset_of!(MappedHeader, clock_shift))?;
        // Odd: whoever was writing them has died in between, and the two do not belong together.
        let whole = u64_at(bytes, offset_of!(MappedHeader, calibration_version))?.is_multiple_of(2);
        let latest = if whole && latest.0 > first.0 && latest.1 > first.1 { latest } else { first };
        Ok(Clock { kind, shift: shift & 63, first, latest })
    }

    /// Nanoseconds from the recording's start to `stamp`; 0 for stamps before it.
    #[must_use]
    #[inline]
    pub fn ns_since_start(&self, stamp: Stamp) -> u64 {
        // Damage alone makes stamps that no counter has; they are not to come back as early ones.
        let counter = stamp.0.saturating_mul(1 << self.shift);
        (counter.saturating_sub(self.first.0) as f64 * self.ns_per_tick()) as u64
    }

    /// Nanoseconds in one tick of the counter (not of a stamp).
    #[must_use]
    #[inline]
    pub fn ns_per_tick(&self) -> f64 {
        if self.kind == Some(ClockKind::Monotonic) {
            return 1.0;
        }
        let ticks = self.latest.0 - self.first.0;
        if ticks == 0 {
            Self::FALLBACK_NS_PER_TICK
        } else {
            (self.latest.1 - self.first.1) as f64 / ticks as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_and_newer_files_are_told_apart() {
        assert_eq!(Header::parse(b"#!/bin/sh\n"), Err(DecodeError::NotARecording));
        assert_eq!(Header::parse(b""), Err(DecodeError::NotARecording));
        let mut bytes = [0; GRAIN_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&7u32.to_le_bytes());
        assert_eq!(Header::parse(&bytes), Err(DecodeError::NewerVersion { found: 7, readable: VERSION }));
        assert_eq!(Header::parse(&bytes[..10]), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_calibration_that_was_being_written_does_not_count() {
        let mut bytes = [0; GRAIN_BYTES];
        let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(offset_of!(MappedHeader, latest_counter), 5_000_000);
        put(offset_of!(MappedHeader, latest_monotonic_ns), 1_000);
        for (version, latest) in [(2, (5_000_000, 1_000)), (3, (0, 0))] {
            let at = offset_of!(MappedHeader, calibration_version);
            bytes[at..at + 8].copy_from_slice(&u64::to_le_bytes(version));
            assert_eq!(Clock::parse(&bytes).map(|clock| clock.latest), Ok(latest));
        }
    }

    #[test]
    fn stamps_are_scaled_by_the_two_calibrations() {
        let clock =
            Clock { kind: Some(ClockKind::Tsc), shift: 5, first: (6400, 1000), latest: (38400, 11_000) };
        assert_eq!(clock.ns_since_start(Stamp(6400 >> 5)), 0);
        assert_eq!(clock.ns_since_start(Stamp(38400 >> 5)), 10_000);
        assert_eq!(clock.ns_since_start(Stamp(0)), 0);
        assert_eq!(clock.ns_since_start(Stamp(1 << 60)), clock.ns_since_start(Stamp(u64::MAX)));
    }
}
