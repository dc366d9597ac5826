//! Functions of code that a process made at run time, as far as it lists them itself (`perf_map`, `jitdump`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::attempt::Outcome;

/// Functions by their addresses, none over another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GeneratedCode(BTreeMap<u64, Function>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    end: u64,
    name: String,
    /// Whether another function stood there before.
    is_second: bool,
}

/// Opens the list at `path`, of at most `bytes_max` bytes, if it was written between the two moments, in ns since 1970, by who may be believed.
///
/// # Errors
/// There is none to be used, and why.
pub(super) fn open_list(
    path: &Path,
    bytes_max: u64,
    (from_ns, until_ns): (u64, u64),
) -> Result<File, Outcome> {
    // The path comes from a recording, and opening a pipe would wait for its writer.
    let status = fs::metadata(path).map_err(unreadable)?;
    if !status.is_file() || status.len() > bytes_max {
        return Err(Outcome::Unreadable(format!("it is no regular file of at most {} MiB", bytes_max >> 20)));
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
    File::open(path).map_err(unreadable)
}

/// What stands in the way of reading a list.
pub(super) fn unreadable(error: io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Outcome::Missing,
        _ => Outcome::Unreadable(error.to_string()),
    }
}

impl GeneratedCode {
    /// How many functions there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a function; where it is over others, it counts.
    pub(super) fn add(&mut self, start: u64, end: u64, name: String) {
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

    /// A naive list beside it: the last line that has an address counts.
    #[test]
    fn any_overlaps_are_as_if_all_lines_were_looked_at() {
        let mut random = tm_testing::Random::new(11);
        for _ in 0..200 {
            let lines: Vec<(u64, u64)> = (0..30).map(|_| (random.below(60), 1 + random.below(20))).collect();
            let mut map = GeneratedCode::default();
            for (n, (start, size)) in lines.iter().enumerate() {
                map.add(*start, start + size, format!("f{n}"));
            }
            for address in 0..90 {
                let holds = |(start, size): &(u64, u64)| (*start..start + size).contains(&address);
                let all: Vec<usize> = (0..lines.len()).filter(|&n| holds(&lines[n])).collect();
                let expected = all.last().map(|n| format!("f{n}"));
                let found = map.function(address);
                assert_eq!(found.map(|(name, _)| name.to_owned()), expected, "{lines:?} {address:x}");
                if all.len() == 1 && found.is_some_and(|(_, is_second)| is_second) {
                    // Another part of the same function stands over one: it is in doubt as a whole.
                    continue;
                }
                assert_eq!(
                    found.is_some_and(|(_, is_second)| is_second),
                    all.len() > 1,
                    "{lines:?} {address:x}"
                );
            }
        }
    }

    #[test]
    fn a_list_of_another_process_is_not_used() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "10 10 f\n").unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let (before, after) = (now - 60_000_000_000, now + 60_000_000_000);
        assert!(open_list(file.path(), 8, (before, after)).is_ok());
        assert!(matches!(open_list(file.path(), 7, (before, after)), Err(Outcome::Unreadable(_))));
        for times in [(0, before), (after, u64::MAX)] {
            assert!(matches!(open_list(file.path(), 8, times), Err(Outcome::Other(_))));
        }
        assert_eq!(open_list(Path::new("/nowhere"), 8, (0, 0)).err(), Some(Outcome::Missing));
        assert!(matches!(open_list(Path::new("/dev/zero"), 8, (0, u64::MAX)), Err(Outcome::Unreadable(_))));
    }
}
