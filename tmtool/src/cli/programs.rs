//! A folder of recordings as a run: which programs it has, and which one a report is about.

use std::cmp::Reverse;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::errors::{Error, Result};

use crate::report::parts::human::{counted, first};
use crate::report::programs::{ProgramInfo, Programs};
use tm_analyzer::inspect::own_allocator;
use tm_analyzer::model::{Origin, Snapshot, is_snap_file};
use tm_analyzer::reader::Recording;
use tm_analyzer::reader::file::{START_BYTES, is_recording as begins_recording};
use tm_analyzer::reader::metadata::notes;
use tm_analyzer::replay::all_totals;

/// `--program all`.
pub const ALL: &str = "all";

/// The recording that a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its file.
    pub path: PathBuf,
    /// The clause that says which it is, if others stand beside it: a clause.
    which: Option<String>,
    /// How to take another one, after that clause; and what of the folder cannot be read.
    others: String,
}

impl Chosen {
    /// The note that says which one was taken, and how to take another; nothing if there is no other.
    pub fn note(&self) -> Option<String> {
        self.which.as_ref().map(|which| format!("{which}{}", self.others))
    }

    /// The note that says which one was taken, for an answer that will be without the others.
    pub fn which(&self) -> Option<String> {
        self.which.as_ref().map(|which| format!("{which}."))
    }

    fn only(path: &Path) -> Chosen {
        Chosen { path: path.to_owned(), which: None, others: String::new() }
    }
}

/// The programs of the recordings in `folder`.
///
/// # Errors
/// If the folder cannot be read or has no recording.
pub fn of_folder(folder: &Path) -> Result<Programs> {
    let programs =
        Programs { recordings: folder.display().to_string(), ..of_recordings(&recordings(folder)?) };
    if programs.program_list.is_empty() && programs.problems.is_empty() {
        return Err(Error::Message(format!("{} is a directory without recordings", folder.display())));
    }
    Ok(programs)
}

/// The programs of the recordings at `paths`, and what none of them has.
pub fn of_recordings(paths: &[impl AsRef<Path>]) -> Programs {
    let (mut programs, mut notes) = (Programs::default(), Vec::new());
    for path in paths.iter().map(AsRef::as_ref) {
        match Recording::open(path) {
            Ok(recording) => {
                programs.program_list.push(program(path, &recording));
                notes.extend_from_slice(&recording.notes);
                programs.notes.extend(own_allocator::sentence(&recording));
            }
            // Renamed or removed since.
            Err(_) if !path.exists() => {}
            Err(error) => programs.problems.push(error.to_string()),
        }
    }
    sort(&mut programs.program_list);
    programs.notes.extend(notes::sentences(notes));
    programs.notes.sort_unstable();
    programs.notes.dedup();
    programs
}

/// The files in `folder` that begin like recordings, by name.
///
/// # Errors
/// If the folder cannot be read.
pub fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io("read", folder, error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| is_recording(path));
    paths.sort();
    Ok(paths)
}

/// Whether the file at `path` begins like a recording.
pub fn is_recording(path: &Path) -> bool {
    let mut start = [0; START_BYTES];
    // No other kind of file is opened: a pipe would wait.
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file
        && fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && begins_recording(&start)
}

/// The recording of `path`: the file itself, or of a folder's programs the one that `wanted` names by process id or
/// name, of several the one with the highest peak.
///
/// # Errors
/// If there is none.
pub fn choose(path: &Path, wanted: Option<&str>) -> Result<Chosen> {
    if !path.is_dir() {
        if let Some(wanted) = wanted {
            let only = [only_program(path)?];
            if !only.iter().any(|program| is_wanted(program, wanted)) {
                return Err(no_such_program(path, wanted, &only));
            }
        }
        return Ok(Chosen::only(path));
    }
    if wanted == Some(ALL) {
        let message =
            "all programs of a run are added up by 'tmtool top' only: they have no moment in common";
        return Err(Error::Usage(format!(
            "{message}; name one of those that tmtool info {} lists",
            path.display()
        )));
    }
    let programs = of_folder(path)?;
    let list = &programs.program_list;
    let found = list.iter().filter(|program| wanted.is_none_or(|wanted| is_wanted(program, wanted)));
    let found: Vec<&ProgramInfo> = found.collect();
    let Some(first) = found.first() else {
        return Err(match (wanted, programs.problems.first()) {
            (None, Some(problem)) => Error::Message(problem.clone()),
            _ => no_such_program(path, wanted.unwrap_or_default(), list),
        });
    };
    let path = PathBuf::from(&first.recording);
    if found.len() == 1 && programs.problems.is_empty() {
        return Ok(Chosen::only(&path));
    }
    let (which, others) = among(&programs, wanted, first, found.len());
    Ok(Chosen { path, which: Some(which), others })
}

/// The program of a recording or a snapshot.
fn only_program(path: &Path) -> Result<ProgramInfo> {
    if !is_snap_file(path)? {
        return Ok(described(path, &Recording::open(path)?));
    }
    let origin = Snapshot::load(path)?.origin.unwrap_or_default();
    let Origin { program, command_line, pid, .. } = origin;
    Ok(ProgramInfo { program, command_line, pid, ..ProgramInfo::default() })
}

