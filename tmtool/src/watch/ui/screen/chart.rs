//! The live bytes of the last minutes as columns, newest to the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::widgets::{RenderDirection, Sparkline, Widget};

use crate::report::parts::human::size;
use crate::watch::data::history::{History, STEP_NS};

/// The room for the scale: `13.6 MiB |`.
const SCALE_WIDTH: u16 = 10;

/// Draws it, with its scale to the left: 0 is the lower end.
pub fn draw(buffer: &mut Buffer, area: Rect, history: &History) {
    let chart = Rect {
        x: area.x + SCALE_WIDTH.min(area.width),
        width: area.width.saturating_sub(SCALE_WIDTH),
        ..area
    };
    if chart.width < 2 || chart.height < 1 {
        return;
    }
    let mut columns = history.columns(chart.width.into());
    let highest = columns.iter().copied().max().unwrap_or(0);
    let time = time(history.steps_a_column(chart.width.into()) as u64 * columns.len() as u64);
    // The upper end, how far back the left end is, and the lower end.
    let scale = [(area.bottom() - 1, "0".to_owned()), (area.y + 1, time), (area.y, size(highest))];
    for (y, text) in scale {
        if y < area.bottom() {
            buffer.set_stringn(area.x, y, format!("{text:>8}"), 8, Style::new());
        }
    }
    for y in area.y..area.bottom() {
        buffer.set_string(area.x + 9, y, "|", Style::new());
    }
    columns.reverse();
    Sparkline::default()
        .data(columns)
        .max(highest.max(1))
        .direction(RenderDirection::RightToLeft)
        .style(Style::new().fg(Color::Cyan))
        .render(chart, buffer);
}

/// How long ago `n_steps` steps began, in at most eight characters: `← 12 s`, `← 4.5min`.
fn time(n_steps: u64) -> String {
    let seconds = n_steps as f64 * STEP_NS as f64 / 1e9;
    if seconds < 100.0 { format!("← {seconds:.0} s") } else { format!("←{:.1}min", seconds / 60.0) }
}
