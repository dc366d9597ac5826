//! The programs of a run, as text and as JSON: those that held most first, short ones in one line.

use std::io;

use serde::Serialize;

use super::Report;
use crate::report::parts::human::{count, counted, duration, keep_start, printable, size};
use crate::report::parts::style::Style;
use crate::report::parts::{json, table};
use tm_analyzer::text::LineSource;

/// A folder of recordings. The fields are the keys of its JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Programs {
    /// The folder as it was given.
    pub recordings: String,
    /// The one with the highest peak first.
    pub program_list: Vec<ProgramInfo>,
    /// Files that begin like recordings and cannot be read, one sentence each.
    pub problems: Vec<String>,
    /// What is in no recording and could not be, one sentence each.
    pub notes: Vec<String>,
}

/// A program that was recorded: a process from one `exec` to the next, and what it forked.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the fields mean what those of Info mean")]
pub struct ProgramInfo {
    pub recording: String,
    pub program: String,
    pub command_line: Vec<String>,
    pub pid: u32,
    pub start_realtime_ns: u64,
    pub duration_ns: u64,
    /// Whether one of its processes still runs.
    pub running: bool,
    pub processes: u64,
    pub allocations: u64,
    pub reallocations: u64,
    pub frees: u64,
    pub bytes_allocated: u64,
    pub peak_bytes: u64,
    pub live_bytes_at_end: u64,
    pub live_blocks_at_end: u64,
    pub lost_events: u64,
    pub problems: Vec<String>,
}

impl ProgramInfo {
    /// What it was called by, without folders; the file name of the program where that is not known.
    pub fn name(&self) -> &str {
        let called = self.command_line.first().filter(|name| !name.is_empty()).unwrap_or(&self.program);
        let name = called.rsplit('/').next().unwrap_or(called);
        if name.is_empty() { UNKNOWN } else { name }
    }

    /// The command line, or the program where that is not known.
    fn shown(&self) -> String {
        let words = self.command_line.join(" ");
        let known = [&*words, &*self.program].into_iter().find(|text| !text.is_empty());
        printable(known.unwrap_or(UNKNOWN))
    }
}

/// How a program is called of which the recording has no name.
const UNKNOWN: &str = "(unknown)";
/// The programs at most for which a line says what is wrong with their recordings.
const N_PROBLEMS_MAX: usize = 5;
/// What is shown of a command line where no terminal sets a limit; JSON has all of it.
const NAME_WIDTH: usize = 100;
/// Programs whose peak is less than this part of the highest are short ones.
const SHORT_PART: u64 = 100;

/// The report of `tmtool info FOLDER`.
pub struct Listing<'a> {
    /// What the folder has.
    pub programs: &'a Programs,
    /// How many programs the table has at most; `None` for all.
    pub limit: Option<usize>,
}

impl Report for Listing<'_> {
    fn text(&self, style: &Style, _source: &mut dyn LineSource) -> String {
        let Listing { programs, limit } = *self;
        let sentence = sentence(&programs.program_list);
        format!("{}: {sentence}\n\n", printable(&programs.recordings)) + &table(programs, limit, style)
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(self.programs, out)
    }
}

/// The table with at most `limit` programs; the others, and those that held little, are one line.
pub fn table(programs: &Programs, limit: Option<usize>, style: &Style) -> String {
    let list = &programs.program_list;
    let n_shown = n_shown(list, limit);
    let (shown, short) = list.split_at(n_shown);
    let headings = ["PEAK", "ALLOCATIONS", "LIVE AT END", "TIME", "PID", "PROGRAM"];
    let rows: Vec<(Vec<String>, &ProgramInfo)> =
        shown.iter().map(|program| (cells(program), program)).collect();
    let mut text = table::text(&headings, &rows, style, |program, width| {
        let state = if program.running { " (still running)" } else { "" };
        keep_start(&program.shown(), width.unwrap_or(NAME_WIDTH).saturating_sub(state.len())) + state
    });
    text += &short_line(short);
    for note in &programs.notes {
        text += &format!("{}\n", style.warning(&format!("Note: {}", printable(note))));
    }
    for problem in problems(programs) {
        text += &format!("{}\n", style.warning(&format!("Warning: {}", printable(&problem))));
    }
    text
}

/// What cannot be read, and what is wrong with those that can, each with its program's name.
fn problems(programs: &Programs) -> Vec<String> {
    let of_program = |program: &ProgramInfo| {
        let ProgramInfo { pid, problems, .. } = program;
        let first = problems.first()?;
        let more = match problems.len() - 1 {
            0 => String::new(),
            n => format!(" ({} more: tmtool info {})", count(n as u64), program.recording),
        };
        Some(format!("{}, pid {pid}: {first}{more}", program.name()))
    };
    let mut problems: Vec<String> = programs.program_list.iter().filter_map(of_program).collect();
    let n_more = problems.len().saturating_sub(N_PROBLEMS_MAX);
    problems.truncate(N_PROBLEMS_MAX);
    problems.extend(
        (n_more > 0).then(|| {
            format!("{} have problems too (--json has all).", counted(n_more as u64, "other program"))
        }),
    );
    programs.problems.iter().cloned().chain(problems).collect()
}

fn n_shown(list: &[ProgramInfo], limit: Option<usize>) -> usize {
    let Some(limit) = limit else { return list.len() };
    let highest = list.first().map_or(0, |program| program.peak_bytes);
    let matters =
        |program: &&ProgramInfo| program.peak_bytes >= highest / SHORT_PART || program.lost_events > 0;
    let n_shown = list.iter().take_while(matters).count().min(limit);
    // A line for the rest is no shorter than that of the only one.
    if list.len() == n_shown + 1 && n_shown < limit { list.len() } else { n_shown }
}