/// The sentence that says which of several programs `first` is, and how to take another.
fn among(programs: &Programs, wanted: Option<&str>, first: &ProgramInfo, n_found: usize) -> (String, String) {
    let folder = &programs.recordings;
    let all = match wanted {
        None => format!("{} of the run in {folder}", counted(n_found as u64, "program")),
        Some(wanted) => format!("{} named {wanted} in {folder}", counted(n_found as u64, "program")),
    };
    let unread = match programs.problems.len() as u64 {
        0 => String::new(),
        n => format!(" {} there cannot be read.", counted(n, "recording")),
    };
    let which = format!("Of {all} this is {}, pid {}, whose peak is the highest", first.name(), first.pid);
    let how = format!("; --program NAME or PID shows another (tmtool info {folder} lists them).{unread}");
    (which, how)
}

fn is_wanted(program: &ProgramInfo, wanted: &str) -> bool {
    let file_name = program.program.rsplit('/').next();
    wanted == program.pid.to_string() || wanted == program.name() || Some(wanted) == file_name
}

/// How many programs an error names.
const N_NAMED_MAX: usize = 10;

fn no_such_program(path: &Path, wanted: &str, list: &[ProgramInfo]) -> Error {
    let mut names: Vec<&str> = Vec::new();
    for program in list {
        if !names.contains(&program.name()) {
            names.push(program.name());
        }
    }
    let names = first(&names, N_NAMED_MAX);
    Error::Message(format!("{} has no program '{wanted}'; it has {names}", path.display()))
}

/// The highest peak first, of equals the one with most allocations, then the earliest. A process that became another
/// program does not run as the one before.
pub fn sort(programs: &mut [ProgramInfo]) {
    let starts: Vec<(u32, u64)> =
        programs.iter().map(|program| (program.pid, program.start_realtime_ns)).collect();
    for program in &mut *programs {
        let is_later =
            |&(pid, start_ns): &(u32, u64)| pid == program.pid && start_ns > program.start_realtime_ns;
        program.running &= program.processes > 1 || !starts.iter().any(is_later);
    }
    programs.sort_by_key(|program| {
        (Reverse(program.peak_bytes), Reverse(program.allocations), program.start_realtime_ns)
    });
}

/// What the recording says without its events.
fn described(path: &Path, recording: &Recording) -> ProgramInfo {
    let first = recording.first_process();
    ProgramInfo {
        recording: path.display().to_string(),
        program: first.and_then(|process| process.executable.clone()).unwrap_or_default(),
        command_line: first.map(|process| process.command_line.clone()).unwrap_or_default(),
        pid: recording.header.pid,
        start_realtime_ns: recording.header.start_realtime_ns,
        running: recording.is_unfinished(),
        processes: recording.processes.len() as u64,
        lost_events: recording.header.lost_events(),
        ..ProgramInfo::default()
    }
}

/// The recording at `path` with its totals: calls are counted over all its processes, bytes are the first process's.
pub fn program(path: &Path, recording: &Recording) -> ProgramInfo {
    let all = all_totals(recording);
    let first = all.first();
    let problems = recording.problems.iter().chain(&all.problems);
    ProgramInfo {
        duration_ns: recording.duration_ns(),
        allocations: all.sum(|totals| totals.allocations),
        reallocations: all.sum(|totals| totals.reallocations),
        frees: all.sum(|totals| totals.frees),
        bytes_allocated: all.sum(|totals| totals.bytes_allocated),
        peak_bytes: first.peak.bytes,
        live_bytes_at_end: first.live.bytes,
        live_blocks_at_end: first.live.count,
        problems: problems.map(ToString::to_string).collect(),
        ..described(path, recording)
    }
}

#[cfg(test)]
mod tests {
    use tm_common::header::MAGIC;

    use super::*;
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};
    use tm_testing::RecordingBuilder;

    fn put(folder: &Path, name: &str, size: u64) {
        let mut builder = RecordingBuilder::with_process();
        let event = Event::Allocate {
            function: Function::Malloc,
            address: Address(0x10),
            size,
            stack: StackId::NONE,
            stamp: Stamp(5_000),
        };
        builder.event(ProcessIndex(0), 0, &event);
        fs::copy(builder.file().path(), folder.join(name)).unwrap();
    }

    #[test]
    fn the_highest_peak_is_the_first_and_other_files_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.bin", 10);
        put(folder.path(), "b.bin", 30);
        fs::write(folder.path().join("notes.txt"), "not a recording").unwrap();
        fs::write(folder.path().join("damaged.bin"), MAGIC).unwrap();
        let programs = of_folder(folder.path()).unwrap();
        let peaks: Vec<u64> = programs.program_list.iter().map(|program| program.peak_bytes).collect();
        assert_eq!((peaks, programs.problems.len()), (vec![30, 10], 1));
        let chosen = choose(folder.path(), None).unwrap();
        assert_eq!(chosen.path, folder.path().join("b.bin"));
        let note = chosen.note().unwrap();
        assert!(
            note.starts_with("Of 2 programs of the run in ")
                && note.ends_with("1 recording there cannot be read."),
            "{note}"
        );
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            choose(folder.path(), None)
                .unwrap_err()
                .to_string()
                .ends_with("is a directory without recordings")
        );
        put(folder.path(), "a.bin", 10);
        let error = choose(folder.path(), Some("cc1")).unwrap_err().to_string();
        assert!(error.contains("has no program 'cc1'"), "{error}");
        assert_eq!(choose(folder.path(), None).unwrap().note(), None, "there is no other one");
        let file = folder.path().join("a.bin");
        assert!(choose(&file, Some("cc1")).is_err());
        assert_eq!(choose(&file, None).unwrap().path, file);
    }
}
