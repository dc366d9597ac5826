//! Recorded stacks against those that a program has noted of itself (`programs/noted.h`).

use std::cell::Cell;
use std::cmp::Ordering;
use std::path::Path;
use std::process::Command;

use tm_common::stack::FrameKind;

use crate::notes::{Note, Notes};
use crate::recorded::{Allocation, Recorded, hexadecimal};
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
        self.0
            .iter()
            .any(|&(start, end)| [one, other].iter().all(|pc| (start..end).contains(&pc.wrapping_sub(1))))
    }
}

/// Each noted allocation has its noted stack: the innermost return address lies in the same function, all others are
/// equal, and none is guessed.
///
/// # Panics
/// It is not so.
pub fn assert_stacks_are_the_noted_ones(program: &Path, recorded: &Recorded, notes: &Notes) {
    let functions = Functions::of(program);
    assert_each(notes, |note| {
        let mut addresses = recorded.exact_addresses(recorded.last_of(note.block));
        addresses.drain(..n_of_allocator(&functions, notes, note, &addresses));
        let same = functions
            .hold_both(addresses[0].wrapping_sub(notes.bias), note.frames[0].wrapping_sub(notes.bias));
        (!same || addresses[1..] != note.frames[1..]).then_some(addresses)
    });
}

/// Takes away the notes of stacks that libgcc's unwinder has not followed to the end, because it knows nothing of a linker's stub that was
/// interrupted; of those, what is outward of the stub's caller has to be so in another note.
///
/// # Panics
/// It is not so.
pub fn assert_and_remove_stubs(recorded: &Recorded, notes: &mut Notes) {
    let deepest = notes.list.iter().max_by_key(|note| note.frames.len());
    let outermost = deepest.and_then(|note| note.frames.last().copied());
    let (whole, cut) = notes.list.drain(..).partition(|note: &Note| note.frames.last().copied() == outermost);
    notes.list = cut;
    assert_each(notes, |note| {
        let addresses = recorded.exact_addresses(recorded.last_of(note.block));
        let n = note.frames.len();
        let is_right = addresses.len() > n + 1
            && addresses[1..n] == note.frames[1..]
            && whole.iter().any(|whole: &Note| whole.frames.ends_with(&addresses[n + 1..]));
        (!is_right).then_some(addresses)
    });
    notes.list = whole;
}

/// Asserts that what handlers of signals have allocated has the noted stacks, outward of the instruction that was interrupted: what is
/// inward of it is the handler's. None is guessed.
///
/// # Panics
/// As [`assert_stacks_are_the_noted_ones`].
pub fn assert_interrupted_stacks_are_the_noted_ones(recorded: &Recorded, notes: &Notes) {
    assert_each(notes, |note| {
        let addresses = recorded.exact_addresses(recorded.last_of(note.block));
        // The handler, what it returns to, and in it the allocation.
        (addresses.get(3..) != Some(&note.frames)).then_some(addresses)
    });
}

/// How many of the innermost frames are the language's own: libstdc++'s `operator new` calls malloc, and so does what a Rust
/// program calls for a box.
fn n_of_allocator(functions: &Functions, notes: &Notes, note: &Note, addresses: &[u64]) -> usize {
    let n_max = match note.name.as_str() {
        "operator_new" => 2,
        "box" => 4,
        _ => 0,
    };
    let is_noted =
        |&pc: &u64| functions.hold_both(pc.wrapping_sub(notes.bias), note.frames[0].wrapping_sub(notes.bias));
    addresses.iter().take_while(|pc| !is_noted(pc)).count().min(n_max)
}

/// Asserts that `recorded` returns no stack, which it does where the recorded one is wrong, for any note.
fn assert_each(notes: &Notes, recorded: impl Fn(&Note) -> Option<Vec<u64>>) {
    let wrong = notes.list.iter().filter_map(|note| Some(difference(note, &recorded(note)?)));
    let mut wrong: Vec<String> = wrong.collect();
    let (n_wrong, n) = (wrong.len(), notes.list.len());
    wrong.truncate(5);
    assert!(n_wrong == 0, "{n_wrong} of {n} stacks differ:\n{}", wrong.join("\n"));
}

