//! The contents of the blocks that were read lately: a stream's next segment is mostly of the same one.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The contents of some blocks, by number; those that were asked for longest ago go first.
#[derive(Debug)]
pub(super) struct Cache {
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    blocks: HashMap<u32, (u64, Arc<Vec<u8>>)>,
    bytes: usize,
    /// How often was asked.
    now: u64,
}

impl Cache {
    /// One that holds `bytes_max` at most, and one block in any case.
    pub fn new(bytes_max: usize) -> Cache {
        Cache { bytes_max, held: Mutex::default() }
    }

    /// The contents of `block`, which `read` reads if they are not there. Others may ask meanwhile.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn get(&self, block: u32, read: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Arc<Vec<u8>>> {
        if let Some(contents) = self.lock().find(block) {
            return Ok(contents);
        }
        let contents = Arc::new(read()?);
        self.lock().add(block, &contents, self.bytes_max);
        Ok(contents)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn find(&mut self, block: u32) -> Option<Arc<Vec<u8>>> {
        self.now += 1;
        let (latest, contents) = self.blocks.get_mut(&block)?;
        *latest = self.now;
        Some(contents.clone())
    }

    fn add(&mut self, block: u32, contents: &Arc<Vec<u8>>, bytes_max: usize) {
        while !self.blocks.is_empty() && self.bytes + contents.len() > bytes_max {
            let oldest = self.blocks.iter().min_by_key(|(_, (latest, _))| *latest).map(|(block, _)| *block);
            let gone = oldest.and_then(|oldest| self.blocks.remove(&oldest));
            self.bytes -= gone.map_or(0, |(_, contents)| contents.len());
        }
        let before = self.blocks.insert(block, (self.now, contents.clone()));
        self.bytes += contents.len();
        self.bytes -= before.map_or(0, |(_, contents)| contents.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_blocks_stay_within_the_limit() {
        let cache = Cache::new(100);
        let n_reads = std::cell::Cell::new(0);
        let get = |block: u32, len| {
            let read = || {
                n_reads.set(n_reads.get() + 1);
                Ok(vec![block as u8; len])
            };
            assert_eq!(*cache.get(block, read).expect("it can be read"), vec![block as u8; len]);
            n_reads.get()
        };
        assert_eq!((get(1, 40), get(2, 40), get(1, 40)), (1, 2, 2));
        // Block 2 goes, then 1 is there still.
        assert_eq!((get(3, 40), get(1, 40), get(2, 40)), (3, 3, 4));
        // More than the limit is held alone.
        assert_eq!((get(4, 500), get(4, 500), get(2, 40)), (5, 5, 6));
        assert!(cache.get(9, || Err(io::Error::other("no"))).is_err());
    }
}
