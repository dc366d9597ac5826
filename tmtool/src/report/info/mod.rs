//! What a recording is, as text and as JSON. Pure: everything that is said is in [`Info`].

pub mod commands;
pub mod interpreters;
mod room;

mod lists;

use std::fmt::Write;
use std::io;

use serde::Serialize;

use crate::report::Report;
use crate::report::parts::human::{count, counted, duration, printable, size, verb};
use crate::report::parts::json;
use crate::report::parts::style::Style;
use commands::CommandLists;
use interpreters::InterpreterInfo;
use tm_analyzer::text::LineSource;

/// All that `tmtool info` says. The fields are the keys of its JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Info {
    /// The file's name as it was given.
    pub recording: String,
    /// The program's path.
    pub program: String,
    /// The program's arguments, its name first.
    pub command_line: Vec<String>,
    /// The host's name.
    pub host: String,
    /// The first process.
    pub pid: u32,
    /// Nanoseconds since 1970 at the start.
    pub start_realtime_ns: u64,
    /// The start as local time.
    pub start: String,
    /// From the start to the last moment that the recording knows of.
    pub duration_ns: u64,
    /// Whether a process still ran: then all is as of `duration_ns` after the start.
    pub still_running: bool,
    /// Whether everything is there: the first process ended in an orderly way, nothing is lost, cut or damaged.
    pub complete: bool,
    /// Why not, one sentence each.
    pub incomplete_because: Vec<String>,
    /// Calls of all processes.
    pub allocations: u64,
    /// The same.
    pub reallocations: u64,
    /// The same.
    pub frees: u64,
    /// Requested bytes of all processes.
    pub bytes_allocated: u64,
    /// The peak of the first process.
    pub peak_bytes: u64,
    /// Blocks of the first process at its peak of bytes.
    pub peak_blocks: u64,
    /// The moment of the first process's peak, since the recording's start.
    pub peak_time_ns: u64,
    /// Bytes of the first process that are live at the end.
    pub live_bytes_at_end: u64,
    /// Blocks of the first process that are live at the end.
    pub live_blocks_at_end: u64,
    /// Memory mappings, if there were any.
    pub mappings: Option<MappingInfo>,
    /// The domains that the program has made.
    pub domains: Vec<DomainInfo>,
    /// Blocks of such domains that the program told of, of all processes.
    pub tracks: u64,
    /// Those that it told were gone, of all processes.
    pub untracks: u64,
    /// Events that could not be recorded.
    pub lost_events: u64,
    /// The same by reason.
    pub lost_by_reason: Vec<LostEvents>,
    /// Frees of blocks that were never allocated, of all processes.
    pub unknown_frees: u64,
    /// Blocks whose free is not in the recording, of all processes.
    pub missed_frees: u64,
    /// Frees of blocks from before the tracing was started or cleared, of all processes.
    pub forgotten_frees: u64,
    /// How many threads there were in all.
    pub threads: u64,
    /// How many processes there were.
    pub processes: u64,
    /// How many different stacks there are, outer parts of others counted too.
    pub stacks: u64,
    /// The file's size.
    pub recording_bytes: u64,
    /// The size of the file that it is packed in.
    pub packed_bytes: Option<u64>,
    /// The most bytes that the recording may have, if there is a limit.
    pub limit_bytes: Option<u64>,
    /// The moment before which events were folded into sums, if any were.
    pub folded_ns: Option<u64>,
    /// Stacks that were walked twice.
    pub self_checks: u64,
    /// Checked stacks that differed.
    pub self_check_differences: u64,
    /// What is missing or damaged, one sentence each.
    pub problems: Vec<String>,
    /// What is not in the recording and could not be, and other things to know, one sentence each.
    pub notes: Vec<String>,
    /// The Python interpreters by process.
    pub interpreter_list: Vec<InterpreterInfo>,
    /// The processes by number.
    pub process_list: Vec<ProcessInfo>,
    /// The threads that have written anything, by number.
    pub thread_list: Vec<ThreadInfo>,
    /// The loaded files by process and time.
    pub module_list: Vec<ModuleInfo>,
    /// What the processes were told, marks, and tags.
    #[serde(flatten)]
    pub commands: CommandLists,
    /// The segments by kind.
    pub segments: SegmentInfo,
}

/// What was mapped; bytes and ranges are those of the first process.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the fields mean what those of Info mean")]
pub struct MappingInfo {
    /// Ranges that were mapped, moved or made longer, of all processes.
    pub maps: u64,
    /// Calls that took ranges or parts of them away, of all processes.
    pub unmaps: u64,
    pub bytes_at_end: u64,
    pub ranges_at_end: u64,
    pub peak_bytes: u64,
    pub peak_ranges: u64,
    pub peak_time_ns: u64,
}

