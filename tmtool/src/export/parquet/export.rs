//! From a recording to its tables.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;

use super::blocks::{self, Blocks, Rows};
use super::folder::{Folder, RUN_KEY, TABLES};
use super::names::{FRAME_COLUMNS, STACK_COLUMNS, Stacks, write_frames};
use super::run::{self, Run};
use super::table::{Column, Kind, OPTIONAL, REQUIRED, Table};
use crate::errors::{Error, Result};
use crate::export::lived::{Watched, own_blocks};
use tm_analyzer::error::Refusal;
use tm_analyzer::model::Amount;
use tm_analyzer::reader::{Process, Recording};
use tm_analyzer::request::{Grouping, Recorded};
use tm_common::ids::{ProcessIndex, StackId, Stamp};

/// What the table of processes tells beside [`run::COLUMNS`].
const PROCESS_COLUMNS: [Column; 11] = [
    ("parent_pid", Kind::Number, OPTIONAL),
    ("command_line", Kind::Text, REQUIRED),
    ("recording", Kind::Text, REQUIRED),
    // The time that is told of, in ns since the start of the recording.
    ("from_ns", Kind::Number, REQUIRED),
    ("until_ns", Kind::Number, REQUIRED),
    ("peak_ns", Kind::Number, REQUIRED),
    ("peak_bytes", Kind::Number, REQUIRED),
    ("peak_blocks", Kind::Number, REQUIRED),
    ("lost_events", Kind::Number, REQUIRED),
    ("unknown_frees", Kind::Number, REQUIRED),
    ("missed_frees", Kind::Number, REQUIRED),
];

/// A row for each process.
const META_COLUMNS: &[Column] = &run::columns_with::<11, 17>(PROCESS_COLUMNS);

/// What was found of a process on the way.
struct Found {
    process: ProcessIndex,
    peak: Amount,
    peak_stamp: Stamp,
    unknown_frees: u64,
    missed_frees: u64,
}

/// Writes the tables of `recorded` into the folder `path`.
///
/// # Errors
/// The recording has no such process, or the folder cannot be written, or has what is not ours.
pub fn export(recorded: &Recorded, grouping: &Grouping, path: &Path) -> Result<()> {
    if recorded.recording.sample_bytes() > 0 {
        return Err(Refusal::Samples { what: "parquet's table of blocks" }
            .of(recorded.recording.file.path())
            .into());
    }
    let run = Run::of(&recorded.recording);
    let folder = Folder::new(path, &run.file_name())?;
    let failed = |error: io::Error| Error::io("write", path, error);
    let metadata = [(RUN_KEY, run.number.to_string())];
    let table = |place: usize, columns| {
        debug_assert!(place < TABLES.len());
        Table::new(folder.create(place)?, columns, &metadata).map_err(failed)
    };
    let (stacks, found) = write_blocks(recorded, &run, table(0, blocks::COLUMNS)?, &failed)?;
    let named = write_names(
        recorded,
        grouping,
        run.number,
        stacks,
        table(1, STACK_COLUMNS)?,
        table(2, FRAME_COLUMNS)?,
    );
    named.map_err(failed)?;
    write_meta(recorded, &run, &found, table(3, META_COLUMNS)?).map_err(failed)?;
    folder.finish()
}

fn write_blocks(
    recorded: &Recorded,
    run: &Run,
    table: Table<File>,
    failed: &impl Fn(io::Error) -> Error,
) -> Result<(Vec<StackId>, Vec<Found>)> {
    let Recorded { recording, selection, .. } = recorded;
    let blocks = RefCell::new(Blocks::new(recording, run, table));
    let kind = selection.memory_kind();
    let mut found = Vec::new();
    recorded.run(
        |engine| {
            let process = engine.process();
            let inherited = own_blocks(recorded, process, engine.live().iter(kind));
            Watched::new(selection, Rows::new(&blocks, pid(recording, process)), inherited)
        },
        |engine, Watched { lives: mut rows, .. }| {
            let process = engine.process();
            let live = own_blocks(recorded, process, engine.live().iter(kind));
            rows.finish(live.filter(|block| selection.admits_newborn(block)));
            let (peak, peak_stamp) = (rows.peak, rows.peak_stamp);
            let totals = engine.totals();
            let (unknown_frees, missed_frees) = (totals.unknown_frees, totals.missed_frees);
            found.push(Found { process, peak, peak_stamp, unknown_frees, missed_frees });
        },
    )?;
    let stacks = blocks.into_inner().finish().map_err(failed)?;
    Ok((stacks, found))
}

fn pid(recording: &Recording, process: ProcessIndex) -> u32 {
    recording.process(process).map_or(0, |process| process.pid)
}

fn write_names(
    recorded: &Recorded,
    grouping: &Grouping,
    run: i64,
    mut stacks: Vec<StackId>,
    table: Table<File>,
    mut frames: Table<File>,
) -> io::Result<()> {
    let recording = &recorded.recording;
    stacks.sort_unstable();
    let mut namer = recorded.namer_at(recorded.until.stamp);
    namer.prepare(recording, stacks.iter().copied());
    let whole = Grouping { plumbing: None, ..grouping.clone() };
    let (mut whole, mut site) = (whole.blame_of_stacks(), grouping.blame_of_lines());
    let mut rows = Stacks::new(table, run);
    for id in stacks {
        let (stack, _) = namer.stack(recording, id);
        rows.write(id, whole.cut_stack(stack), site.cut_stack(stack).last())?;
    }
    let numbers = rows.finish()?;
    write_frames(&mut frames, &numbers, run)?;
    frames.finish().map(drop)
}

fn write_meta(recorded: &Recorded, run: &Run, found: &[Found], mut table: Table<File>) -> io::Result<()> {
    let recording = &recorded.recording;
    let lost: u64 = recording.header.lost.iter().sum();
    let name = recording.file.path().display().to_string();
    for found in found {
        let process = recording.process(found.process);
        let parent = process.and_then(|process: &Process| recording.process(process.parent?));
        let command_line = process.map(|process| process.command_line.join(" ")).unwrap_or_default();
        let from_ns = recorded.from.ns.max(process.map_or(0, |process| recording.ns(process.start)));
        let [run, host, program, version, start, pid] = run.cells(&mut table, pid(recording, found.process));
        let row = [
            run,
            host,
            program,
            version,
            start,
            pid,
            parent.map(|parent| parent.pid).into(),
            table.text(&command_line),
            table.text(&name),
            from_ns.into(),
            recorded.until.ns.into(),
            recording.ns(found.peak_stamp).into(),
            found.peak.bytes.into(),
            found.peak.count.into(),
            lost.into(),
            found.unknown_frees.into(),
            found.missed_frees.into(),
        ];
        table.push(&row)?;
    }
    table.finish().map(drop)
}
