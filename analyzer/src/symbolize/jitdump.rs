//! Names of code that a process made at run time, as it dumps that for perf: `jit-PID.dump`, a record for each function with its
//! machine code, which is passed over. See `tools/perf/Documentation/jitdump-specification.txt` of Linux.
//!
//! Source lines are not taken from it: where they begin is another address for some writers (V8 counts an ELF header with it) than
//! for others.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::attempt::Outcome;
use super::generated_code::{GeneratedCode, open_list, unreadable};
use crate::text::raw_text;

/// A longer dump is not read, in bytes: it has all code that was ever made.
const BYTES_MAX: u64 = 4 << 30;
/// One with more functions is not read, ...
const FUNCTIONS_MAX: usize = 1 << 20;
/// ... nor one with longer names, in bytes: of all, ...
const NAMES_BYTES_MAX: usize = 64 << 20;
/// ... and what is longer of one name is left out.
const NAME_BYTES_MAX: u64 = 64 << 10;

/// `JiTD`, as a number of a writer whose processor has the same order of bytes.
const MAGIC: u32 = 0x4a69_5444;
/// The bytes of the file's header: magic, version, its own length, processor, padding, pid, time, flags.
const HEADER_BYTES: u32 = 40;
/// The bytes of a record's header: kind, length with the header, time.
const RECORD_BYTES: u32 = 16;
/// The kind of a record of a function, ...
const LOAD: u32 = 0;
/// ... which begins so: pid, tid, address, address of the code, size, number.
const LOAD_BYTES: u32 = 40;
/// The kind of a record of a function that was moved, ...
const MOVE: u32 = 1;
/// ... which is so long: pid, tid, address, old and new address of the code, size, number.
const MOVE_BYTES: u32 = 48;

/// Reads the dump of process `pid` at `path`, if it was written between the two moments, in ns since 1970, by who may be believed.
///
/// # Errors
/// There is none to be used, and why.
pub(super) fn read(path: &Path, pid: u32, times: (u64, u64)) -> Result<GeneratedCode, Outcome> {
    let file = open_list(path, BYTES_MAX, times)?;
    let mut dump = Dump { file: BufReader::new(file), code: GeneratedCode::default(), names_bytes: 0 };
    dump.header(pid)?;
    loop {
        match dump.record() {
            Ok(()) => {}
            // A process that was killed may have left a part of a record.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(dump.code),
            Err(error) => return Err(unreadable(error)),
        }
        if dump.code.len() > FUNCTIONS_MAX || dump.names_bytes > NAMES_BYTES_MAX {
            return Err(Outcome::Unreadable("it has more functions than any program".to_owned()));
        }
    }
}

/// A dump that is being read.
struct Dump {
    file: BufReader<File>,
    code: GeneratedCode,
    names_bytes: usize,
}

impl Dump {
    fn header(&mut self, pid: u32) -> Result<(), Outcome> {
        let no_dump = |_| Outcome::Unreadable("it is no dump of generated code".to_owned());
        let header: [u8; HEADER_BYTES as usize] = self.bytes().map_err(no_dump)?;
        match word(&header, 0) {
            MAGIC => {}
            swapped if swapped == MAGIC.swap_bytes() => {
                return Err(Outcome::Unreadable(
                    "its bytes are in the order of another processor".to_owned(),
                ));
            }
            _ => return Err(no_dump(io::ErrorKind::InvalidData.into())),
        }
        let length = word(&header, 8);
        let rest = length.checked_sub(HEADER_BYTES).filter(|_| word(&header, 4) == 1);
        let Some(rest) = rest else {
            return Err(Outcome::Unreadable(format!("it is of version {}", word(&header, 4))));
        };
        if word(&header, 20) != pid {
            return Err(Outcome::Other(format!("it is of process {}", word(&header, 20))));
        }
        self.skip(rest.into()).map_err(unreadable)
    }

    /// Reads the next record.
    fn record(&mut self) -> io::Result<()> {
        let header: [u8; RECORD_BYTES as usize] = self.bytes()?;
        let (kind, length) = (word(&header, 0), word(&header, 4));
        let content = length.checked_sub(RECORD_BYTES).ok_or(io::ErrorKind::UnexpectedEof)?;
        match kind {
            LOAD if content >= LOAD_BYTES => self.load(content - LOAD_BYTES),
            MOVE if content >= MOVE_BYTES => self.moved(content - MOVE_BYTES),
            _ => self.skip(content.into()),
        }
    }

    /// Reads a function, whose name and code take `rest` bytes.
    fn load(&mut self, rest: u32) -> io::Result<()> {
        let fields: [u8; LOAD_BYTES as usize] = self.bytes()?;
        let (start, size) = (long(&fields, 16), long(&fields, 24));
        // Where the code is longer than the record, nothing can be told of what follows.
        let name_bytes = u64::from(rest).checked_sub(size).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut name = vec![0; name_bytes.min(NAME_BYTES_MAX) as usize];
        self.file.read_exact(&mut name)?;
        self.skip(u64::from(rest) - name.len() as u64)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if let Some(end) = start.checked_add(size).filter(|end| *end > start && !name.is_empty()) {
            self.names_bytes += name.len();
            self.code.add(start, end, raw_text::of_bytes(name));
        }
        Ok(())
    }