/// A domain of the program's own, in the first process.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the fields mean what those of Info mean")]
pub struct DomainInfo {
    /// The program's number.
    pub domain: u32,
    /// Empty if it has none.
    pub name: String,
    pub live_bytes_at_end: u64,
    pub live_blocks_at_end: u64,
}

/// Events that were lost for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct LostEvents {
    /// A clause.
    pub reason: String,
    /// How many.
    pub events: u64,
}

/// A process with its own totals.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the fields mean what those of Info mean")]
pub struct ProcessInfo {
    pub process: u32,
    pub pid: u32,
    /// The number of the process that forked it.
    pub parent: Option<u32>,
    /// `exit`, `_exit`, `unknown` (killed or executed another program), or `running`.
    pub ending: &'static str,
    pub start_ns: u64,
    pub end_ns: Option<u64>,
    pub allocations: u64,
    pub reallocations: u64,
    pub frees: u64,
    pub bytes_allocated: u64,
    pub peak_bytes: u64,
    pub peak_blocks: u64,
    pub peak_time_ns: u64,
    pub live_bytes_at_end: u64,
    pub live_blocks_at_end: u64,
    pub unknown_frees: u64,
    pub missed_frees: u64,
}

/// A thread.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ThreadInfo {
    pub thread: u32,
    pub process: u32,
    pub tid: u32,
    /// How many more have its number.
    pub more: u64,
    pub name: String,
    pub start_ns: u64,
}

/// A loaded file.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ModuleInfo {
    pub process: u32,
    pub path: String,
    /// Hexadecimal; empty if it has none.
    pub build_id: String,
    pub start: u64,
    pub end: u64,
    pub loaded_ns: u64,
    pub unloaded: bool,
}

/// How many segments there are.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the fields are the kinds of segments")]
pub struct SegmentInfo {
    pub events: u64,
    pub stacks: u64,
    pub metadata: u64,
    pub extents: u64,
}

impl Report for Info {
    fn text(&self, _style: &Style, _source: &mut dyn LineSource) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write_text(self, &mut text);
        text
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(self, out)
    }
}

fn write_text(info: &Info, out: &mut String) -> std::fmt::Result {
    if info.complete {
        writeln!(out, "{}: complete", printable(&info.recording))?;
    } else {
        writeln!(out, "{}: NOT complete", printable(&info.recording))?;
    }
    for reason in info.incomplete_because.iter().chain(&info.problems) {
        writeln!(out, "  {}", printable(reason))?;
    }
    for lost in &info.lost_by_reason {
        let (events, are) = (counted(lost.events, "event"), verb(lost.events, "is", "are"));
        writeln!(out, "  {events} {are} lost because {}.", lost.reason)?;
    }
    for note in &info.notes {
        writeln!(out, "  Note: {}", printable(note))?;
    }
    writeln!(out)?;
    writeln!(out, "program        {}", printable(&info.program))?;
    writeln!(out, "command line   {}", printable(&info.command_line.join(" ")))?;
    writeln!(out, "host           {}, pid {}", printable(&info.host), info.pid)?;
    writeln!(out, "started        {}, recorded for {}", info.start, duration(info.duration_ns))?;
    room::write(info, out)?;
    let (processes, threads) = (counted(info.processes, "process"), counted(info.threads, "thread"));
    let listed = lists::listed(info);
    writeln!(out, "processes      {processes}, {threads}{listed}, {}", counted(info.stacks, "stack node"))?;
    interpreters::write(&info.interpreter_list, out)?;
    if info.self_checks > 0 {
        let differences = counted(info.self_check_differences, "stack");
        writeln!(out, "self checks    {}, of which {differences} differed", count(info.self_checks))?;
    }
    writeln!(out)?;
    writeln!(out, "allocations    {}", count(info.allocations))?;
    writeln!(out, "reallocations  {}", count(info.reallocations))?;
    writeln!(out, "frees          {}", count(info.frees))?;
    writeln!(out, "allocated      {}", size(info.bytes_allocated))?;
    let (peak, blocks) = (size(info.peak_bytes), counted(info.peak_blocks, "block"));
    writeln!(out, "peak           {peak} in {blocks} at {}", duration(info.peak_time_ns))?;
    let (live, blocks) = (size(info.live_bytes_at_end), counted(info.live_blocks_at_end, "block"));
    writeln!(out, "live at end    {live} in {blocks}")?;
    if info.unknown_frees + info.missed_frees > 0 {
        let unknown = counted(info.unknown_frees, "free");
        let missed = counted(info.missed_frees, "free");
        writeln!(out, "unmatched      {unknown} of unknown blocks, {missed} not seen")?;
    }
    write_domains(info, out)?;
    write_lists(info, out)
}

