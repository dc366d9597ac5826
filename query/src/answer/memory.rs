//! How much lives, and how much did at most.

use tm_analyzer::replay::MemoryKind;
use tm_common::ids::{Domain, Space, Stamp};

use crate::process::Process;

/// Bytes now and at most, of the traced memory.
pub fn traced(process: &Process) -> (u64, u64) {
    let totals = process.follower.totals();
    (totals.live(MemoryKind::Traced).bytes, totals.peak(MemoryKind::Traced).0.bytes)
}

/// Returns the same of a domain; the peak is that of the traced memory, or that of the mappings.
pub fn of_domain(process: &Process, domain: Domain) -> (u64, u64) {
    let (totals, recording) = (process.follower.totals(), process.recording());
    if domain == Domain::MAPPINGS {
        return (totals.live(MemoryKind::Mappings).bytes, totals.peak(MemoryKind::Mappings).0.bytes);
    }
    let spaces = (0..=u8::MAX).map(Space).filter(|space| *space != Space::MAPPINGS);
    let of_domain = spaces.filter(|space| recording.domain(*space).0 == domain);
    let sums = of_domain.map(|space| process.live_index.sums.of(space));
    sums.fold((0, 0), |(live, peak), sum| (live.wrapping_add(sum.0), peak.wrapping_add(sum.1)))
}

/// Makes what lives now the peak.
pub fn reset_peak(process: &mut Process, now: Stamp) {
    process.follower.reset_peak(now);
    process.live_index.sums.reset_peak();
}
