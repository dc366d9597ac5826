//! The domains that a program has made: each is a number that it chose, perhaps with a name, and in each process that uses
//! it a space of its own.

use tm_common::ids::{Domain, Space};

use crate::reader::Recording;

/// A domain of the program's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDomain {
    /// The program's number.
    pub domain: Domain,
    /// Its name; empty if it has none.
    pub name: String,
    /// Its spaces in the recording.
    pub spaces: Vec<Space>,
}

impl Recording {
    /// All of them, in the order of their first use.
    pub fn own_domains(&self) -> Vec<OwnDomain> {
        let mut found: Vec<OwnDomain> = Vec::new();
        for (space, domain, name) in self.spaces.iter().filter(|(space, ..)| *space >= Space::FIRST_OWN) {
            let known = found.iter_mut().find(|known| known.domain == *domain);
            if let Some(known) = known {
                known.spaces.push(*space);
                if known.name.is_empty() {
                    known.name.clone_from(name);
                }
            } else {
                found.push(OwnDomain { domain: *domain, name: name.clone(), spaces: vec![*space] });
            }
        }
        found
    }
}
