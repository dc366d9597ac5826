//! `tmtool info`: what a recording is, whether it is complete, and its totals.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::errors::Result;
use tm_common::header::{GRAIN_BYTES, Loss};
use tm_common::ids::ProcessIndex;
use tm_common::metadata::{CommandKind, Ending};

use crate::cli::print::show;
use crate::cli::{programs, terminal};
use crate::report::Format;
use crate::report::info::commands::{CommandInfo, CommandLists, MarkInfo};
use crate::report::info::interpreters::InterpreterInfo;
use crate::report::info::{
    DomainInfo, Info, LostEvents, MappingInfo, ModuleInfo, ProcessInfo, SegmentInfo, ThreadInfo,
};
use crate::report::parts::{estimate, human};
use crate::report::programs::Listing;
use tm_analyzer::inspect::own_allocator;
use tm_analyzer::reader::{Command, Problem, Process, Recording};
use tm_analyzer::replay::{AllTotals, SampleTotals, Totals, all_totals};
use tm_analyzer::text::hex;

const EXAMPLES: &str = "\
Examples:
  tmtool info tm.prog.1234.bin
  tmtool info tm.prog.1234.bin --json
  tmtool info tm.make.1234            the programs of a run";

/// Arguments of `tmtool info`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The recording, or the folder of a run: then its programs are listed.
    pub file: PathBuf,
    /// This program of a folder.
    #[arg(long, value_name = "NAME|PID")]
    pub program: Option<String>,
    /// List at most this many programs, and those that held little in one line; 0 for all.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: usize,
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints what the recording is.
///
/// # Errors
/// The file cannot be read or is not a recording, or standard output cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    let format = if args.json { Format::Json } else { Format::Text };
    if args.file.is_dir() && args.program.is_none() {
        let programs = programs::of_folder(&args.file)?;
        let limit = (args.limit > 0).then_some(args.limit);
        show(&Listing { programs: &programs, limit }, format, &Arc::default(), &terminal::style())
    } else {
        let info = gather(&programs::choose(&args.file, args.program.as_deref())?.path)?;
        show(&info, format, &Arc::default(), &terminal::style())
    }
}

/// Reads and replays the recording at `path`.
///
/// # Errors
/// The file cannot be read or is not a recording.
pub fn gather(path: &Path) -> Result<Info> {
    let recording = Recording::open(path)?;
    let totals = all_totals(&recording);
    // Frees have numbers of their own.
    let is_shown =
        |problem: &&Problem| !matches!(problem, Problem::UnknownFrees { .. } | Problem::MissedFrees { .. });
    let problems = recording.problems.iter().chain(&totals.problems).filter(is_shown);
    let mut samples = SampleTotals::default();
    totals.processes.iter().for_each(|(_, totals)| samples += totals.samples);
    let estimated = samples.sampling().as_ref().map(estimate::sentence);
    let header = &recording.header;
    let lost = Loss::ALL.iter().map(|loss| (loss.reason(), *loss as usize));
    let lost = lost.chain(
        (Loss::ALL.len()..header.lost.len()).map(|n| ("of a reason that this tmtool does not know", n)),
    );
    let lost = lost.filter_map(|(reason, n)| Some((reason, *header.lost.get(n)?)));
    let mut info = Info {
        recording: path.display().to_string(),
        pid: header.pid,
        start_realtime_ns: header.start_realtime_ns,
        start: local_time(header.start_realtime_ns),
        duration_ns: recording.duration_ns(),
        lost_events: header.lost_events(),
        lost_by_reason: lost
            .filter(|&(_, events)| events > 0)
            .map(|(reason, events)| LostEvents { reason: reason.to_owned(), events })
            .collect(),
        threads: u64::from(header.n_threads).max(recording.threads.len() as u64),
        processes: recording.processes.len() as u64,
        stacks: recording.stacks.n_nodes(),
        still_running: recording.is_unfinished(),
        recording_bytes: recording_bytes(&recording),
        packed_bytes: recording.file.packed_bytes(),
        limit_bytes: Some(header.limit_grains.saturating_mul(GRAIN_BYTES as u64)).filter(|&limit| limit > 0),
        folded_ns: recording.folded_until().map(|until| recording.ns(until)),
        self_checks: header.self_checks,
        self_check_differences: header.self_check_differences,
        problems: problems.map(ToString::to_string).collect(),
        notes: estimated
            .into_iter()
            .chain(recording.note_sentences())
            .chain(own_allocator::sentence(&recording))
            .collect(),
        segments: SegmentInfo {
            events: recording.segment_counts.events,
            stacks: recording.segment_counts.stacks,
            metadata: recording.segment_counts.metadata,
            extents: recording.segment_counts.extents,
        },
        ..Info::default()
    };
    describe_program(&recording, &mut info);
    add_totals(&recording, &totals, &mut info);
    add_domains(&recording, &totals, &mut info);
    add_lists(&recording, &mut info);
    add_commands(&recording, &mut info.commands);
    judge(&recording, &mut info);
    Ok(info)
}