/// What is beside the heap, and what was not to be looked at.
fn write_domains(info: &Info, out: &mut String) -> std::fmt::Result {
    if info.forgotten_frees > 0 {
        let frees = counted(info.forgotten_frees, "free");
        writeln!(out, "forgotten      {frees} of blocks from before the tracing was started or cleared")?;
    }
    if let Some(mappings) = &info.mappings {
        let (live, peak) = (size(mappings.bytes_at_end), size(mappings.peak_bytes));
        let (ranges, of_peak) =
            (counted(mappings.ranges_at_end, "range"), counted(mappings.peak_ranges, "range"));
        let at = duration(mappings.peak_time_ns);
        write!(out, "mapped         {live} in {ranges} at end; peak {peak} in {of_peak} at {at}; ")?;
        let (maps, unmaps) = (counted(mappings.maps, "time"), counted(mappings.unmaps, "time"));
        writeln!(out, "mapped {maps}, unmapped {unmaps}")?;
    }
    for domain in &info.domains {
        let DomainInfo { domain: number, name, live_bytes_at_end, live_blocks_at_end } = domain;
        let name = if name.is_empty() { String::new() } else { format!("{} ", printable(name)) };
        let (live, blocks) = (size(*live_bytes_at_end), counted(*live_blocks_at_end, "block"));
        writeln!(out, "domain         {name}({number}): {live} in {blocks} at end")?;
    }
    if info.tracks + info.untracks > 0 {
        let (blocks, untracks) = (counted(info.tracks, "block"), count(info.untracks));
        writeln!(out, "tracked        {blocks} in domains; {untracks} untracked")?;
    }
    Ok(())
}

fn write_lists(info: &Info, out: &mut String) -> std::fmt::Result {
    if info.process_list.len() > 1 {
        let lines = info.process_list.iter().map(|process| {
            let ProcessInfo { pid, ending, .. } = process;
            let (allocations, frees) = (count(process.allocations), count(process.frees));
            let (peak, live) = (size(process.peak_bytes), size(process.live_bytes_at_end));
            format!(
                "pid {pid:<8} {ending:<8} {allocations:>10} allocations {frees:>10} frees, peak {peak}, \
                 live at end {live}"
            )
        });
        commands::section(out, "processes (peak and live above are those of the first)", lines)?;
    }
    commands::write(&info.commands, out)?;
    lists::write(info, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::text::NoLines;

    fn text(info: &Info) -> String {
        info.text(&Style::default(), &mut NoLines)
    }

    #[test]
    fn names_from_the_recording_make_no_lines_of_their_own() {
        let hostile = "a\nlive at end    0 bytes\x1b[2J".to_owned();
        let thread =
            ThreadInfo { thread: 0, process: 0, tid: 1, more: 0, name: hostile.clone(), start_ns: 0 };
        let info = Info {
            program: hostile.clone(),
            command_line: vec![hostile.clone()],
            host: hostile,
            thread_list: vec![thread],
            ..Info::default()
        };
        let text = text(&info);
        assert_eq!(text.matches("\nlive at end ").count(), 1, "{text}");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn domains_are_shown_where_there_are_some() {
        let plain = text(&Info::default());
        let mappings =
            MappingInfo { maps: 3, unmaps: 2, peak_bytes: 8192, peak_ranges: 2, ..MappingInfo::default() };
        let domain =
            |domain, name: &str| DomainInfo { domain, name: name.to_owned(), ..DomainInfo::default() };
        let info = Info {
            mappings: Some(mappings),
            domains: vec![domain(77, "pool"), domain(5, "")],
            tracks: 4,
            forgotten_frees: 6,
            ..Info::default()
        };
        let text = text(&info);
        let new: Vec<&str> = text.lines().filter(|line| !plain.lines().any(|other| other == *line)).collect();
        assert_eq!(
            new,
            [
                "forgotten      6 frees of blocks from before the tracing was started or cleared",
                "mapped         0 B in 0 ranges at end; peak 8192 B in 2 ranges at 0 ns; \
                 mapped 3 times, unmapped 2 times",
                "domain         pool (77): 0 B in 0 blocks at end",
                "domain         (5): 0 B in 0 blocks at end",
                "tracked        4 blocks in domains; 0 untracked",
            ]
        );
    }

    #[test]
    fn losses_come_first() {
        let lost = LostEvents { reason: "the recording could not grow".to_owned(), events: 7 };
        let info = Info {
            recording: "a.bin".to_owned(),
            problems: vec!["The file is cut.".to_owned()],
            lost_by_reason: vec![lost],
            ..Info::default()
        };
        let text = text(&info);
        let first: Vec<&str> = text.lines().take(3).collect();
        assert_eq!(
            first,
            [
                "a.bin: NOT complete",
                "  The file is cut.",
                "  7 events are lost because the recording could not grow."
            ]
        );
    }
}
