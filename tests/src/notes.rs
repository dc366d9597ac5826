//! Stacks as libgcc's unwinder saw them: what `programs/noted.h` and `programs/oracle/unwind_preload.c` write.

use std::path::Path;

/// A stack that a program has noted of itself at an allocation.
#[derive(Clone, Debug)]
pub struct Note {
    /// What the program calls the place.
    pub name: String,
    /// The block.
    pub block: u64,
    /// Return addresses, innermost first. The first is another one of the function that allocated.
    pub frames: Vec<u64>,
}

/// The notes of a program, and what is added to the addresses of its file.
#[derive(Clone, Debug)]
pub struct Notes {
    /// The difference between addresses in memory and in the file.
    pub bias: u64,
    /// In the order in which they were taken.
    pub list: Vec<Note>,
}

impl Notes {
    /// What `noted.h` has written to `path`.
    ///
    /// # Panics
    /// The file is missing or is something else.
    pub fn read(path: &Path) -> Notes {
        let text = std::fs::read_to_string(path);
        let text = text.unwrap_or_else(|error| panic!("no notes in {}: {error}", path.display()));
        let (first, rest) = text.split_once('\n').expect("the first line is the bias");
        let bias = hexadecimal(first.strip_prefix("bias ").expect("the first line is the bias"));
        let list = rest.lines().map(|line| {
            let mut words = line.strip_prefix("note ").expect("a note a line").split(' ');
            let mut word = || words.next().expect("a note has a name and a block");
            let (name, block) = (word().to_owned(), hexadecimal(word()));
            Note { name, block, frames: words.map(hexadecimal).collect() }
        });
        Notes { bias, list: list.collect() }
    }
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("'{text}' is no hexadecimal number"))
}

impl Note {
    /// The thread and which of its allocations it is, from 0: the name of a note of `programs/oracle/unwind_preload.c`.
    ///
    /// # Panics
    /// It is another one.
    pub fn tid_and_number(&self) -> (u32, usize) {
        let (tid, number) = self.name.split_once('.').expect("two numbers name it");
        (tid.parse().expect("a number"), number.parse().expect("a number"))
    }
}

/// What `unwind_preload.c` has written to `path`: frames from the caller of the oracle's `malloc` on.
///
/// # Panics
/// The file is missing or is something else.
pub fn read_preload_notes(path: &Path) -> Notes {
    let bytes = std::fs::read(path);
    let bytes = bytes.unwrap_or_else(|error| panic!("no notes in {}: {error}", path.display()));
    let (words, []) = bytes.as_chunks::<8>() else { panic!("{} is no list of numbers", path.display()) };
    let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
    let mut list = Vec::new();
    while let Some(tid) = words.next() {
        let mut word = || words.next().expect("a note is whole");
        let (number, block, n_frames) = (word(), word(), word());
        let frames = (0..n_frames).map(|_| word()).collect();
        list.push(Note { name: format!("{tid}.{number}"), block, frames });
    }
    Notes { bias: 0, list }
}
