//! Processes, threads, modules and epochs, from the metadata segments.

use tm_common::ids::{Address, Domain, Epoch, ProcessIndex, Space, Stamp, TagIndex, ThreadIndex};
use tm_common::metadata::{Ending, Metadata, NameKind, Records, TextKind};

use super::commands::{self, Command};
use super::modules::{Module, Modules};

/// A process of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub index: ProcessIndex,
    /// The process that forked it.
    pub parent: Option<ProcessIndex>,
    /// The kernel's number.
    pub pid: u32,
    /// The kernel's number of its parent.
    pub ppid: u32,
    /// Its first epoch.
    pub epoch: Epoch,
    /// Its parent's epoch when it was forked.
    pub parent_epoch: Epoch,
    /// When it began to record.
    pub start: Stamp,
    /// Its start in clock ticks since boot.
    pub process_start: u64,
    /// How it ended.
    pub ending: Ending,
    /// When, if that is known.
    pub end: Stamp,
    /// The path of the program, if it was recorded.
    pub executable: Option<String>,
    /// Its arguments.
    pub command_line: Vec<String>,
    /// The host's name.
    pub host: Option<String>,
    /// The working directory at the start.
    pub working_directory: Option<String>,
}

impl Process {
    /// A process of which nothing is known.
    pub(super) fn unknown(index: ProcessIndex) -> Process {
        Process {
            index,
            parent: None,
            pid: 0,
            ppid: 0,
            epoch: Epoch(0),
            parent_epoch: Epoch(0),
            start: Stamp(0),
            process_start: 0,
            ending: Ending::Unknown,
            end: Stamp(0),
            executable: None,
            command_line: Vec::new(),
            host: None,
            working_directory: None,
        }
    }
}

/// A thread of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Whose it is.
    pub process: ProcessIndex,
    /// Its number.
    pub index: ThreadIndex,
    /// The kernel's number.
    pub tid: u32,
    /// When it began to record.
    pub start: Stamp,
    /// Its latest name.
    pub name: String,
}

/// All metadata.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// By number.
    pub processes: Vec<Process>,
    /// By number.
    pub threads: Vec<Thread>,
    /// The loaded files.
    pub modules: Modules,
    /// What the processes were told.
    pub commands: Vec<Command>,
    /// Labels, by number.
    pub tags: Vec<(TagIndex, String)>,
    /// Address spaces, by number.
    pub spaces: Vec<(Space, Domain, String)>,
    /// First epochs and whose they are, by epoch.
    pub epochs: Vec<(Epoch, ProcessIndex)>,
}

/// Reads records one by one into [`Tables`].
#[derive(Debug, Default)]
pub(super) struct TablesBuilder {
    tables: Tables,
    texts: Vec<(ProcessIndex, TextKind, Vec<u8>)>,
    modules: Vec<Module>,
    gone: Vec<(ProcessIndex, Epoch, Address)>,
    /// Records that could not be read.
    pub damaged: u64,
}

impl TablesBuilder {
    /// Reads the records of a segment.
    pub fn add_segment(&mut self, bytes: &[u8]) {
        for record in Records::new(bytes) {
            match record {
                Ok(record) => self.add(record),
                Err(_) => self.damaged += 1,
            }
        }
    }

    fn add(&mut self, record: Metadata<'_>) {
        match record {
            Metadata::Process { .. } => self.process(record),
            Metadata::Thread { process, thread, tid, stamp, name } => {
                let name = String::from_utf8_lossy(name).into_owned();
                self.tables.threads.push(Thread { process, index: thread, tid, start: stamp, name });
            }
            Metadata::Text { process, kind, text } => {
                self.texts.extend(kind.map(|kind| (process, kind, text.to_vec())));
            }
            Metadata::Module(module) => self.modules.push(Module::of_record(&module)),
            Metadata::ModuleGone { process, epoch, start, .. } => self.gone.push((process, epoch, start)),
            Metadata::Epoch { process, epoch, .. } => self.tables.epochs.push((epoch, process)),
            Metadata::Command { process, thread, kind, argument, stamp, name } => {
                self.tables.commands.extend(kind.map(|kind| {
                    let name = commands::name(name);
                    Command { process, stamp, kind, argument, name, thread }
                }));
            }
            Metadata::Name { kind, number, value, name, .. } => self.name(kind, number, value, name),
        }
    }

    fn name(&mut self, kind: Option<NameKind>, number: u32, value: u32, name: &[u8]) {
        let name = commands::name(name);
        match kind {
            Some(NameKind::Tag) => self.tables.tags.push((TagIndex(number), name)),
            Some(NameKind::Space) => self.tables.spaces.push((Space(number as u8), Domain(value), name)),
            None => {}
        }
    }

    fn process(&mut self, record: Metadata<'_>) {
        let Metadata::Process {
            process,
            parent,
            pid,
            ppid,
            epoch,
            parent_epoch,
            start,
            process_start,
            ended,
            end,
        } = record
        else {
            return;
        };
        self.tables.epochs.push((epoch, process));
        self.tables.processes.push(Process {
            // Processes are numbered as they begin, so a parent's number is smaller: no circles.
            parent: parent.filter(|&parent| parent < process),
            pid,
            ppid,
            epoch,
            parent_epoch,
            start,
            process_start,
            ending: ended,
            end,
            ..Process::unknown(process)
        });
    }

    /// The tables, sorted. `with_events` are the processes that have events; returns how many of them have no record.
    pub fn finish(self, with_events: &[ProcessIndex]) -> (Tables, u64) {
        let mut tables = self.tables;
        tables.processes.sort_by_key(|process| process.index);
        tables.processes.dedup_by_key(|process| process.index);
        let mut unknown = 0;
        for &index in with_events {
            if let Err(place) = tables.processes.binary_search_by_key(&index, |process| process.index) {
                tables.processes.insert(place, Process::unknown(index));
                unknown += 1;
            }
        }
        for (index, kind, text) in self.texts {
            if let Ok(place) = tables.processes.binary_search_by_key(&index, |process| process.index)
                && let Some(process) = tables.processes.get_mut(place)
            {
                set_text(process, kind, &text);
            }
        }
        merge_threads(&mut tables.threads);
        tables.tags.sort();
        tables.tags.dedup_by_key(|(tag, _)| *tag);
        // A later record may give a space its name.
        tables.spaces.sort_by_key(|(space, ..)| *space);
        tables.spaces.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same && !later.2.is_empty() {
                first.2 = std::mem::take(&mut later.2);
            }
            same
        });
        tables.epochs.sort_unstable();
        tables.epochs.dedup_by_key(|(epoch, _)| *epoch);
        tables.modules = Modules::new(self.modules, &self.gone);
        (tables, unknown)
    }
}

fn set_text(process: &mut Process, kind: TextKind, text: &[u8]) {
    let string = |text: &[u8]| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned();
    match kind {
        TextKind::Executable => process.executable = Some(string(text)),
        TextKind::Host => process.host = Some(string(text)),
        TextKind::WorkingDirectory => process.working_directory = Some(string(text)),
        TextKind::CommandLine => {
            let text = text.strip_suffix(b"\0").unwrap_or(text);
            process.command_line = text.split(|&byte| byte == 0).map(string).collect();
        }
    }
}

/// One entry a thread, with its first start and its latest name.
fn merge_threads(threads: &mut Vec<Thread>) {
    threads.sort_by_key(|thread| (thread.index, thread.start));
    threads.dedup_by(|later, first| {
        let same = later.index == first.index;
        if same {
            first.name = std::mem::take(&mut later.name);
        }
        same
    });
}
