//! What the metadata segments say: processes, threads, modules and epochs here, the rest in a file each.

use std::collections::BTreeSet;
use std::mem::swap;

use rustc_hash::FxHashMap;
use tm_common::ids::{Address, Domain, Epoch, ProcessIndex, Space, Stamp, TagIndex, ThreadIndex};
use tm_common::metadata::{Ending, Metadata, NameKind, Records, TextKind};

use super::Recording;
use crate::host::Liveness;
use crate::text::raw_text;

pub mod commands;
pub mod domains;
mod interpreters;
pub mod modules;
pub mod notes;
pub mod python;
pub mod thread;
pub mod thread_tags;

use commands::Command;
use modules::{Module, Modules};
use notes::Note;
use python::PythonTables;
use thread::Thread;

/// A process of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub index: ProcessIndex,
    /// The process that forked it.
    pub parent: Option<ProcessIndex>,
    /// The kernel's number.
    pub pid: u32,
    /// The kernel's number of the process that it was a child of then; 0 of one in another namespace.
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
    /// What tells it from others of its pid, to be looked for on this machine.
    pub fn liveness(&self) -> Liveness {
        let start_ticks = Some(self.process_start).filter(|&start| start != 0);
        Liveness::new(self.pid, start_ticks, self.executable.clone())
    }

    /// A process of which nothing is known.
    pub(crate) fn unknown(index: ProcessIndex) -> Process {
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

/// All metadata.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The processes, by number.
    pub processes: Vec<Process>,
    /// The threads, by number.
    pub threads: Vec<Thread>,
    /// The loaded files.
    pub modules: Modules,
    /// What the processes were told.
    pub commands: Vec<Command>,
    /// Labels, by number.
    pub tags: Vec<(TagIndex, String)>,
    /// Address spaces, by number.
    pub spaces: Vec<(Space, Domain, String)>,
    /// What the recorder noticed, each once.
    pub notes: Vec<Note>,
    /// Interpreters and code objects.
    pub python: PythonTables,
    /// First epochs and whose they are, by epoch.
    pub epochs: Vec<(Epoch, ProcessIndex)>,
}

/// Reads records one by one into [`Tables`], which are sorted at any time: later ones may follow.
#[derive(Debug, Default)]
pub(crate) struct TablesBuilder {
    tables: Tables,
    /// Texts of processes whose own record was not read yet.
    texts: Vec<(ProcessIndex, TextKind, Vec<u8>)>,
    /// When each thread had its name.
    named: FxHashMap<ThreadIndex, Stamp>,
    modules: Vec<Module>,
    gone: Vec<(ProcessIndex, Epoch, Address)>,
    /// Whether there are modules, or ends of some, that the tables do not have.
    has_new_modules: bool,
    new_commands: Vec<Command>,
}

impl TablesBuilder {
    /// Reads the records of a segment. Returns how many could not be read.
    pub fn add_segment(&mut self, bytes: &[u8]) -> u64 {
        let mut damaged = 0;
        for record in Records::new(bytes) {
            match record {
                Ok(record) => self.add(record),
                Err(_) => damaged += 1,
            }
        }
        damaged
    }

    /// Adds a record.
    pub fn add(&mut self, record: Metadata<'_>) {
        match record {
            Metadata::Process { .. } => self.process(record),
            Metadata::Thread { process, thread, tid, n_more, stamp, name } => {
                let name = String::from_utf8_lossy(name).into_owned();
                self.thread(Thread { process, index: thread, tid, n_more, start: stamp, name });
            }
            Metadata::Text { process, kind: Some(kind), text } => match find(&mut self.tables, process) {
                Some(process) => set_text(process, kind, text),
                None => self.texts.push((process, kind, text.to_vec())),
            },
            Metadata::Text { kind: None, .. } => {}
            Metadata::Module(module) => {
                self.modules.push(Module::of_record(&module));
                self.has_new_modules = true;
            }
            Metadata::ModuleGone { process, epoch, start, .. } => {
                self.gone.push((process, epoch, start));
                self.has_new_modules = true;
            }
            Metadata::Epoch { process, epoch, .. } => self.epoch(epoch, process),
            Metadata::Command { process, thread, kind: Some(kind), argument, stamp, name } => {
                let name = commands::name(name);
                let argument = commands::argument(kind, argument);
                self.command(Command { process, stamp, kind, argument, name, thread });
            }
            Metadata::Command { kind: None, .. } => {}
            Metadata::Name { kind, number, value, name, .. } => self.name(kind, number, value, name),
            Metadata::Interpreter(interpreter) => self.tables.python.add_interpreter(&interpreter),
            Metadata::Code(code) => self.tables.python.add_code(&code),
            Metadata::LineTable { code, offset, bytes } => {
                self.tables.python.add_line_table(code, offset, bytes);
            }
            Metadata::Note { process, reason, text } => {
                let note = Note { reason, process, text: String::from_utf8_lossy(text).into_owned() };
                if let Err(place) = self.tables.notes.binary_search(&note) {
                    self.tables.notes.insert(place, note);
                }
            }
        }
    }

    /// Adds a command, unless it is known.
    pub fn command(&mut self, command: Command) {
        if let Err(place) = self.tables.commands.binary_search(&command) {
            self.new_commands.push(command.clone());
            self.tables.commands.insert(place, command);
        }
    }

