//! A flame graph as a picture that is searched and zoomed in a browser, of one file or of what is different in another.

use std::io::{self, Write};

use inferno::flamegraph::color::{BackgroundColor, BasicPalette, Color, Palette};
use inferno::flamegraph::{self, Options};

use super::folded::Stacks;
use super::frames::clean;
use super::{Format, Needs, Sites, Writer};
use tm_analyzer::model::ActivityProfile;

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "svg",
    suffix: ".svg",
    purpose: "A flame graph for any browser; of two files or moments (OLD NEW), of NEW in the colours of what grew and shrank",
    loses: "all figures but one (--measure), lines, tags, and what is less than a ten-thousandth; of two, what is gone in NEW",
    next: "xdg-open {}",
    needs: Needs::Moment,
    takes_measure: true,
    counts_samples: false,
    is_text: true,
    is_like,
    write: Writer::Difference(write),
};

/// What is narrower is no rectangle, in percent.
const WIDTH_MIN_PERCENT: f64 = 0.01;
const BACKGROUND: Color = Color { r: 0xf8, g: 0xf8, b: 0xf8 };

/// Writes the picture.
///
/// # Errors
/// Those of `out`, and a file that has nothing to be shown.
pub fn write(sites: &Sites<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut stacks: Stacks<[u64; 2]> = Stacks::default();
    if let Some(before) = sites.before {
        stacks.add(before, sites.measure, |[old, _]| old);
    }
    stacks.add(sites.activity, sites.measure, |[_, new]| new);
    let is_difference = sites.before.is_some();
    let lines: Vec<String> = match is_difference {
        true => stacks.lines().map(|(stack, [old, new])| format!("{stack} {old} {new}")).collect(),
        false => drawn(&stacks),
    };
    if lines.is_empty() {
        let words = sites.measure.words(sites.activity);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there are no {words} to be shown")));
    }
    let mut options = options(sites);
    let failed = |error: io::Error| io::Error::new(error.kind(), error.to_string());
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out).map_err(failed)
}

/// The lines of stacks without the frames within one that is too narrow to be drawn: most stacks are, and each is a hundred names.
fn drawn(stacks: &Stacks<[u64; 2]>) -> Vec<String> {
    let sorted = stacks.sorted();
    let sum =
        |all: &[(&[u32], &[u64; 2])]| all.iter().fold(0, |sum: u64, (_, [_, new])| sum.saturating_add(*new));
    // Half of it, so that no rounding decides.
    let narrow = (sum(&sorted) as f64 * WIDTH_MIN_PERCENT / 100.0 / 2.0) as u64;
    let mut lines = Vec::new();
    // Stacks that have the same first frames, and how many these are.
    let mut open = vec![(&sorted[..], 0)];
    while let Some((same, n_frames)) = open.pop() {
        let Some((stack, _)) = same.first() else { continue };
        let sum = sum(same);
        if sum < narrow || same.len() == 1 {
            let n_kept = if sum < narrow { stack.len().min(n_frames) } else { stack.len() };
            if sum > 0 {
                lines.push(format!("{} {sum}", stacks.line(stack.get(..n_kept).unwrap_or_default())));
            }
            continue;
        }
        let next = |(stack, _): &(&[u32], &[u64; 2])| stack.get(n_frames).copied();
        open.extend(same.chunk_by(|one, other| next(one) == next(other)).map(|same| (same, n_frames + 1)));
    }
    lines
}

fn options(sites: &Sites<'_>) -> Options<'static> {
    let mut options = Options::default();
    options.title = clean(&title(sites));
    options.subtitle = Some(clean(&subtitle(sites)));
    options.count_name = if sites.measure.is_bytes() { "bytes" } else { "blocks" }.to_owned();
    options.colors = Palette::Basic(BasicPalette::Mem);
    options.bgcolors = Some(BackgroundColor::Flat(BACKGROUND));
    options.hash = true;
    options.deterministic = true;
    options.min_width = WIDTH_MIN_PERCENT;
    options
}

fn title(sites: &Sites<'_>) -> String {
    let words = sites.measure.words(sites.activity);
    match sites.before {
        Some(_) => format!("{words}: red has grown, blue has shrunk"),
        None => words,
    }
}

fn subtitle(sites: &Sites<'_>) -> String {
    let of = |activity: &ActivityProfile| {
        let origin = activity.origin.clone().unwrap_or_default();
        let words = origin.command_line.join(" ");
        let program = if words.is_empty() { origin.program } else { words };
        format!("{}@{} {program}", origin.recording, origin.moment)
    };
    match sites.before {
        Some(before) => format!("{} -> {}", of(before), of(sites.activity)),
        None => of(sites.activity),
    }
}

/// What stands in each flame graph and in no other picture.
const SIGN: &[u8] = b"<!--Flame graph stack visualization.";

fn is_like(start: &[u8]) -> bool {
    start.starts_with(b"<?xml") && start.windows(SIGN.len()).any(|text| text == SIGN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::measure::Measure;
    use crate::export::testing::{activity, frame};

    fn written(sites: &Sites<'_>) -> String {
        let mut out = Vec::new();
        write(sites, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_text_in_it_and_differences_have_signs() {
        let hostile = "</title><script>alert(\"1\")</script>&\n";
        let old = activity(&[(&[frame("main", "a.c", 1), frame("f", "a.c", 1)], None, 100)]);
        let new = activity(&[
            (&[frame("main", "a.c", 1), frame("f", "a.c", 1)], None, 50),
            (&[frame("main", "a.c", 1), frame(hostile, "a.c", 1)], None, 70),
        ]);
        let measure = Measure::LiveBytes;
        let one = written(&Sites { activity: &new, before: None, measure });
        assert!(is_like(one.as_bytes()), "{one}");
        assert!(!one.contains("<script>alert") && one.contains("&lt;script&gt;alert"), "{one}");
        assert!(one.contains("<title>main (120 bytes, 100.00%)</title>"), "{one}");
        let two = written(&Sites { activity: &new, before: Some(&old), measure });
        assert!(two.contains("red has grown") && two.contains("<title>f (50 bytes"), "{two}");
        let tail = frame("tail", "a.c", 1);
        let wide = [frame("main", "a.c", 1), frame("wide", "a.c", 1)];
        let narrow = [frame("main", "a.c", 1), frame("narrow", "a.c", 1), tail.clone()];
        let both = activity(&[(&wide, None, 1_000_000), (&narrow, None, 2), (&[tail], None, 60_000)]);
        let picture = written(&Sites { activity: &both, before: None, measure });
        assert!(
            !picture.contains("narrow") && picture.contains("<title>main (1,000,002 bytes, 94.34%)"),
            "{picture}"
        );
        assert!(picture.contains("<title>tail (60,000 bytes"), "{picture}");
        let none = activity(&[]);
        assert!(write(&Sites { activity: &none, before: None, measure }, &mut Vec::new()).is_err());
    }
}
