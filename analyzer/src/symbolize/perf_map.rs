//! Names of code that a process made at run time, as it lists them itself: `/tmp/perf-PID.map`, a line `START SIZE NAME` for each function.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::attempt::Outcome;
use crate::text::raw_text;

/// A longer list is not read, in bytes: those of large Java programs have some MiB.
const BYTES_MAX: u64 = 64 << 20;

/// Functions by their addresses, none over another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PerfMap(BTreeMap<u64, Function>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    end: u64,
    name: String,
    /// Whether another function stood there before.
    is_second: bool,
}

impl PerfMap {
    /// Reads the list at `path`, if it was written between the two moments, in ns since 1970, by who may be believed.
    ///
    /// # Errors
    /// There is none to be used, and why.
    pub(super) fn read(path: &Path, (from_ns, until_ns): (u64, u64)) -> Result<PerfMap, Outcome> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Outcome::Missing,
            _ => Outcome::Unreadable(error.to_string()),
        };
        let status = fs::metadata(path).map_err(unreadable)?;
        if !status.is_file() || status.len() > BYTES_MAX {
            return Err(Outcome::Unreadable("it is no regular file of at most 64 MiB".to_owned()));
        }
        // SAFETY: geteuid takes nothing and cannot fail.
        let reader = unsafe { libc::geteuid() };
        if ![reader, 0].contains(&status.uid()) && reader != 0 {
            return Err(Outcome::Other("it is of another user".to_owned()));
        }
        let written = i128::from(status.mtime()) * 1_000_000_000 + i128::from(status.mtime_nsec());
        if !(i128::from(from_ns)..=i128::from(until_ns)).contains(&written) {
            return Err(Outcome::Other("it was not written while the process ran".to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes)).map_err(unreadable)?;
        Ok(PerfMap::parse(&bytes))
    }

    /// What can be read of the lines; where two functions are of one address, the later one counts.
    fn parse(bytes: &[u8]) -> PerfMap {
        let mut map = PerfMap::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let mut words = line.splitn(3, |byte| *byte == b' ');
            let number = |word: Option<&[u8]>| {
                let text = std::str::from_utf8(word?).ok()?;
                u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
            };
            let (start, size) = (number(words.next()), number(words.next()));
            if let (Some(start), Some(size), Some(name)) = (start, size, words.next())
                && let Some(end) = start.checked_add(size).filter(|end| *end > start)
                && !name.is_empty()
            {
                map.add(start, end, raw_text::of_bytes(name));
            }
        }
        map
    }

    fn add(&mut self, start: u64, end: u64, name: String) {
        let mut is_second = false;
        // The last one that begins before the end, again and again, until it ends before the start.
        while let Some((&at, _)) = self.0.range(..end).next_back() {
            let Some(old) = self.0.get(&at).filter(|old| old.end > start).cloned() else { break };
            is_second |= old.name != name || old.is_second;
            self.0.remove(&at);
            if at < start {
                self.0.insert(at, Function { end: start, ..old.clone() });
            }
            if old.end > end {
                self.0.insert(end, old);
            }
        }
        self.0.insert(start, Function { end, name, is_second });
    }

    /// The function at an address, and whether another one stood there before.
    pub(super) fn function(&self, address: u64) -> Option<(&str, bool)> {
        let (_, function) = self.0.range(..=address).next_back()?;
        (address < function.end).then_some((&function.name, function.is_second))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_later_function_has_an_address_and_says_that_it_is_the_second() {
        let map = PerfMap::parse(
            b"1000 100 first one\n0x1040 20 second\nbad\n2000 0 empty\n3000 10\n3000 10 a\xff\nffffffffffffffff 2 x\n\
              1000 10 first one\n",
        );
        let at = |address| map.function(address);
        assert_eq!(at(0x1000), Some(("first one", false)));
        assert_eq!((at(0x103f), at(0x1040)), (Some(("first one", false)), Some(("second", true))));
        assert_eq!((at(0x1060), at(0x10ff), at(0x1100)), (Some(("first one", false)), at(0x1060), None));
        assert_eq!((at(0xfff), at(0x2000), at(0x3000)), (None, None, Some(("a\u{10ffff}", false))));
    }

    /// A naive list beside it: the last line that has an address counts.
    #[test]
    fn any_overlaps_are_as_if_all_lines_were_looked_at() {
        let mut random = tm_testing::Random::new(11);
        for _ in 0..200 {
            let lines: Vec<(u64, u64)> = (0..30).map(|_| (random.below(60), 1 + random.below(20))).collect();
            let text: String = lines
                .iter()
                .enumerate()
                .map(|(n, (start, size))| format!("{start:x} {size:x} f{n}\n"))
                .collect();
            let map = PerfMap::parse(text.as_bytes());
            for address in 0..90 {
                let holds = |(start, size): &(u64, u64)| (*start..start + size).contains(&address);
                let all: Vec<usize> = (0..lines.len()).filter(|&n| holds(&lines[n])).collect();
                let expected = all.last().map(|n| format!("f{n}"));
                let found = map.function(address);
                assert_eq!(found.map(|(name, _)| name.to_owned()), expected, "{text}{address:x}");
                if all.len() == 1 && found.is_some_and(|(_, is_second)| is_second) {
                    // Another part of the same function stands over one: it is in doubt as a whole.
                    continue;
                }
                assert_eq!(found.is_some_and(|(_, is_second)| is_second), all.len() > 1, "{text}{address:x}");
            }
        }
    }

    #[test]
    fn a_list_of_another_process_is_not_used() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "10 10 f\n").unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let (before, after) = (now - 60_000_000_000, now + 60_000_000_000);
        assert_eq!(PerfMap::read(file.path(), (before, after)).unwrap().function(0x1f), Some(("f", false)));
        for times in [(0, before), (after, u64::MAX)] {
            assert!(matches!(PerfMap::read(file.path(), times), Err(Outcome::Other(_))));
        }
        assert_eq!(PerfMap::read(Path::new("/nowhere"), (0, 0)), Err(Outcome::Missing));
        assert!(matches!(PerfMap::read(Path::new("/dev/zero"), (0, u64::MAX)), Err(Outcome::Unreadable(_))));
    }
}