    /// The commands that were added since the last time.
    pub fn take_new_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.new_commands)
    }

    fn epoch(&mut self, epoch: Epoch, process: ProcessIndex) {
        let epochs = &mut self.tables.epochs;
        if let Err(place) = epochs.binary_search_by_key(&epoch, |(epoch, _)| *epoch) {
            epochs.insert(place, (epoch, process));
        }
    }

    /// A later record may give a number its name.
    fn name(&mut self, kind: Option<NameKind>, number: u32, value: u32, name: &[u8]) {
        let name = commands::name(name);
        match kind {
            Some(NameKind::Tag) => {
                let (tag, tags) = (TagIndex(number), &mut self.tables.tags);
                match tags.binary_search_by_key(&tag, |(tag, _)| *tag) {
                    Ok(place) => rename(tags.get_mut(place).map(|(_, known)| known), name),
                    Err(place) => tags.insert(place, (tag, name)),
                }
            }
            Some(NameKind::Space) => {
                let (space, spaces) = (Space(number as u8), &mut self.tables.spaces);
                match spaces.binary_search_by_key(&space, |(space, ..)| *space) {
                    Ok(place) => rename(spaces.get_mut(place).map(|(.., known)| known), name),
                    Err(place) => spaces.insert(place, (space, Domain(value), name)),
                }
            }
            None => {}
        }
    }

    fn process(&mut self, record: Metadata<'_>) {
        let Metadata::Process {
            process: index,
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
        self.epoch(epoch, index);
        match find(&mut self.tables, index) {
            // All else of it never changes.
            Some(known) if *known != Process::unknown(index) => {
                if known.ending == Ending::Unknown {
                    (known.ending, known.end) = (ended, end);
                }
                return;
            }
            _ => {}
        }
        self.set_process(Process {
            // Processes are numbered as they begin, so a parent's number is smaller: no circles.
            parent: parent.filter(|&parent| parent < index),
            pid,
            ppid,
            epoch,
            parent_epoch,
            start,
            process_start,
            ending: ended,
            end,
            ..Process::unknown(index)
        });
        let texts = std::mem::take(&mut self.texts);
        for (process, kind, text) in texts {
            match find(&mut self.tables, process) {
                Some(process) => set_text(process, kind, &text),
                None => self.texts.push((process, kind, text)),
            }
        }
    }

    /// Puts a process in its place, which none has or one that nothing is known of.
    fn set_process(&mut self, process: Process) {
        let processes = &mut self.tables.processes;
        match processes.binary_search_by_key(&process.index, |process| process.index) {
            Ok(place) => processes.get_mut(place).into_iter().for_each(|known| *known = process.clone()),
            Err(place) => processes.insert(place, process),
        }
    }

    /// A process that has events: there is to be something of it. Returns how many have no record.
    pub fn need_process(&mut self, index: ProcessIndex) -> u64 {
        if find(&mut self.tables, index).is_some() {
            return 0;
        }
        self.set_process(Process::unknown(index));
        1
    }

    /// One entry a thread, with its first start and its latest name.
    fn thread(&mut self, thread: Thread) {
        let named = self.named.entry(thread.index).or_default();
        let is_latest = thread.start >= *named;
        *named = thread.start.max(*named);
        let threads = &mut self.tables.threads;
        match threads.binary_search_by_key(&thread.index, |thread| thread.index) {
            Ok(place) => {
                let Some(known) = threads.get_mut(place) else { return };
                if thread.start < known.start {
                    (known.process, known.tid, known.start) = (thread.process, thread.tid, thread.start);
                }
                known.n_more = known.n_more.max(thread.n_more);
                if is_latest {
                    known.name = thread.name;
                }
            }
            Err(place) => threads.insert(place, thread),
        }
    }

    /// Forgets what came after `moment`: commands, threads, endings, and processes, whose numbers it returns.
    pub fn forget_after(&mut self, moment: Stamp) -> BTreeSet<ProcessIndex> {
        let Tables { processes, threads, commands, .. } = &mut self.tables;
        commands.retain(|command| command.stamp <= moment);
        threads.retain(|thread| thread.start <= moment);
        let later = processes.iter().filter(|process| process.start > moment);
        let later = later.map(|process| process.index).collect();
        processes.retain(|process| process.start <= moment);
        for process in processes.iter_mut().filter(|process| process.end > moment) {
            (process.ending, process.end) = (Ending::Unknown, Stamp(0));
        }
        later
    }

    /// The processes that there are.
    pub fn into_processes(self) -> Vec<Process> {
        self.tables.processes
    }

    /// Makes the tables have all modules.
    pub fn place_modules(&mut self) {
        if std::mem::take(&mut self.has_new_modules) {
            self.tables.modules = Modules::new(self.modules.clone(), &self.gone);
        }
    }

    /// Gives the tables to a recording, or takes them back from it.
    pub fn exchange(&mut self, recording: &mut Recording) {
        let tables = &mut self.tables;
        swap(&mut tables.processes, &mut recording.processes);
        swap(&mut tables.threads, &mut recording.threads);
        swap(&mut tables.modules, &mut recording.modules);
        swap(&mut tables.commands, &mut recording.commands);
        swap(&mut tables.tags, &mut recording.tags);
        swap(&mut tables.spaces, &mut recording.spaces);
        swap(&mut tables.notes, &mut recording.notes);
        swap(&mut tables.python, &mut recording.python);
        swap(&mut tables.epochs, &mut recording.epochs);
    }
}

/// The process with number `index`.
fn find(tables: &mut Tables, index: ProcessIndex) -> Option<&mut Process> {
    let place = tables.processes.binary_search_by_key(&index, |process| process.index).ok()?;
    tables.processes.get_mut(place)
}

fn rename(known: Option<&mut String>, name: String) {
    if let Some(known) = known.filter(|_| !name.is_empty()) {
        *known = name;
    }
}

fn set_text(process: &mut Process, kind: TextKind, text: &[u8]) {
    let string = |text: &[u8]| raw_text::of_bytes(text).trim_end_matches('\0').to_owned();
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
