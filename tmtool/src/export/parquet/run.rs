//! What all tables say of the recording that a row is of.

use super::table::{Cell, Column, Kind, OPTIONAL, REQUIRED, Table};
use tm_analyzer::reader::{Process, Recording};
use tm_analyzer::text::hex;
use tm_common::ids::Stamp;

/// The columns that stand before those of a table of blocks or processes.
pub const COLUMNS: [Column; 6] = [
    ("run", Kind::Number, REQUIRED),
    ("host", Kind::Text, REQUIRED),
    ("program", Kind::Text, REQUIRED),
    ("version", Kind::Text, REQUIRED),
    ("start", Kind::Time, OPTIONAL),
    ("pid", Kind::Number, REQUIRED),
];

/// Returns those with `own` behind them, all being as many as both.
pub const fn columns_with<const N_OWN: usize, const N: usize>(own: [Column; N_OWN]) -> [Column; N] {
    assert!(N == COLUMNS.len() + N_OWN);
    let mut columns = [COLUMNS[0]; N];
    let mut place = 0;
    while place < N {
        columns[place] = if place < COLUMNS.len() { COLUMNS[place] } else { own[place - COLUMNS.len()] };
        place += 1;
    }
    columns
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number: the same of the same recording, wherever its file is.
    pub number: i64,
    /// The machine.
    pub host: String,
    /// The name of the program's file.
    pub program: String,
    /// The build id of the program's file, which is that of one version.
    pub version: String,
    /// When it began, in microseconds since 1970; 0 if that is not known.
    pub start_us: u64,
    /// The first process's number.
    pub pid: u32,
}

impl Run {
    /// What `recording` says.
    pub fn of(recording: &Recording) -> Run {
        let first = recording.first_process();
        let host = first.and_then(|process| process.host.clone()).unwrap_or_default();
        let executable = first.and_then(|process| process.executable.as_deref()).unwrap_or_default();
        let start_ns = recording.header.start_realtime_ns;
        let pid = recording.header.pid;
        let numbers = [start_ns, pid.into(), recording.header.process_start];
        let bytes = numbers.into_iter().flat_map(u64::to_le_bytes).chain(host.bytes());
        Run {
            // Positive, and small enough to be exact in tools that count in floating point.
            number: (fnv(bytes) >> 11) as i64,
            host,
            program: executable.rsplit('/').next().unwrap_or_default().to_owned(),
            version: first.map(|process| build_id(recording, process, executable)).unwrap_or_default(),
            start_us: start_ns / 1_000,
            pid,
        }
    }

    /// The name of its files: people see whose they are, and no two recordings have the same.
    pub fn file_name(&self) -> String {
        let is_plain = |character: &char| character.is_ascii_alphanumeric() || "._-+".contains(*character);
        let plain: String = self.program.chars().filter(is_plain).take(64).collect();
        format!("{}.{}.{:x}", plain.trim_start_matches('.'), self.pid, self.number)
    }

    /// The cells of [`COLUMNS`], of the process `pid`.
    pub fn cells<W: std::io::Write + Send + 'static>(&self, table: &mut Table<W>, pid: u32) -> [Cell; 6] {
        let start = (self.start_us != 0).then_some(self.start_us);
        [
            Cell::Integer(self.number),
            table.text(&self.host),
            table.text(&self.program),
            table.text(&self.version),
            start.into(),
            pid.into(),
        ]
    }
}

/// The hash of Fowler, Noll and Vo, FNV-1a: files are named by it, so it must be the same for ever.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The build id of the file that `process` executes, in hexadecimal digits.
fn build_id(recording: &Recording, process: &Process, executable: &str) -> String {
    let modules = recording.modules.all().iter();
    let mut own = modules.filter(|module| module.process == process.index && module.path == executable);
    let module = own.next().filter(|module| module.stamp >= Stamp(0));
    module.map(|module| hex(&module.build_id)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv("".bytes()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv("foobar".bytes()), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn files_have_names_that_any_folder_takes() {
        let recording = Recording::open(tm_testing::RecordingBuilder::with_process().file().path()).unwrap();
        let run = Run { program: ".a/b c\n-ä1".to_owned(), pid: 7, number: 255, ..Run::of(&recording) };
        assert_eq!(run.file_name(), "abc-1.7.ff");
    }
}
