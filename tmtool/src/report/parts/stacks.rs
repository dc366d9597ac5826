//! Printed tracebacks: tracemalloc's lines, with function names, and recursion told in one line.

use super::human::{printable, source_line, width};
use super::label;
use super::style::Style;
use tm_analyzer::model::{DoubtKind, Frame, Traceback};
use tm_analyzer::text::LineSource;
use tm_analyzer::text::function_name::without_parameters;

/// A frame that follows itself is printed this often, as in Python's own tracebacks.
const REPEATS_SHOWN: usize = 3;
const IN: &str = ", in ";

/// The frames of `traceback`, most recent last, each on one line and its source line, if `source` has it, on another.
/// `traceback_limit` is the most frames that were kept, to tell where older ones may be missing.
/// Paths are whole, since they are there to be opened.
pub fn text(
    traceback: &Traceback,
    traceback_limit: u32,
    style: &Style,
    source: &mut dyn LineSource,
) -> String {
    let mut text = String::new();
    let frames = traceback.frames();
    if frames.is_empty() {
        return "  (the stack is not known)\n".to_owned();
    }
    if frames.len() as u64 >= u64::from(traceback_limit) {
        text += &format!("  (at most {traceback_limit} frames were kept)\n");
    }
    for doubt in traceback.doubts().iter().filter(|doubt| matches!(doubt.kind, DoubtKind::Ended(_))) {
        text += &format!("  (this is not the outermost frame: such stacks {})\n", printable(&doubt.clause()));
    }
    if traceback.doubts().iter().any(|doubt| doubt.kind == DoubtKind::PythonPlace) {
        text += "  (which native frames the Python frames ran in is not certain)\n";
    }
    for run in frames.chunk_by(|a, b| a == b && a.function == b.function && a.is_guessed() == b.is_guessed())
    {
        for frame in run.iter().take(REPEATS_SHOWN) {
            text += &frame_text(frame, style, source);
        }
        match run.len().saturating_sub(REPEATS_SHOWN) {
            0 => {}
            1 => text += "  [Previous line repeated 1 more time]\n",
            more => text += &format!("  [Previous line repeated {more} more times]\n"),
        }
    }
    text
}

fn frame_text(frame: &Frame, style: &Style, source: &mut dyn LineSource) -> String {
    let mut place = format!("  File \"{}\"", printable(&frame.filename));
    if frame.lineno != 0 {
        place += &format!(", line {}", frame.lineno);
    }
    let function = label::function(frame, style.is_full);
    let room = style.width.map(|columns| columns.saturating_sub(width(&place) + IN.len()));
    let mut text = place;
    if let Some(function) = function {
        let fits = style.is_full || room.is_none_or(|room| width(&function) <= room);
        text += &format!("{IN}{}", if fits { function } else { without_parameters(&function) });
    }
    text += if frame.is_guessed() { " (guessed)\n" } else { "\n" };
    let line = source.line(&frame.filename, frame.lineno).unwrap_or_default();
    if !line.trim().is_empty() {
        text += &format!("    {}\n", source_line(&line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_common::stack::{EndReason, FrameKind};

    use tm_analyzer::model::Doubt;
    use tm_analyzer::text::NoLines;

    fn frame(filename: &str, lineno: u32, function: &str) -> Frame {
        Frame { function: Some(function.into()), ..Frame::new(filename, lineno) }
    }

    #[test]
    fn frames_have_functions_and_source() {
        let frames = vec![frame("libc.so.6+0x1234", 0, "strdup"), frame("a.c", 7, "main")];
        let mut source = |name: &str, line: u32| (name == "a.c").then(|| format!("\tline {line}"));
        assert_eq!(
            text(&Traceback::new(frames, None), 16, &Style::default(), &mut source),
            "  File \"a.c\", line 7, in main\n    line 7\n  File \"libc.so.6+0x1234\", in strdup\n"
        );
    }

    #[test]
    fn guesses_and_ends_are_marked() {
        let guessed = Frame { kind: FrameKind::Guessed, ..frame("a.c", 7, "main") };
        let end = Doubt { kind: DoubtKind::Ended(EndReason::NoTable), module: Some("/x/liba.so".into()) };
        let traceback = Traceback::new(vec![frame("a.c", 9, "leaf"), guessed], None).with_doubts(vec![end]);
        assert_eq!(
            text(&traceback, 16, &Style::default(), &mut NoLines),
            "  (this is not the outermost frame: such stacks end in liba.so, which has no unwind table)\n  \
             File \"a.c\", line 7, in main (guessed)\n  File \"a.c\", line 9, in leaf\n"
        );
    }

    #[test]
    fn python_frames_whose_place_is_not_certain_are_marked() {
        let python = Frame { kind: FrameKind::Python, ..frame("a.py", 7, "Table.f.<locals>.<listcomp>") };
        let doubt = Doubt { kind: DoubtKind::PythonPlace, module: None };
        let traceback = Traceback::new(vec![python], None).with_doubts(vec![doubt]);
        assert_eq!(
            text(&traceback, 16, &Style::default(), &mut NoLines),
            "  (which native frames the Python frames ran in is not certain)\n  \
             File \"a.py\", line 7, in Table.f.<locals>.<listcomp>\n"
        );
    }

    #[test]
    fn deep_recursion_is_one_line() {
        let mut frames = vec![frame("a.c", 3, "walk"); 1_000];
        frames.push(frame("a.c", 9, "main"));
        assert_eq!(
            text(&Traceback::new(frames, None), 1_001, &Style::default(), &mut NoLines),
            "  (at most 1001 frames were kept)\n  File \"a.c\", line 9, in main\n  File \"a.c\", line 3, in walk\n  \
             File \"a.c\", line 3, in walk\n  File \"a.c\", line 3, in walk\n  \
             [Previous line repeated 997 more times]\n"
        );
    }
}
