//! Folded stacks: `outermost;...;innermost VALUE`, a line each, as flamegraph.pl and its descendants take them.

use std::io::{self, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::frames::{UNKNOWN, flame_name};
use super::measure::Measure;
use super::{Format, Needs, Sites, Writer};
use crate::tree::Outer;
use tm_analyzer::model::{ActivityProfile, Frame};

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "folded",
    suffix: ".folded",
    purpose: "Folded stacks for flame graphs: flamegraph.pl, inferno, speedscope, Perfetto, Pyroscope",
    loses: "all figures but one (--measure), lines, tags and addresses",
    next: "flamegraph.pl --countname=bytes {} > flame.svg",
    needs: Needs::Moment,
    takes_measure: true,
    counts_samples: false,
    is_text: true,
    is_like,
    write: Writer::Sites(write),
};

/// Writes a line for each stack of different names that has any of the figure.
///
/// # Errors
/// Those of `out`.
pub fn write(sites: &Sites<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut stacks = Stacks::default();
    stacks.add(sites.activity, sites.measure, |sum: &mut u64| sum);
    for (line, sum) in stacks.lines() {
        writeln!(out, "{line} {sum}")?;
    }
    Ok(())
}

/// Sums by the names of frames, from the outermost on.
#[derive(Debug, Default)]
pub(super) struct Stacks<V> {
    names: Vec<String>,
    /// The numbers of names.
    of_name: FxHashMap<String, u32>,
    of_frame: FxHashMap<usize, u32>,
    sums: FxHashMap<Vec<u32>, V>,
}

impl<V: Default> Stacks<V> {
    /// Adds the figure of each site to the part of its sum that `part` says.
    pub(super) fn add(
        &mut self,
        activity: &ActivityProfile,
        measure: Measure,
        part: impl Fn(&mut V) -> &mut u64,
    ) {
        let mut outer = Outer::default();
        let mut stacks = activity.stacks.walk();
        for row in &activity.rows {
            let (frames, value) = (stacks.next_stack().frames, measure.of(activity, &row.amount));
            if value > 0 {
                let stack = outer.of_frames(frames, |_, frame| self.number(frame)).collect();
                let sum = part(self.sums.entry(stack).or_default());
                *sum = sum.saturating_add(value);
            }
        }
        // Frames of another file may have the addresses of these.
        self.of_frame.clear();
    }

    /// Frames are shared, so each is named once.
    fn number(&mut self, frame: &Arc<Frame>) -> u32 {
        let Stacks { names, of_name, of_frame, .. } = self;
        *of_frame.entry(Arc::as_ptr(frame).addr()).or_insert_with(|| {
            *of_name.entry(escaped(frame)).or_insert_with_key(|name| {
                names.push(name.clone());
                (names.len() - 1) as u32
            })
        })
    }

    /// All lines without their sums, and these; by name.
    pub(super) fn lines(&self) -> impl Iterator<Item = (String, &V)> {
        self.sorted().into_iter().map(|(stack, sum)| (self.line(stack), sum))
    }

    /// All stacks and their sums, by name: those that begin alike are together.
    pub(super) fn sorted(&self) -> Vec<(&[u32], &V)> {
        let mut stacks: Vec<(&[u32], &V)> = self.sums.iter().map(|(stack, sum)| (&stack[..], sum)).collect();
        stacks.sort_by(|(a, _), (b, _)| {
            a.iter().map(|&name| self.name(name)).cmp(b.iter().map(|&name| self.name(name)))
        });
        stacks
    }

    /// The line of a stack.
    pub(super) fn line(&self, stack: &[u32]) -> String {
        match stack {
            [] => UNKNOWN.to_owned(),
            stack => stack.iter().map(|&name| self.name(name)).collect::<Vec<_>>().join(";"),
        }
    }

    fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }
}

/// The name of a frame with nothing in it that ends it: a semicolon, or at its end what looks like a value.
fn escaped(frame: &Frame) -> String {
    let mut name = flame_name(frame).replace(';', "\\x3b");
    let before = name.trim_end_matches(|digit: char| digit.is_ascii_digit() || digit == '.').len();
    if before < name.len() && name.get(..before).is_some_and(|start| start.ends_with(' ')) {
        name.replace_range(before - 1..before, "_");
    }
    name
}

fn is_like(start: &[u8]) -> bool {
    let is_stack = |line: &[u8]| {
        let value = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
        value.len() < line.len() && !value.is_empty() && value.iter().all(u8::is_ascii_digit)
    };
    // The last line may be cut.
    let end = start.iter().rposition(|&byte| byte == b'\n');
    let lines = end.and_then(|end| start.get(..end));
    lines.is_some_and(|lines| lines.split(|&byte| byte == b'\n').all(is_stack))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::{activity, frame};

    #[test]
    fn a_stack_is_a_line_and_names_end_none() {
        let activity = activity(&[
            (&[frame("main", "a.c", 1), frame("f;g\nh", "a.c", 2)], None, 10),
            (&[frame("main", "a.c", 1), frame("f;g\nh", "a.c", 3)], None, 5),
            (&[frame("main", "a.c", 1), frame("new 12", "a.c", 2)], Some("t"), 5),
            (&[], None, 7),
        ]);
        let text = |measure| {
            let (mut out, sites) = (Vec::new(), Sites { activity: &activity, before: None, measure });
            write(&sites, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let live = text(Measure::LiveBytes);
        assert_eq!(live, "<unknown> 7\nmain;f\\x3bg\\nh 15\nmain;new_12 5\n");
        assert!(text(Measure::Allocations).starts_with("<unknown> 2\n"));
        assert!(is_like(live.as_bytes()) && !is_like(b"notes\n") && !is_like(b""));
        assert!(!is_like(b"total 12\nand notes\n") && is_like(b"a;b 1\nc;d") && !is_like(b"a;b 1"));
    }
}
