//! Recorded stacks against those that a program has noted of itself (`programs/noted.h`).

use std::path::Path;
use std::process::Command;

use crate::notes::{Note, Notes};
use crate::recorded::{Recorded, hexadecimal};
use crate::run::Run;

/// Runs `program` with a file for its notes and `arguments`, under libtm.so.
///
/// # Panics
/// It fails, says anything on standard error, or notes nothing.
pub fn record(program: &Path, arguments: &[&str]) -> (Recorded, Notes) {
    recorded_and_noted(&Run::new(program).args(["notes"]).args(arguments))
}

/// The same of a run whose program writes its notes to `notes`.
///
/// # Panics
/// As [`record`].
pub fn recorded_and_noted(run: &Run) -> (Recorded, Notes) {
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}: {}", outcome.status, outcome.stderr);
    assert_eq!(outcome.stderr, "", "standard error");
    let notes = Notes::read(&outcome.folder().join("notes"));
    assert!(!notes.list.is_empty(), "nothing was noted");
    (Recorded::open(outcome.recording()), notes)
}

/// The functions of a program, by address, as `nm` has them.
struct Functions(Vec<(u64, u64)>);

impl Functions {
    fn of(program: &Path) -> Functions {
        let output = Command::new("nm").args(["-S", "--defined-only"]).arg(program).output();
        let output = output.expect("nm is not installed: scripts/setup installs what the tests need");
        let text = String::from_utf8(output.stdout).expect("names are ASCII");
        let number = |word: &str| u64::from_str_radix(word, 16).ok();
        let functions = text.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [start, size, "t" | "T" | "w" | "W", _] => Some((number(start)?, number(start)? + number(size)?)),
            _ => None,
        });
        Functions(functions.collect())
    }

    /// Whether two return addresses are of calls in one function.
    fn hold_both(&self, one: u64, other: u64) -> bool {
        self.0.iter().any(|&(start, end)| [one, other].iter().all(|pc| (start..end).contains(&(pc - 1))))
    }
}

/// Each noted allocation has its noted stack: the innermost return address lies in the same function, all others are
/// equal, and none is guessed.
///
/// # Panics
/// It is not so.
pub fn assert_stacks_are_the_noted_ones(program: &Path, recorded: &Recorded, notes: &Notes) {
    let functions = Functions::of(program);
    let mut wrong = Vec::new();
    for note in &notes.list {
        let mut addresses = recorded.exact_addresses(recorded.last_of(note.block));
        // libstdc++'s operator new calls malloc: its frame is the innermost one.
        if note.name == "operator_new" {
            let own = addresses
                .iter()
                .take_while(|&&pc| !functions.hold_both(pc - notes.bias, note.frames[0] - notes.bias));
            addresses.drain(..own.count().min(2));
        }
        let same = functions.hold_both(addresses[0] - notes.bias, note.frames[0] - notes.bias);
        if !same || addresses[1..] != note.frames[1..] {
            wrong.push(difference(note, &addresses));
        }
    }
    let (n_wrong, n) = (wrong.len(), notes.list.len());
    wrong.truncate(5);
    assert!(n_wrong == 0, "{n_wrong} of {n} stacks differ:\n{}", wrong.join("\n"));
}

fn difference(note: &Note, recorded: &[u64]) -> String {
    let show = |frames: &[u64]| hexadecimal(frames.iter().take(40).copied());
    let name = &note.name;
    format!("{name}\n    noted    {}\n    recorded {}", show(&note.frames), show(recorded))
}
