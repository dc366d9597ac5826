//! What an earlier keeper had of a file, whatever it was doing when it was killed.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::Ordering;

use tm_common::free_list::next_of;
use tm_common::header::CUTTING;
use tm_common::segment::SegmentKind;

use super::file::KeptFile;
use super::room::Room;

/// Finds the checkpoint that holds, and takes over what was left: parts of others, and free extents that are not on the list.
pub(super) fn recover(file: KeptFile) -> io::Result<Room> {
    // Acquire: receives the parts.
    let valid = (file.header().checkpoint.load(Ordering::Acquire) >> 32) as u32;
    let mut room = Room { file, spare: Vec::new(), parts: Vec::new(), stale: Vec::new(), number: valid };
    let listed: Option<HashSet<u64>> = room.listed().map(HashSet::from_iter);
    let next_push = room.next_push();
    // One that was taken off the list and is not begun yet has a number too: another one, of an extent before.
    let is_ours = |first: u64, pushed_as: u64| match &listed {
        Some(listed) => !listed.contains(&first) && [0, next_push].contains(&pushed_as),
        None => pushed_as == 0,
    };
    // Relaxed: a bound.
    let end = room.file.header().end_grain.load(Ordering::Relaxed);
    let end = if end < CUTTING { end } else { 0 }.min(room.file.limit_grains).min(room.file.len_grains()?);
    let mut at = 1;
    while at < end {
        let Some(found) = room.file.at(at) else {
            at += 1;
            continue;
        };
        let header = found.header;
        at += match header.kind {
            SegmentKind::Extent if next_of(found.next_free).is_some() => {
                if u64::from(header.sequence) == room.file.extent_grains && is_ours(at, found.pushed_as) {
                    room.stale.push(at);
                }
                room.file.extent_grains
            }
            SegmentKind::Extent => 1,
            SegmentKind::Checkpoint => {
                let number = header.stream.0;
                room.number = room.number.max(number);
                if number == valid { &mut room.parts } else { &mut room.stale }.push(at);
                u64::from(header.grains.max(1))
            }
            _ => u64::from(header.grains.max(1)),
        };
    }
    Ok(room)
}
