//! The lines above the chart: which program, how it is, what it holds, what cannot be relied upon.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::report::human::{count, counted, duration, keep_end, keep_start, printable, size};
use crate::watch::sample::{Facts, State};
use crate::watch::view::View;

/// The first two lines in full, the others behind words of this width.
const WORD_WIDTH: usize = 8;
/// More notes are not shown: the table is what the user came for.
const N_NOTES_MAX: usize = 2;
const PROGRAM_WIDTH_MIN: usize = 16;

/// How many lines it takes.
pub fn height(facts: &Facts) -> u16 {
    5 + facts.notes.len().min(N_NOTES_MAX) as u16
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, view: &View, facts: &Facts) {
    let mut lines = vec![program(view, facts, area.width.into()), recording(facts, area.width.into())];
    lines.extend(amounts(facts).into_iter().map(|(word, text)| {
        Line::from(vec![Span::styled(format!("{word:<WORD_WIDTH$}"), Modifier::BOLD), Span::raw(text)])
    }));
    let note = Style::new().fg(Color::Yellow);
    lines.extend(facts.notes.iter().take(N_NOTES_MAX).map(|it| Line::styled(printable(it), note)));
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// `./server --port 80  pid 4321  running 12.3 s                  every 1 s`
fn program(view: &View, facts: &Facts, width: usize) -> Line<'static> {
    let (state, colour) = state(facts);
    let pace = if view.is_paused { "paused".to_owned() } else { format!("every {}", pace(view)) };
    let facts_text = format!("  pid {}  ", facts.pid);
    let elapsed = format!(" {}", duration(facts.elapsed_ns));
    let others = facts_text.len() + state.len() + elapsed.len() + 2 + pace.len();
    let room = width.saturating_sub(others).max(PROGRAM_WIDTH_MIN);
    let program = keep_start(&printable(&facts.program), room);
    let gap = (width + 2).saturating_sub(program.chars().count() + others).max(2);
    Line::from(vec![
        Span::styled(program, Modifier::BOLD),
        Span::raw(facts_text),
        Span::styled(state, Style::new().fg(colour).add_modifier(Modifier::BOLD)),
        Span::raw(elapsed),
        Span::raw(" ".repeat(gap)),
        Span::styled(pace, if view.is_paused { Modifier::REVERSED } else { Modifier::empty() }),
    ])
}

/// One word on how it is.
fn state(facts: &Facts) -> (&'static str, Color) {
    match facts.state {
        State::Running => ("running", Color::Green),
        State::Idle => ("not recording", Color::Yellow),
        State::Ended => ("ended after", Color::Red),
    }
}

fn pace(view: &View) -> String {
    let seconds = view.interval.as_secs_f64();
    format!("{seconds} s")
}

/// `server.bin, 12.0 MiB; no event lost; 2 threads`
fn recording(facts: &Facts, width: usize) -> Line<'static> {
    let lost = match facts.n_lost {
        0 => "; nothing lost".to_owned(),
        n => format!("; {} lost", counted(n, "event")),
    };
    let rest = format!(", {}{lost}; {}", size(facts.recording_bytes), counted(facts.n_threads, "thread"));
    let name = keep_end(&printable(&facts.recording), width.saturating_sub(rest.len()));
    let style = if facts.n_lost > 0 { Style::new().fg(Color::Yellow) } else { Style::new() };
    Line::styled(name + &rest, style)
}

/// What lives and what happens: a word, and the rest of its line.
pub fn amounts(facts: &Facts) -> [(&'static str, String); 3] {
    let live = format!("{} in {}", size(facts.live.bytes), counted(facts.live.blocks, "block"));
    let peak = format!("{} in {}", size(facts.peak.bytes), count(facts.peak.blocks));
    let live = format!("{live}; peak {peak}, at {}", duration(facts.peak_ns));
    let mapped = format!("{} in {}", size(facts.mapped.bytes), counted(facts.mapped.blocks, "piece"));
    let peak = format!("{} in {}", size(facts.mapped_peak.bytes), count(facts.mapped_peak.blocks));
    let mapped = format!("{mapped}; peak {peak}");
    let lately = &facts.lately;
    let (events, bytes) = (lately.a_second(lately.n_events), lately.a_second(lately.n_bytes));
    let so_far = if lately.is_first { ", on average so far" } else { "" };
    let rate = format!("{} events/s, {}/s allocated{so_far}", count(events), size(bytes));
    [("Live", live), ("Mapped", mapped), ("Rate", rate)]
}