/// The file's size without the hole behind it; of one that is still written, what was handed out of it.
fn recording_bytes(recording: &Recording) -> u64 {
    match recording.is_unfinished() {
        true => recording.segment_counts.bytes(),
        false => recording.header.claimed_bytes(recording.file.len_bytes()),
    }
}

fn describe_program(recording: &Recording, info: &mut Info) {
    let Some(process) = recording.first_process() else { return };
    info.program = process.executable.clone().unwrap_or_default();
    info.command_line.clone_from(&process.command_line);
    info.host = process.host.clone().unwrap_or_default();
}

fn add_totals(recording: &Recording, all: &AllTotals, info: &mut Info) {
    info.allocations = all.sum(|totals| totals.allocations);
    info.reallocations = all.sum(|totals| totals.reallocations);
    info.frees = all.sum(|totals| totals.frees);
    info.bytes_allocated = all.sum(|totals| totals.bytes_allocated);
    info.unknown_frees = all.sum(|totals| totals.unknown_frees);
    info.missed_frees = all.sum(|totals| totals.missed_frees);
    info.forgotten_frees = all.sum(|totals| totals.forgotten_frees);
    info.tracks = all.sum(|totals| totals.tracks);
    info.untracks = all.sum(|totals| totals.untracks);
    let first = all.first();
    info.peak_bytes = first.peak.bytes;
    info.peak_blocks = first.peak.count;
    info.peak_time_ns = recording.ns(first.peak_stamp);
    info.live_bytes_at_end = first.live.bytes;
    info.live_blocks_at_end = first.live.count;
    let described = |(index, totals): &(ProcessIndex, Totals)| {
        Some(process_info(recording, recording.process(*index)?, totals))
    };
    info.process_list = all.processes.iter().filter_map(described).collect();
}

fn add_domains(recording: &Recording, all: &AllTotals, info: &mut Info) {
    let (maps, unmaps) = (all.sum(|totals| totals.maps), all.sum(|totals| totals.unmaps));
    let Some((first, totals)) = all.processes.first() else { return };
    info.mappings = (maps > 0).then(|| MappingInfo {
        maps,
        unmaps,
        bytes_at_end: totals.mapped.bytes,
        ranges_at_end: totals.mapped.count,
        peak_bytes: totals.mapped_peak.bytes,
        peak_ranges: totals.mapped_peak.count,
        peak_time_ns: recording.ns(totals.mapped_peak_stamp),
    });
    for own in recording.own_domains() {
        let of_first = all
            .own_spaces
            .iter()
            .filter(|(process, space, _)| process == first && own.spaces.contains(space));
        let mut domain = DomainInfo { domain: own.domain.0, name: own.name, ..DomainInfo::default() };
        for (.., amount) in of_first {
            domain.live_bytes_at_end += amount.bytes;
            domain.live_blocks_at_end += amount.count;
        }
        info.domains.push(domain);
    }
}

