//! What `tmtool info` says of commands, marks and tags.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::report::parts::human::{count, duration, pad_end, printable};

/// How many of each the text shows.
const N_SHOWN_MAX: usize = 20;

/// The room for a name at the start of a line.
pub(super) const NAME_WIDTH: usize = 16;

/// A start, stop or clear.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct CommandInfo {
    pub process: u32,
    /// `start`, `stop` or `clear`.
    pub kind: &'static str,
    pub at_ns: u64,
    /// For a start: the frames of each stack that are kept from here on.
    pub n_frames: Option<u32>,
    /// Whether another process gave it.
    pub from_outside: bool,
}

/// A moment with a name.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct MarkInfo {
    pub process: u32,
    pub name: String,
    pub at_ns: u64,
    /// Whether another process set it.
    pub from_outside: bool,
}

/// All of them that a recording has.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the types say it")]
pub struct CommandLists {
    pub command_list: Vec<CommandInfo>,
    pub mark_list: Vec<MarkInfo>,
    /// Different names, in alphabetical order.
    pub tag_list: Vec<String>,
}

/// The lists with a heading each; those without entries are left out.
pub(super) fn write(lists: &CommandLists, out: &mut String) -> fmt::Result {
    let commands = lists.command_list.iter().map(|command| {
        let CommandInfo { process, kind, at_ns, n_frames, from_outside } = command;
        let frames = n_frames.map(|n| format!(", {n} frames of each stack")).unwrap_or_default();
        let outside = outside(*from_outside);
        format!("{kind:<NAME_WIDTH$} at {}, process {process}{outside}{frames}", duration(*at_ns))
    });
    section(out, "commands", commands)?;
    let marks = lists.mark_list.iter().map(|mark| {
        let name = pad_end(&printable(&mark.name), NAME_WIDTH);
        let (at, outside) = (duration(mark.at_ns), outside(mark.from_outside));
        format!("{name} at {at}, process {}{outside}", mark.process)
    });
    section(out, "marks", marks)?;
    section(out, "tags", lists.tag_list.iter().map(|tag| printable(tag)))
}

fn outside(from_outside: bool) -> &'static str {
    if from_outside { " from outside" } else { "" }
}

/// The first of `lines` below a heading, and how many there are besides.
pub(super) fn section(
    out: &mut String,
    heading: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    let n_more = lines.len().saturating_sub(N_SHOWN_MAX);
    if lines.len() > 0 {
        writeln!(out, "\n{heading}")?;
    }
    for line in lines.take(N_SHOWN_MAX) {
        writeln!(out, "  {line}")?;
    }
    if n_more > 0 {
        writeln!(out, "  and {} more (--json has all)", count(n_more as u64))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_and_empty_ones_left_out() {
        let mark = |at: u64| MarkInfo {
            process: 0,
            name: format!("m\n{at}"),
            at_ns: at * 1_000_000,
            from_outside: at == 0,
        };
        let start = CommandInfo {
            process: 1,
            kind: "start",
            at_ns: 5_000_000,
            n_frames: Some(9),
            from_outside: true,
        };
        let stop = CommandInfo { process: 0, kind: "stop", at_ns: 0, n_frames: None, from_outside: false };
        let lists = CommandLists {
            command_list: vec![stop, start],
            mark_list: (0..1_025).map(mark).collect(),
            tag_list: Vec::new(),
        };
        let mut text = String::new();
        write(&lists, &mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..6],
            [
                "",
                "commands",
                "  stop             at 0 ns, process 0",
                "  start            at 5.0 ms, process 1 from outside, 9 frames of each stack",
                "",
                "marks",
            ]
        );
        assert!(lines[6].ends_with(" at 0 ns, process 0 from outside"), "{}", lines[6]);
        assert_eq!((lines.len(), lines[26]), (27, "  and 1,005 more (--json has all)"));
    }
}
