//! Runs a program under gdb and libtm.so, and has gdb tell the stacks: an oracle that reads more than unwinders at run time can.

use std::path::Path;

use crate::notes::Notes;
use crate::products::products;
use crate::programs::installed;
use crate::recorded::Recorded;
use crate::run::{Outcome, Run};

/// What gdb stops at.
#[derive(Clone, Copy, Debug)]
pub enum Noted {
    /// `take_note` of the program, as `programs/noted.h` has it.
    InProgram,
    /// `note_by_oracle` of `programs/oracle/unwind_preload.c`, by which notes are named `TID.NUMBER`.
    InPreload,
}

impl Noted {
    fn function(self) -> &'static str {
        match self {
            Noted::InProgram => "take_note",
            Noted::InPreload => "note_by_oracle",
        }
    }
}

/// Runs `run` with `preloads` before libtm.so, and has gdb note the first of each `every` stacks.
///
/// # Panics
/// gdb is missing or fails, the program fails, or nothing is noted.
pub fn noted_by_gdb(run: Run, noted: Noted, preloads: &[&Path], every: u32) -> (Outcome, Recorded, Notes) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/oracle/gdb_notes.py");
    let quiet = ["-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load no", "-x"];
    let arguments: Vec<_> =
        quiet.iter().map(AsRef::as_ref).chain([script.as_os_str(), "--args".as_ref()]).collect();
    let preloads = preloads.iter().copied().chain([products().library.as_path()]);
    let preloads: Vec<_> = preloads.map(Path::as_os_str).collect();
    let run = run.through(&installed("gdb"), &arguments);
    let run = run
        .env("SHELL", "/bin/sh")
        .env("PRELOAD", preloads.join(":".as_ref()))
        .env("NOTED", noted.function());
    let run = run.env("NUMBERED", if matches!(noted, Noted::InPreload) { "1" } else { "" });
    let outcome = run.env("EVERY_STOP", every.to_string()).env("GDB_NOTES", "gdb_notes").bare();
    assert!(outcome.status.success(), "{}: {}{}", outcome.status, outcome.stdout, outcome.stderr);
    let notes = Notes::read(&outcome.folder().join("gdb_notes"));
    assert!(!notes.list.is_empty(), "gdb has noted nothing: {}{}", outcome.stdout, outcome.stderr);
    let recorded = Recorded::open(outcome.recording());
    (outcome, recorded, notes)
}
