//! The recording of a running process, and where in it the process's own record is.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::errors::{Cause, Error, Result};
use tm_common::header::{GRAIN_BYTES, Header, MAGIC};
use tm_common::ids::ProcessIndex;
use tm_common::metadata::{Ending, Metadata, Records};
use tm_common::segment::{HEADER_BYTES, SegmentKind};

use tm_analyzer::host::{MappedFile, Target, mapped_files};
use tm_analyzer::reader::file::{FileIdentity, RecordingFile, identity};
use tm_analyzer::reader::scan;

/// The first version in which processes can be asked for something.
const VERSION_MIN: u32 = 2;

/// A recording that a process is writing.
#[derive(Debug)]
pub struct Found {
    /// The process.
    pub target: Target,
    /// Its number in the recording.
    pub process: ProcessIndex,
    /// The recording's path, as the process sees it.
    pub path: String,
    /// The identity of that file.
    pub identity: FileIdentity,
    /// The recording's header.
    pub header: Header,
    /// Where its [`tm_common::metadata::MappedProcess`] is, in bytes from the file's start.
    pub(super) record_at: u64,
    file: File,
}

/// The recording of process `pid`.
///
/// # Errors
/// There is no such process, it may not be looked at, it is not being recorded, or its recording is of a version that
/// this tmtool does not speak.
pub fn find(pid: u32) -> Result<Found> {
    let target = Target::of(pid)?;
    let (files, has_library) = mapped_files(target.pid)?;
    let (mut refused, mut without_record) = (None, None);
    for mapped in files {
        match mapped.open(target.pid) {
            Ok(Some(file)) if is_recording(&file) => match Found::new(target, &mapped, file)? {
                Some(found) => return Ok(found),
                None => without_record = Some(mapped.path),
            },
            Ok(_) => {}
            Err(error) => refused = Some(Error::io("open", Path::new(&mapped.path), error)),
        }
    }
    let pid = target.pid;
    Err(Error::Message(match (without_record, has_library, refused) {
        (Some(path), ..) => {
            format!(
                "process {pid} has not allocated since it was forked, so {path} does not know it yet; try again later"
            )
        }
        (None, true, Some(error)) => {
            format!(
                "process {pid} has libtm.so loaded, but its recording cannot be reached: {error}; run tmtool as root"
            )
        }
        (None, true, None) => {
            format!(
                "process {pid} has libtm.so loaded and no recording, since TM_DISABLE=1 is set or none could be made; \
                 start it anew, and read what it says on standard error"
            )
        }
        (None, false, _) => {
            format!("process {pid} was not started under libtm.so; start it anew with 'tmtool run PROGRAM'")
        }
    }))
}

fn is_recording(file: &File) -> bool {
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == MAGIC
}

impl Found {
    /// `None` if the process has no record in it.
    fn new(target: Target, mapped: &MappedFile, file: File) -> Result<Option<Found>> {
        let path = Path::new(&mapped.path);
        let mut bytes = [0; GRAIN_BYTES];
        file.read_exact_at(&mut bytes, 0).map_err(|error| Error::io("read", path, error))?;
        let header = Header::parse(&bytes).map_err(|error| Error::format(path, error))?;
        let version = header.version;
        if version < VERSION_MIN {
            let what = format!("has format version {version}, whose libtm.so cannot be spoken to");
            return Err(Error::Message(format!(
                "{} {what}; start process {} anew under a newer one",
                mapped.path, target.pid
            )));
        }
        let recording = RecordingFile::open(&path_of(&file))?;
        let Some((process, record_at)) = record_of(&recording, target) else { return Ok(None) };
        let identity = recording.identity();
        Ok(Some(Found { target, process, path: mapped.path.clone(), identity, header, record_at, file }))
    }

    /// A path under which this process can open the recording: its own, which errors should say, if that leads to it.
    pub fn path_to_open(&self) -> PathBuf {
        let named = PathBuf::from(&self.path);
        let is_it = named.metadata().is_ok_and(|status| identity(&status) == self.identity);
        if is_it { named } else { path_of(&self.file) }
    }

    /// Asks whether what was opened under that path is the recording.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, opened: &RecordingFile) -> Result<()> {
        if opened.identity() == self.identity {
            Ok(())
        } else {
            Err(Cause::Replaced { path: self.path.clone().into() }.into())
        }
    }

    /// The recording, to be written to.
    ///
    /// # Errors
    /// It may not be.
    pub(super) fn open_to_write(&self) -> Result<File> {
        let opened = OpenOptions::new().read(true).write(true).open(path_of(&self.file));
        opened.map_err(|error| {
            let is_forbidden = error.kind() == io::ErrorKind::PermissionDenied;
            let error = Error::io("write to", Path::new(&self.path), error);
            if !is_forbidden {
                return error;
            }
            let pid = self.target.pid;
            Error::Message(format!("{error}; run tmtool as a user who may, as process {pid} does"))
        })
    }
}

fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The number of `target` in a recording, and the place of its record. Pids are used again: the start tells.
fn record_of(file: &RecordingFile, target: Target) -> Option<(ProcessIndex, u64)> {
    let mut buffer = Vec::new();
    let mut latest = None;
    for segment in scan::scan(file).segments {
        if segment.header.kind != SegmentKind::Metadata {
            continue;
        }
        let start = segment.offset + HEADER_BYTES as u64;
        // What cannot be read has no record that could be written to.
        if segment.read(file, &mut buffer).is_err() {
            continue;
        }
        let mut records = Records::new(&buffer);
        while let Some((place, record)) = records.next_with_place() {
            let Ok(Metadata::Process { process, pid, process_start, ended: Ending::Unknown, .. }) = record
            else {
                continue;
            };
            // A process that could not read its start has written 0.
            let is_start = [target.start_ticks, 0].contains(&process_start);
            if pid == target.own_pid && is_start && latest.is_none_or(|(latest, _)| process > latest) {
                latest = Some((process, start + place as u64));
            }
        }
    }
    latest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tm_common::metadata::CommandKind;

    use super::*;
    use crate::control::fixtures::{MappedRecording, recording_of};
    use crate::control::{Mailbox, Order, State};
    use tm_analyzer::host::clock;
    use tm_analyzer::reader::Recording;

    #[test]
    fn this_process_finds_the_recording_that_it_has_mapped() {
        let own = Target::of(std::process::id()).unwrap();
        // Others of its pid stand before and behind it; one has ended.
        let mapped = MappedRecording::new(recording_of(own));
        let found = find(own.pid).unwrap();
        assert_eq!((found.target, found.process), (own, ProcessIndex(2)));
        assert_eq!((Path::new(&found.path), found.path_to_open().as_path()), (mapped.path(), mapped.path()));
        let open = || Recording::open(&found.path_to_open()).unwrap();
        assert_eq!(open().processes.len(), 5);

        let mailbox = Mailbox::of(&found).unwrap();
        assert_eq!(mailbox.state(), State::Tracing);
        let before = clock::now(&found.header.clock).unwrap();
        mailbox.post(Order { kind: CommandKind::Mark, argument: 0, name: "here" }).unwrap();
        let stop = mailbox.post(Order { kind: CommandKind::Stop, argument: 0, name: "" }).unwrap();
        // Nobody is there to see them, but readers do.
        assert!(!mailbox.wait(stop, Duration::from_millis(5)));
        assert_eq!(mailbox.state(), State::Idle);
        let commands = open().commands;
        let found_commands: Vec<_> =
            commands.iter().map(|it| (it.process, it.kind, it.name.as_str(), it.thread)).collect();
        let process = ProcessIndex(2);
        let expected = [(process, CommandKind::Mark, "here", None), (process, CommandKind::Stop, "", None)];
        assert_eq!(found_commands, expected);
        assert!(before <= commands[0].stamp && commands[1].stamp == stop.stamp);

        mapped.delete();
        // SAFETY: asks for a number.
        if unsafe { libc::geteuid() } == 0 {
            let found = find(own.pid).unwrap();
            assert!(found.path.ends_with(" (deleted)") && found.process == ProcessIndex(2));
            found.check(&RecordingFile::open(&found.path_to_open()).unwrap()).unwrap();
            let other = recording_of(own).file();
            let error = found.check(&RecordingFile::open(other.path()).unwrap()).unwrap_err().to_string();
            assert!(error.contains("is another file now"), "{error}");
        }
    }

    #[test]
    fn starts_and_pids_tell_processes_apart() {
        let target = Target { pid: 1, own_pid: 70, start_ticks: 4000 };
        let file = recording_of(target).file();
        let recording = RecordingFile::open(file.path()).unwrap();
        let process = |target| record_of(&recording, target).map(|(process, _)| process.0);
        assert_eq!(process(target), Some(2));
        assert_eq!(process(Target { start_ticks: 4001, ..target }), Some(1));
        assert_eq!(process(Target { start_ticks: 4002, ..target }), None);
        assert_eq!(process(Target { own_pid: 71, ..target }), Some(3));
        assert_eq!(process(Target { own_pid: 72, ..target }), None);
    }
}
