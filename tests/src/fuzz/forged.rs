//! Snapshot files of a forger, who knows MessagePack and gives every body its right checksum.

use super::layout::put;
use super::random::Random;

/// Where the body's size, its checksum and the body itself stand.
const LENGTH_AT: usize = 16;
const CHECKSUM_AT: usize = 24;
const BODY_AT: usize = 32;

/// First bytes of values with the most to claim: str32, bin32, array32, map32, ext32, u64, and small arrays and maps.
const MARKERS: [u8; 12] = [0xdb, 0xc6, 0xdd, 0xdf, 0xc9, 0xcf, 0x91, 0x81, 0xc0, 0xc1, 0xd3, 0xcb];

/// The file with its body as it stands sealed: right length, right checksum.
pub fn seal(file: &mut [u8]) {
    let body = file.get(BODY_AT..).unwrap_or_default();
    let checksum = body.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let len = body.len() as u64;
    put(file, LENGTH_AT, 8, len);
    put(file, CHECKSUM_AT, 8, checksum);
}

/// A file with this body.
pub fn with_body(good: &[u8], body: &[u8]) -> Vec<u8> {
    let mut file = [good.get(..BODY_AT).unwrap_or_default(), body].concat();
    seal(&mut file);
    file
}

/// Changes a snapshot file in one to three ways; mostly it is sealed afterwards.
pub fn forge(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        if file.len() <= BODY_AT + 1 {
            break;
        }
        let at = BODY_AT + random.below(file.len() - BODY_AT);
        match random.below(8) {
            0 => file[at] = random.any() as u8,
            1 => file[at] ^= 1 << random.below(8),
            // Somewhere a value begins that claims as much as it can.
            2 => {
                file[at] = *random.of(&MARKERS);
                put(file, at + 1, 4, random.awkward().swap_bytes());
            }
            3 => drop(file.splice(at..at, vec![*random.of(&[0x91, 0x81, 0xc7]); random.below(3_000)])),
            // Fields twice, out of order, missing.
            4 => {
                let end = (at + random.below(200)).min(file.len());
                let span = file[at..end].to_vec();
                let to = BODY_AT + random.below(file.len() - BODY_AT);
                drop(file.splice(to..to, span));
            }
            5 => drop(file.drain(at..(at + random.below(40)).min(file.len()))),
            6 => file.truncate(at),
            // Numbers of tables' places are single bytes below 128.
            _ => file[at] = random.below(128) as u8,
        }
    }
    if random.once_in(30) {
        let (at, value) = (random.below(BODY_AT), random.awkward());
        put(file, at, 1 + random.below(8), value);
    } else {
        seal(file);
    }
}