/// What all programs together did.
pub fn sentence(list: &[ProgramInfo]) -> String {
    let sum = |of: fn(&ProgramInfo) -> u64| list.iter().map(of).fold(0, u64::saturating_add);
    let lost = match sum(|program| program.lost_events) {
        0 => "nothing lost".to_owned(),
        lost => format!("{} LOST", counted(lost, "event")),
    };
    let programs = counted(list.len() as u64, "program");
    let allocations = counted(sum(|program| program.allocations), "allocation");
    let bytes = size(sum(|program| program.bytes_allocated));
    format!("{programs}, {allocations} of {bytes}; {lost}")
}

fn cells(program: &ProgramInfo) -> Vec<String> {
    vec![
        size(program.peak_bytes),
        count(program.allocations),
        size(program.live_bytes_at_end),
        duration(program.duration_ns),
        program.pid.to_string(),
    ]
}

fn short_line(short: &[ProgramInfo]) -> String {
    let Some(first) = short.first() else { return String::new() };
    let allocations = short.iter().map(|program| program.allocations).fold(0, u64::saturating_add);
    let most = size(first.peak_bytes);
    let mut names: Vec<(&str, usize)> = Vec::new();
    for program in short {
        match names.iter_mut().find(|(name, _)| *name == program.name()) {
            Some((_, n)) => *n += 1,
            None => names.push((program.name(), 1)),
        }
    }
    let names: Vec<String> = names
        .into_iter()
        .map(|(name, n)| if n == 1 { printable(name) } else { format!("{n} {}", printable(name)) })
        .collect();
    let others = counted(short.len() as u64, "other");
    let names = keep_start(&names.join(", "), 60);
    format!(
        "and {others} with peaks up to {most}, {} together: {names}\n",
        counted(allocations, "allocation")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::text::NoLines;

    fn text(programs: &Programs, limit: Option<usize>, style: &Style) -> String {
        Listing { programs, limit }.text(style, &mut NoLines)
    }

    fn program(name: &str, pid: u32, peak_bytes: u64) -> ProgramInfo {
        ProgramInfo {
            program: format!("/usr/bin/{name}"),
            command_line: vec![name.to_owned(), "-x".to_owned()],
            pid,
            peak_bytes,
            allocations: 1_000,
            bytes_allocated: 2 << 20,
            duration_ns: 1_500_000,
            ..ProgramInfo::default()
        }
    }

    fn programs(program_list: Vec<ProgramInfo>) -> Programs {
        Programs { recordings: "run".to_owned(), program_list, ..Programs::default() }
    }

    #[test]
    fn short_programs_are_one_line() {
        let mut list = vec![program("cc1", 30, 20 << 20), program("as", 31, 1 << 20)];
        list.extend((0..40).map(|n| program(if n % 4 == 0 { "sed" } else { "sh" }, 100 + n, 2000)));
        list[1].running = true;
        let expected = "\
run: 42 programs, 42,000 allocations of 84.0 MiB; nothing lost

    PEAK  ALLOCATIONS  LIVE AT END    TIME  PID  PROGRAM
20.0 MiB        1,000          0 B  1.5 ms   30  cc1 -x
1024 KiB        1,000          0 B  1.5 ms   31  as -x (still running)
and 40 others with peaks up to 2000 B, 40,000 allocations together: 10 sed, 30 sh
";
        assert_eq!(text(&programs(list), Some(10), &Style::default()), expected);
    }

    #[test]
    fn the_limit_holds_and_none_shows_all() {
        let list: Vec<ProgramInfo> = (0..30).map(|n| program("cc1", n, 100)).collect();
        let lines = |limit| text(&programs(list.clone()), limit, &Style::default()).lines().count();
        assert_eq!((lines(Some(10)), lines(Some(29)), lines(Some(30)), lines(None)), (14, 33, 33, 33));
    }

    #[test]
    fn a_loss_is_said_and_one_short_program_stands_for_itself() {
        let mut list = vec![program("a", 1, 1 << 20), program("b", 2, 10)];
        list[1].lost_events = 3;
        let text = text(&programs(list), Some(5), &Style::default());
        assert!(text.contains("3 events LOST") && text.ends_with("b -x\n"), "{text}");
    }

    #[test]
    fn what_is_wrong_with_a_recording_is_said_and_no_name_is_empty() {
        let mut list = vec![program("a", 1, 1 << 20), ProgramInfo { pid: 2, ..ProgramInfo::default() }];
        list[1].problems = vec!["The file is cut.".to_owned(), "1 segment is cut short.".to_owned()];
        list[1].recording = "x.bin".to_owned();
        let shown = text(&programs(list), None, &Style::default());
        let expected =
            "   2  (unknown)\nWarning: (unknown), pid 2: The file is cut. (1 more: tmtool info x.bin)\n";
        assert!(shown.ends_with(expected), "{shown}");
        let mut many: Vec<ProgramInfo> = (0..9).map(|n| program("cc1", n, 100)).collect();
        many.iter_mut().for_each(|program| program.problems = vec!["The file is cut.".to_owned()]);
        let shown = text(&programs(many), None, &Style::default());
        assert!(
            shown.ends_with("Warning: 4 other programs have problems too (--json has all).\n"),
            "{shown}"
        );
    }
}
