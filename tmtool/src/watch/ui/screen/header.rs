//! The lines above the chart: which program, how it is, what it holds, what cannot be relied upon.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::report::parts::human::{self, keep_start, long_duration, printable};
use crate::watch::data::sample::{Facts, State};
use crate::watch::ui::view::View;
use crate::watch::ui::words::{self, WORD_WIDTH};

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
    lines.extend(words::amounts(facts).into_iter().map(|(word, text)| {
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
    let state = words::state(facts.state);
    let pace = if view.is_paused { "paused".to_owned() } else { format!("every {}", pace(view)) };
    let facts_text = format!("  pid {}  ", facts.pid);
    let elapsed = format!(" {}", long_duration(facts.elapsed_ns));
    let others = facts_text.len() + state.len() + elapsed.len() + 2 + pace.len();
    let room = width.saturating_sub(others).max(PROGRAM_WIDTH_MIN);
    let program = keep_start(&printable(&facts.program), room);
    let gap = (width + 2).saturating_sub(human::width(&program) + others).max(2);
    Line::from(vec![
        Span::styled(program, Modifier::BOLD),
        Span::raw(facts_text),
        Span::styled(state, Style::new().fg(state_colour(facts.state)).add_modifier(Modifier::BOLD)),
        Span::raw(elapsed),
        Span::raw(" ".repeat(gap)),
        Span::styled(pace, if view.is_paused { Modifier::REVERSED } else { Modifier::empty() }),
    ])
}

fn state_colour(state: State) -> Color {
    match state {
        State::Running => Color::Green,
        State::Idle => Color::Yellow,
        State::Ended => Color::Red,
    }
}

fn pace(view: &View) -> String {
    let seconds = view.interval.as_secs_f64();
    format!("{seconds} s")
}

/// `server.bin, 12.0 MiB; nothing lost; 2 threads`
fn recording(facts: &Facts, width: usize) -> Line<'static> {
    let colour = if facts.n_lost > 0 { Color::Yellow } else { Color::Reset };
    Line::styled(words::recording(facts, Some(width)), Style::new().fg(colour))
}