    /// Reads where a function went; `rest` bytes more are of no interest.
    fn moved(&mut self, rest: u32) -> io::Result<()> {
        let fields: [u8; MOVE_BYTES as usize] = self.bytes()?;
        let (old, new, size) = (long(&fields, 16), long(&fields, 24), long(&fields, 32));
        let name = self.code.function(old).map(|(name, _)| name.to_owned());
        if let (Some(name), Some(end)) = (name, new.checked_add(size).filter(|end| *end > new)) {
            self.names_bytes += name.len();
            self.code.add(new, end, name);
        }
        self.skip(rest.into())
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over bytes; behind the end of the file nothing will be read.
    fn skip(&mut self, n: u64) -> io::Result<()> {
        self.file.seek_relative(n.cast_signed())
    }
}

/// The word at a place, which is within.
fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(bytes.unwrap_or_default())
}

/// The long word at a place, which is within.
fn long(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: (u64, u64) = (0, u64::MAX);

    fn header(pid: u32) -> Vec<u8> {
        let words = [MAGIC, 1, HEADER_BYTES, 62, 0, pid, 0, 0, 0, 0];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn record(kind: u32, longs: &[u64], rest: &[u8]) -> Vec<u8> {
        let length = RECORD_BYTES + 8 * longs.len() as u32 + rest.len() as u32;
        let mut bytes: Vec<u8> = [kind, length, 7, 7].iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(longs.iter().flat_map(|long| long.to_le_bytes()));
        bytes.extend(rest);
        bytes
    }

    fn load(start: u64, name: &[u8], size: usize) -> Vec<u8> {
        // Its code could be taken for a name.
        record(LOAD, &[7, start, start, size as u64, 1], &[name, b"\0", &vec![b'x'; size]].concat())
    }

    fn dump(records: &[Vec<u8>]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [header(12), records.concat()].concat()).unwrap();
        file
    }

    fn read_all(records: &[Vec<u8>]) -> GeneratedCode {
        read(dump(records).path(), 12, ALWAYS).unwrap()
    }

    #[test]
    fn functions_have_the_place_that_was_said_last() {
        let code = read_all(&[
            load(0x1000, b"first", 0x40),
            // Lines, an unwinding table and what nobody knows yet.
            record(2, &[0x1000, 1, 2], b"a.js\0"),
            record(4, &[1, 2, 3], b"...."),
            record(99, &[], b""),
            load(0x2000, b"sec\xffond", 0x10),
            record(MOVE, &[7, 0x3000, 0x1000, 0x3000, 0x40, 1], b""),
            load(0x2008, b"third", 0x10),
            load(0x4000, b"no code", 0),
            record(3, &[], b""),
        ]);
        let at = |address| code.function(address);
        assert_eq!(
            (at(0x1000), at(0x103f), at(0x1040)),
            (Some(("first", false)), Some(("first", false)), None)
        );
        assert_eq!(at(0x3010), Some(("first", false)));
        assert_eq!((at(0x2000), at(0x2008)), (Some(("sec\u{10ffff}ond", false)), Some(("third", true))));
        assert_eq!(at(0x4000), None);
    }

    #[test]
    fn what_comes_after_damage_is_left_out() {
        let good = load(0x1000, b"good", 4);
        let torn = load(0x2000, b"torn", 0x40);
        for bad in [
            torn[..torn.len() - 60].to_vec(),
            record(LOAD, &[7, 0x2000, 0x2000, u64::MAX, 1], b"bad\0"),
            [LOAD, 3, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect(),
            [LOAD, u32::MAX, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect(),
        ] {
            let code = read_all(&[good.clone(), bad, load(0x9000, b"after", 4)]);
            assert_eq!(code.function(0x1000), Some(("good", false)));
            assert_eq!(code.function(0x9000), None);
        }
        let long = vec![b'n'; 3 * NAME_BYTES_MAX as usize];
        let code = read_all(&[load(0x1000, &long, 4), load(0x2000, b"after", 4)]);
        assert_eq!(code.function(0x1000).unwrap().0.len() as u64, NAME_BYTES_MAX);
        assert_eq!(code.function(0x2000), Some(("after", false)));
    }

    #[test]
    fn what_is_no_dump_of_the_process_is_refused() {
        let refused = |bytes: &[u8], pid| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            read(file.path(), pid, ALWAYS).unwrap_err()
        };
        assert_eq!(refused(&header(12), 13), Outcome::Other("it is of process 12".to_owned()));
        let swapped: Vec<u8> = header(12).chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
        for (bytes, said) in [
            (&swapped[..], "another processor"),
            (b"", "no dump"),
            (&[b'x'; 100], "no dump"),
            (&[&header(12)[..4], &[9; 36]].concat(), "of version"),
        ] {
            let Outcome::Unreadable(why) = refused(bytes, 12) else { panic!("{said}") };
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn any_bytes_are_read_to_an_end() {
        let mut random = tm_testing::Random::new(5);
        let whole =
            [load(0x1000, b"one", 30), record(MOVE, &[7, 1, 0x1000, 9, 8, 1], b""), load(2, b"two", 9)]
                .concat();
        for _ in 0..500 {
            let mut bytes = [header(12), whole.clone()].concat();
            for _ in 0..1 + random.below(4) {
                let at = HEADER_BYTES as u64 + random.below(whole.len() as u64);
                bytes[at as usize] = random.below(256) as u8;
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            let code = read(file.path(), 12, ALWAYS).unwrap();
            assert!(code.len() <= 8);
        }
    }
}
