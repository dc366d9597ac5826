//! Tags and domains: numbers of the recording for what the program names.

use core::sync::atomic::{AtomicU32, Ordering};

use tm_common::ids::{Domain, Space, TagIndex};
use tm_common::metadata::{NAME_BYTES_MAX, NameKind};

use super::Session;
use crate::lockfree::numbers::Numbers;

/// The most tags of a process; the table's memory is only touched as it fills.
const TAGS_MAX: usize = 32 * 1024;
/// The most domains: an event has a byte for them.
const DOMAINS_MAX: usize = 250;
const _: () = assert!(Space::FIRST_OWN.0 as usize + DOMAINS_MAX <= Space::COUNT_MAX);

/// The tags' numbers by the hash of their names, and the domains' by theirs.
#[derive(Debug)]
pub struct Names {
    tags: Numbers<TAGS_MAX>,
    spaces: Numbers<DOMAINS_MAX>,
}

impl Names {
    /// Makes an empty table.
    pub const fn new() -> Names {
        Names { tags: Numbers::new(), spaces: Numbers::new() }
    }

    /// Returns the number of the tag `name`; none if there are too many, or the recording cannot grow.
    pub fn tag(&self, session: &Session, name: &[u8]) -> TagIndex {
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        let key = hash(name);
        let number = self.tags.find(key).or_else(|| {
            self.tags.insert(key, || {
                let number = next(&session.recording.header()?.n_tags);
                session.recording.add_name(NameKind::Tag, number, 0, name)?;
                Some(number)
            })
        });
        TagIndex(number.unwrap_or(0))
    }

    /// Returns the space of a domain; `None` if there are too many, or the recording cannot grow.
    pub fn space(&self, session: &Session, domain: Domain) -> Option<Space> {
        if domain == Domain::HEAP {
            return Some(Space::HEAP);
        }
        let key = u64::from(domain.0);
        let number = self.spaces.find(key).or_else(|| {
            self.spaces.insert(key, || {
                // Relaxed: numbers only have to be distinct. It stays at the end, and does not come round.
                let one_more = |n: u32| ((n as usize) < Space::COUNT_MAX).then_some(n + 1);
                let spaces = &session.recording.header()?.n_spaces;
                let number = spaces.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
                session.recording.add_name(NameKind::Space, number, domain.0, b"")?;
                Some(number)
            })
        });
        number.map(|number| Space(number as u8))
    }

    /// Returns the space of a domain that was used before.
    pub fn known_space(&self, domain: Domain) -> Option<Space> {
        if domain == Domain::HEAP {
            return Some(Space::HEAP);
        }
        self.spaces.find(u64::from(domain.0)).map(|number| Space(number as u8))
    }

    /// Gives a domain a name; `None` as [`Names::space`].
    pub fn name_space(&self, session: &Session, domain: Domain, name: &[u8]) -> Option<()> {
        let space = self.space(session, domain)?;
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        session.recording.add_name(NameKind::Space, space.0.into(), domain.0, name)
    }
}

fn next(counter: &AtomicU32) -> u32 {
    // Relaxed: numbers only have to be distinct.
    counter.fetch_add(1, Ordering::Relaxed)
}

/// Computes FNV-1a, 64 bits: of 32,768 names two have the same with a probability of 1 in 30 thousand million.
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
