//! What `tmtool run` says in the end, on stderr: each recording in two lines, and what to do next.

use std::io::{self, Write};
use std::path::Path;

use super::Totals;
use super::child::Ending;
use super::environment::Environment;
use super::recordings::Recording;
use crate::error::Result;
use crate::model::format_size;
use crate::report::human::printable;

/// How many recordings are listed: the totals of each take a pass over it.
const N_LISTED_MAX: usize = 20;

/// The summary of a run.
pub(super) fn lines(
    recordings: &[Recording],
    environment: &Environment,
    ending: Ending,
    totals: impl Fn(&Path) -> Result<Totals>,
) -> Vec<String> {
    let text = match recordings {
        [] => nothing_recorded(environment, ending),
        recordings => listed(recordings, totals),
    };
    text.lines().map(str::to_owned).collect()
}

/// Prints lines on stderr, marked as ours. A stderr that cannot be written to is no reason to fail.
pub(super) fn print_lines(lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("tm: {line}\n")).collect();
    let _ = io::stderr().write_all(text.as_bytes());
}

fn listed(recordings: &[Recording], totals: impl Fn(&Path) -> Result<Totals>) -> String {
    let mut text = String::new();
    for recording in recordings.iter().take(N_LISTED_MAX) {
        let Recording { path, pid, file_bytes } = recording;
        text += &format!("recorded process {pid} in {} ({})\n", shown(path), size(*file_bytes));
        match totals(path) {
            Ok(totals) => {
                text += &format!("  {}\n", sentence(&totals));
                totals.notes.iter().for_each(|note| text += &format!("  {}\n", printable(note)));
            }
            Err(error) => text += &format!("  {error}\n"),
        }
    }
    let n_more = recordings.len().saturating_sub(N_LISTED_MAX);
    if n_more > 0 {
        text += &format!("and {n_more} more recordings beside these\n");
    }
    if let Some(recording) = most_telling(recordings) {
        text += &format!("next: tmtool stats {}\n", quoted(&shown(&recording.path)));
    }
    text
}

/// The largest, the first of equals: the program that was started is often a wrapper that only finds another one (`env`,
/// `sh`, `make`, a version manager's).
fn most_telling(recordings: &[Recording]) -> Option<&Recording> {
    recordings.iter().rev().max_by_key(|recording| recording.file_bytes)
}

fn sentence(totals: &Totals) -> String {
    let &Totals { allocations, reallocations, frees, lost_events, .. } = totals;
    if allocations + reallocations + frees + lost_events == 0 {
        return "nothing: the program called no allocation function (has it an allocator of its own?)"
            .to_owned();
    }
    let lost = match lost_events {
        0 => "nothing lost".to_owned(),
        lost => format!("{} events LOST (see tmtool info)", grouped(lost)),
    };
    format!(
        "{} allocations, {} reallocations, {} frees; peak {}; live at the end {} in {} blocks; {lost}",
        grouped(allocations),
        grouped(reallocations),
        grouped(frees),
        size(totals.peak_bytes),
        size(totals.live_bytes_at_end),
        grouped(totals.live_blocks_at_end),
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

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    format_size(bytes as f64, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn recording(name: &str) -> Recording {
        Recording { path: name.into(), pid: 42, file_bytes: 5 << 20 }
    }

    #[test]
    fn a_recording_is_two_lines_and_the_next_command() {
        let totals = Totals {
            allocations: 1_234_567,
            reallocations: 12,
            frees: 1_234_000,
            peak_bytes: 12_900_000,
            live_bytes_at_end: 600,
            live_blocks_at_end: 567,
            lost_events: 0,
            notes: vec!["Executed programs that are static cannot be recorded: /x.".to_owned()],
        };
        let expected = "recorded process 42 in /x/my file.bin (5120 KiB)\n  \
             1,234,567 allocations, 12 reallocations, 1,234,000 frees; peak 12.3 MiB; \
             live at the end 600 B in 567 blocks; nothing lost\n\
             \x20 Executed programs that are static cannot be recorded: /x.\n\
             next: tmtool stats '/x/my file.bin'\n";
        assert_eq!(listed(&[recording("/x/my file.bin")], |_| Ok(totals.clone())), expected);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_the_list_is_bounded() {
        let recordings: Vec<Recording> = (0..25).map(|n| recording(&format!("/x/{n}.bin"))).collect();
        let text = listed(&recordings, |_| Err(Error::Message("damaged".to_owned())));
        assert_eq!(text.matches("  damaged\n").count(), N_LISTED_MAX);
        assert!(text.contains("and 5 more recordings"));
    }

    #[test]
    fn the_next_command_is_for_the_largest_recording() {
        let mut recordings: Vec<Recording> = ["env", "python", "worker"].map(recording).into();
        recordings[0].file_bytes = 24 << 10;
        let text = listed(&recordings, |_| Ok(Totals::default()));
        assert!(text.starts_with("recorded process 42 in env") && text.ends_with("stats python\n"), "{text}");
    }

    #[test]
    fn losses_and_emptiness_are_said() {
        assert!(
            sentence(&Totals::default()).starts_with("nothing: the program called no allocation function")
        );
        assert!(sentence(&Totals { lost_events: 1000, ..Totals::default() }).contains("1,000 events LOST"));
    }

    #[test]
    fn the_reason_for_no_recording_is_given() {
        let mut environment =
            Environment { preload: "".into(), output: "/x/%p".into(), run: 1, is_disabled: false };
        let text = nothing_recorded(&environment, Ending::Signal(9));
        assert!(text.contains("signal 9 ended the program") && text.contains("/x/%p"), "{text}");
        environment.is_disabled = true;
        assert!(nothing_recorded(&environment, Ending::Exited(0)).contains("TM_DISABLE=1"));
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 1_000_000].map(grouped), ["0", "999", "1,000", "1,000,000"]);
        assert_eq!(
            [0, 10239, 10240, 5 << 20, 3 << 40].map(size),
            ["0 B", "10239 B", "10.0 KiB", "5120 KiB", "3072 GiB"]
        );
    }
}