fn process_info(recording: &Recording, process: &Process, totals: &Totals) -> ProcessInfo {
    let ending = match process.ending {
        Ending::Exit => "exit",
        Ending::ImmediateExit => "_exit",
        Ending::Unknown if recording.is_running(process.index) => "running",
        Ending::Unknown => "unknown",
    };
    ProcessInfo {
        process: process.index.0,
        pid: process.pid,
        parent: process.parent.map(|parent| parent.0),
        ending,
        start_ns: recording.ns(process.start),
        end_ns: (process.ending != Ending::Unknown).then(|| recording.ns(process.end)),
        allocations: totals.allocations,
        reallocations: totals.reallocations,
        frees: totals.frees,
        bytes_allocated: totals.bytes_allocated,
        peak_bytes: totals.peak.bytes,
        peak_blocks: totals.peak.count,
        peak_time_ns: recording.ns(totals.peak_stamp),
        live_bytes_at_end: totals.live.bytes,
        live_blocks_at_end: totals.live.count,
        unknown_frees: totals.unknown_frees,
        missed_frees: totals.missed_frees,
    }
}

fn add_lists(recording: &Recording, info: &mut Info) {
    let thread = |thread: &tm_analyzer::reader::Thread| ThreadInfo {
        thread: thread.index.0,
        process: thread.process.0,
        tid: thread.tid,
        more: thread.n_more.into(),
        name: thread.name.clone(),
        start_ns: recording.ns(thread.start),
    };
    info.thread_list = recording.threads.iter().map(thread).collect();
    let module = |module: &tm_analyzer::reader::Module| ModuleInfo {
        process: module.process.0,
        path: module.path.clone(),
        build_id: hex(&module.build_id),
        start: module.start.0,
        end: module.end.0,
        loaded_ns: recording.ns(module.stamp),
        unloaded: module.gone.is_some(),
    };
    let interpreter = |interpreter: &tm_analyzer::reader::Interpreter| InterpreterInfo {
        process: interpreter.process.0,
        version: interpreter.version_text(),
        path: recording.module_of(interpreter).map(|module| module.path.clone()).unwrap_or_default(),
        frames: interpreter.state_name(),
    };
    info.interpreter_list = recording.python.interpreters.iter().map(interpreter).collect();
    info.module_list = recording.modules.all().iter().map(module).collect();
}

fn add_commands(recording: &Recording, lists: &mut CommandLists) {
    for Command { process, stamp, kind, argument, name, thread } in &recording.commands {
        let (process, at_ns, from_outside) = (process.0, recording.ns(*stamp), thread.is_none());
        let kind = match kind {
            CommandKind::Start => "start",
            CommandKind::Stop => "stop",
            CommandKind::Clear => "clear",
            CommandKind::Mark => {
                lists.mark_list.push(MarkInfo { process, name: name.clone(), at_ns, from_outside });
                continue;
            }
        };
        let n_frames = (kind == "start").then_some(*argument);
        lists.command_list.push(CommandInfo { process, kind, at_ns, n_frames, from_outside });
    }
    let names: BTreeSet<&String> = recording.tags.iter().map(|(_, name)| name).collect();
    lists.tag_list = names.into_iter().cloned().collect();
}

/// Says whether everything is there, and if not, why.
fn judge(recording: &Recording, info: &mut Info) {
    let because = match recording.first_process() {
        None => Some("Nothing says how the program ended."),
        Some(process) if recording.is_running(process.index) => Some("The program is still running."),
        Some(_) if recording.is_unfinished() => {
            Some("Processes that the program has forked are still running.")
        }
        Some(process) if process.ending != Ending::Unknown => None,
        Some(_) => Some("The program was killed or executed another program: everything up to then is here."),
    };
    let so_far = recording.is_unfinished().then(|| {
        let moment = human::duration(info.duration_ns);
        format!("All this is as of {moment} after the start, exactly; what came later is left out.")
    });
    info.incomplete_because.extend(because.map(str::to_owned).into_iter().chain(so_far));
    info.complete = because.is_none() && info.problems.is_empty() && info.lost_events == 0;
}