/// What came of a comparison with another unwinder, which knows more than we of some stacks and less of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Stacks that are equal, to the outermost frame that either knows.
    pub whole: usize,
    /// Those that the other one knows further, and which are marked.
    pub marked: usize,
    /// Those that we know further, and of which the other one says so.
    pub beyond: usize,
}

/// Each noted allocation has the noted stack: up to the first frame that is marked as a guess or as the last one that is
/// known; a stack without such a mark is whole. `of` finds the allocation of a note, and how many frames, innermost first, of
/// both stacks are not to be compared.
///
/// # Panics
/// It is not so.
pub fn compare(
    recorded: &Recorded,
    notes: &Notes,
    of: impl Fn(&Note) -> (Allocation, usize, usize),
) -> Agreement {
    let agreement = Cell::new(Agreement::default());
    assert_each(notes, |note| {
        let (allocation, n_ours, n_noted) = of(note);
        let known = note.frames.strip_suffix(&[0]);
        let (gave_up, known) = (known.is_some(), known.unwrap_or(&note.frames));
        let frames = recorded.frames(allocation);
        let exact = frames.iter().take_while(|frame| frame.kind != FrameKind::Guessed);
        let exact: Vec<u64> = exact.map(|frame| frame.pc).skip(n_ours).collect();
        let known = &known[n_noted.min(known.len())..];
        let doubts = recorded.recording.stacks.doubts(allocation.stack);
        let is_marked = doubts.guessed_beyond.is_some() || doubts.end.is_some();
        let n = exact.len().min(known.len());
        let is_right = exact[..n] == known[..n]
            && (exact.len() >= known.len() || is_marked)
            && (exact.len() <= known.len() || gave_up);
        let mut sum = agreement.get();
        match exact.len().cmp(&known.len()) {
            Ordering::Equal => sum.whole += 1,
            Ordering::Less => sum.marked += 1,
            Ordering::Greater => sum.beyond += 1,
        }
        agreement.set(sum);
        (!is_right).then(|| frames.iter().map(|frame| frame.pc).collect())
    });
    agreement.get()
}

/// The same of a program's own notes: what is compared begins outward of the frame that has allocated.
///
/// # Panics
/// As [`compare`], and where the innermost frames are not of one function.
pub fn compare_program(program: &Path, recorded: &Recorded, notes: &Notes) -> Agreement {
    let functions = Functions::of(program);
    compare(recorded, notes, |note| {
        let allocation = recorded.last_of(note.block);
        let addresses: Vec<u64> = recorded.frames(allocation).iter().map(|frame| frame.pc).collect();
        let n_own = n_of_allocator(&functions, notes, note, &addresses);
        let same = functions
            .hold_both(addresses[n_own].wrapping_sub(notes.bias), note.frames[0].wrapping_sub(notes.bias));
        assert!(same, "the innermost frame is another one: {}", difference(note, &addresses));
        (allocation, n_own + 1, 1)
    })
}

/// The same of notes that `programs/oracle/unwind_preload.c` or a debugger in it has made, of which `n_of_oracle` innermost
/// frames are its own.
///
/// # Panics
/// As [`compare`], and where a note's allocation is another one.
pub fn compare_numbered(recorded: &Recorded, notes: &Notes, n_of_oracle: usize) -> Agreement {
    let by_thread = recorded.counted_by_thread();
    compare(recorded, notes, |note| {
        let (tid, number) = note.tid_and_number();
        let allocation = by_thread[&tid][number];
        assert_eq!(allocation.block, note.block, "allocation {number} of thread {tid}");
        // Ours begins in the oracle's `malloc`.
        (allocation, 1, n_of_oracle)
    })
}

fn difference(note: &Note, recorded: &[u64]) -> String {
    let show = |frames: &[u64]| hexadecimal(frames.iter().take(40).copied());
    let name = &note.name;
    format!("{name}\n    noted    {}\n    recorded {}", show(&note.frames), show(recorded))
}
