//! What `tmtool run` says in the end, on stderr: the one recording in two lines or the programs that mattered in a table,
//! and what to do next.

use std::io::{self, Write};
use std::path::Path;

use super::child::Ending;
use super::environment::Environment;
use super::output::Settled;
use crate::cli::programs;
use crate::report::parts::human::{count, counted, printable};
use crate::report::parts::style::Style;
use crate::report::programs::{self as report, ProgramInfo, Programs};
use tm_analyzer::model::format_size;

/// How many programs the table has at most.
const N_LISTED_MAX: usize = 8;
/// How long its lines are, with the mark at their start.
const STYLE: Style = Style { width: Some(116), is_full: false, colour: false, is_ascii: false };

/// The summary of a run.
pub(super) fn lines(settled: &Settled, environment: &Environment, ending: Ending) -> Vec<String> {
    let text = match &settled.recordings[..] {
        [] => nothing_recorded(environment, ending),
        recordings => {
            let paths: Vec<&Path> = recordings.iter().map(|recording| &*recording.path).collect();
            let mut found = programs::of_recordings(&paths);
            if settled.is_in_use {
                found.program_list.iter_mut().for_each(|program| program.running = true);
            }
            let file_bytes = recordings.iter().map(|recording| recording.file_bytes).sum();
            listed(&found, settled.folder.as_deref(), file_bytes)
        }
    };
    text.lines().map(str::to_owned).collect()
}

/// Prints lines on stderr, marked as ours. A stderr that cannot be written to is no reason to fail.
pub(super) fn print_lines(lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("tm: {line}\n")).collect();
    let _ = io::stderr().write_all(text.as_bytes());
}

fn listed(found: &Programs, folder: Option<&Path>, file_bytes: u64) -> String {
    let file = size(file_bytes);
    let mut text = match (&found.program_list[..], folder) {
        ([only], None) if found.problems.is_empty() => {
            let place = shown(Path::new(&only.recording));
            let notes: String = found.notes.iter().map(|note| format!("  {}\n", printable(note))).collect();
            format!("recorded process {} in {place} ({file})\n  {}\n{notes}", only.pid, sentence(only))
        }
        (list, folder) => {
            let place = folder.map(|folder| format!(" in {}", shown(folder))).unwrap_or_default();
            format!("recorded{place} ({file}): {}\n", report::sentence(list))
                + &report::table(found, Some(N_LISTED_MAX), &STYLE)
        }
    };
    let first = found.program_list.first().map(|program| Path::new(&program.recording));
    if let Some(path) = folder.or(first) {
        text += &format!("next: tmtool stats {}\n", quoted(&shown(path)));
    }
    text
}

fn sentence(program: &ProgramInfo) -> String {
    let ProgramInfo { allocations, reallocations, frees, lost_events, .. } = *program;
    if allocations + reallocations + frees + lost_events == 0 {
        return "nothing: the program called no allocation function (has it an allocator of its own?)"
            .to_owned();
    }
    let lost = match lost_events {
        0 => "nothing lost".to_owned(),
        lost => format!("{} events LOST (see tmtool info)", count(lost)),
    };
    format!(
        "{}, {}, {}; peak {}; live at the end {} in {}; {lost}",
        counted(allocations, "allocation"),
        counted(reallocations, "reallocation"),
        counted(frees, "free"),
        size(program.peak_bytes),
        size(program.live_bytes_at_end),
        counted(program.live_blocks_at_end, "block"),
    )
}

fn nothing_recorded(environment: &Environment, ending: Ending) -> String {
    if environment.is_disabled {
        return "nothing recorded: TM_DISABLE=1 is set".to_owned();
    }
    let end = match ending {
        Ending::Exited(status) => format!("the program exited with status {status}"),
        Ending::Signal(signal) => format!("signal {signal} ended the program"),
    };
    format!(
        "nothing recorded: {end}, and no recording of this run is at {}\n\
         either libtm.so could not write there (it says so in a line of its own), or it was never loaded: the program \
         ended before its first instruction, or something dropped LD_PRELOAD (env -i, sudo, a static launcher)",
        environment.output.display()
    )
}

/// The path as the user would write it here.
fn shown(path: &Path) -> String {
    let folder = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&folder).unwrap_or(path).display().to_string()
}

/// As a word of a shell command.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn size(bytes: u64) -> String {
    format_size(bytes as f64, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, peak_bytes: u64) -> ProgramInfo {
        ProgramInfo {
            recording: format!("/x/{name}.bin"),
            program: format!("/bin/{name}"),
            pid: 42,
            allocations: 1_234_567,
            reallocations: 12,
            frees: 1_234_000,
            peak_bytes,
            live_bytes_at_end: 600,
            live_blocks_at_end: 567,
            ..ProgramInfo::default()
        }
    }

    #[test]
    fn a_recording_is_two_lines_and_the_next_command() {
        let expected = "recorded process 42 in /x/my file.bin (5120 KiB)\n  \
             1,234,567 allocations, 12 reallocations, 1,234,000 frees; peak 12.3 MiB; \
             live at the end 600 B in 567 blocks; nothing lost\n\
             \x20 Executed programs that are static cannot be recorded: /x.\n\
             next: tmtool stats '/x/my file.bin'\n";
        let programs = Programs {
            program_list: vec![program("my file", 12_900_000)],
            notes: vec!["Executed programs that are static cannot be recorded: /x.".to_owned()],
            ..Programs::default()
        };
        assert_eq!(listed(&programs, None, 5 << 20), expected);
    }

    #[test]
    fn many_recordings_are_a_short_table_with_what_cannot_be_read() {
        let program_list = (0..40).rev().map(|n| program(&format!("p{n}"), n << 20)).collect();
        let programs = Programs { program_list, problems: vec!["damaged".to_owned()], ..Programs::default() };
        let text = listed(&programs, Some(Path::new("/x/run")), 5 << 20);
        assert!(
            text.starts_with(
                "recorded in /x/run (5120 KiB): 40 programs, 49,382,680 allocations of 0 B; nothing lost\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("Warning: damaged\nnext: tmtool stats /x/run\n"), "{text}");
        assert!(text.lines().count() <= N_LISTED_MAX + 7, "{text}");
        // Under names of the user's own, the next command is for the first of them.
        assert!(listed(&programs, None, 1).ends_with("next: tmtool stats /x/p39.bin\n"));
    }

    #[test]
    fn losses_and_emptiness_are_said() {
        let none = ProgramInfo::default();
        assert!(sentence(&none).starts_with("nothing: the program called no allocation function"));
        assert!(sentence(&ProgramInfo { lost_events: 1000, ..none }).contains("1,000 events LOST"));
    }

    #[test]
    fn the_reason_for_no_recording_is_given() {
        let mut environment = Environment {
            preload: "".into(),
            output: "/x/%p".into(),
            run: 1,
            python_objects: false,
            sample_rate: None,
            limit: None,
            is_disabled: false,
        };
        let text = nothing_recorded(&environment, Ending::Signal(9));
        assert!(text.contains("signal 9 ended the program") && text.contains("/x/%p"), "{text}");
        environment.is_disabled = true;
        assert!(nothing_recorded(&environment, Ending::Exited(0)).contains("TM_DISABLE=1"));
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0, 10239, 10240, 5 << 20, 3 << 40].map(size),
            ["0 B", "10239 B", "10.0 KiB", "5120 KiB", "3072 GiB"]
        );
    }
}