/// A moment as local time: "2026-11-23 15:10:52 +0100".
fn local_time(realtime_ns: u64) -> String {
    let seconds = (realtime_ns / 1_000_000_000) as libc::time_t;
    let mut buffer = [0u8; 64];
    // SAFETY: a tm of zeros is valid (its pointer may be null), localtime_r fills it from valid pointers, and strftime
    // writes at most the buffer's length with a NUL at its end.
    let len = unsafe {
        let mut broken_down: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&seconds, &mut broken_down).is_null() {
            return format!("{seconds} s since 1970");
        }
        libc::strftime(
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            c"%Y-%m-%d %H:%M:%S %z".as_ptr(),
            &broken_down,
        )
    };
    let text = buffer.get(..=len).and_then(|bytes| CStr::from_bytes_until_nul(bytes).ok());
    text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, ProcessIndex, Space, StackId, Stamp};
    use tm_common::metadata::NameKind;
    use tm_testing::RecordingBuilder;

    fn with_one_block(mut builder: RecordingBuilder) -> RecordingBuilder {
        builder.event(
            ProcessIndex(0),
            0,
            &Event::Allocate {
                function: Function::Malloc,
                address: Address(0x10),
                size: 32,
                stack: StackId::NONE,
                stamp: Stamp(5_000),
            },
        );
        builder
    }

    #[test]
    fn a_whole_recording_is_complete() {
        let file = with_one_block(RecordingBuilder::with_process()).file();
        let info = gather(file.path()).expect("it is valid");
        assert!(info.complete);
        assert_eq!((info.allocations, info.peak_bytes, info.peak_time_ns), (1, 32, 5_000));
        assert_eq!((info.live_bytes_at_end, info.processes, info.duration_ns), (32, 1, 1_000_000));
        let json = serde_json::to_value(&info).expect("it is plain data");
        assert_eq!(json["process_list"][0]["ending"], "exit");
    }

    #[test]
    fn domains_and_mappings_are_the_first_process_s() {
        let mut builder = with_one_block(RecordingBuilder::with_process());
        builder.name(NameKind::Space, 2, 77, "pool");
        let stack = StackId::NONE;
        for (space, address, size, stamp) in
            [(Space::MAPPINGS, 0x1000, 8192, 6_000), (Space(2), 0x10, 5, 6_100), (Space(2), 0x20, 6, 6_200)]
        {
            let (address, stamp) = (Address(address), Stamp(stamp));
            builder.event(ProcessIndex(0), 0, &Event::Track { space, address, size, stack, stamp });
        }
        let file = builder.file();
        let info = gather(file.path()).expect("it is valid");
        let mappings = info.mappings.expect("there are some");
        assert_eq!((mappings.maps, mappings.bytes_at_end, mappings.peak_time_ns), (1, 8192, 6_000));
        assert_eq!((info.tracks, info.untracks, info.live_bytes_at_end), (2, 0, 43));
        let [domain] = &info.domains[..] else { panic!("{:?}", info.domains) };
        assert_eq!((domain.domain, &*domain.name, domain.live_bytes_at_end), (77, "pool", 11));
    }

    #[test]
    fn commands_marks_and_labels_are_listed() {
        let mut builder = RecordingBuilder::with_process();
        builder.command(0, CommandKind::Stop, 0, 1_000, "");
        builder.command(0, CommandKind::Start, 30, 2_000, "");
        builder.command(0, CommandKind::Mark, 0, 3_000, "loaded");
        for (number, name) in [(1, "b"), (2, "a"), (3, "b")] {
            builder.name(NameKind::Tag, number, 0, name);
        }
        let info = gather(builder.file().path()).expect("it is valid").commands;
        let kinds: Vec<_> = info.command_list.iter().map(|it| (it.kind, it.at_ns, it.n_frames)).collect();
        assert_eq!(kinds, [("stop", 1_000, None), ("start", 2_000, Some(30))]);
        assert_eq!((info.mark_list[0].name.as_str(), info.mark_list[0].at_ns), ("loaded", 3_000));
        assert_eq!(info.tag_list, ["a", "b"]);
    }

    #[test]
    fn a_killed_program_and_lost_events_are_said() {
        let mut builder = RecordingBuilder::new();
        builder.process(None, 0, None);
        builder.lost = 3;
        let file = with_one_block(builder).file();
        let info = gather(file.path()).expect("it is valid");
        assert!(!info.complete);
        assert_eq!(info.lost_events, 3);
        assert!(info.incomplete_because[0].contains("killed"));
    }
}
