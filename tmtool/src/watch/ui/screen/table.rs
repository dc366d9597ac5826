//! The table: headings, rows, the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::report::parts::human::{self, keep_start};
use crate::watch::data::sample::{Row, Sample};
use crate::watch::ui::column::{Cell, Column, name_heading};
use crate::watch::ui::view::View;

const GAP: &str = " ";

/// Draws as many rows as there is room for.
pub fn draw(buffer: &mut Buffer, area: Rect, view: &View, sample: &Sample) {
    let mut lines = (area.y..area.bottom()).zip(std::iter::once(None).chain(places(view).map(Some)));
    if let Some((y, _)) = lines.next() {
        buffer.set_stringn(area.x, y, heading(view, sample), area.width.into(), Modifier::BOLD);
    }
    let rows = view.rows(sample);
    for (y, place) in lines {
        let Some(place) = place else { continue };
        let Some(row) = view.shown.get(place).and_then(|&place| rows.get(place)) else { continue };
        let text = line(row, sample, area.width.into());
        let is_selected = place == view.cursor.place;
        let style = if is_selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        buffer.set_stringn(area.x, y, text, area.width.into(), style);
        if is_selected {
            buffer.set_style(Rect { y, height: 1, ..area }, style);
        }
    }
}

fn places(view: &View) -> impl Iterator<Item = usize> {
    view.cursor.top..view.shown.len()
}

/// The headings; that of the order with an arrow, and behind them how many rows there are.
fn heading(view: &View, sample: &Sample) -> String {
    let arrow = if view.order.is_reversed { '▲' } else { '▼' };
    let marked = |column: Column, text: &str| {
        if column == view.order.column { format!("{arrow}{text}") } else { text.to_owned() }
    };
    let mut text: String = Cell::all(&sample.facts)
        .map(|cell| {
            let heading = match cell {
                Cell::Figure(column) => marked(column, column.heading()),
                Cell::Error => cell.heading().to_owned(),
            };
            format!("{heading:>width$}{GAP}", width = cell.width())
        })
        .collect();
    text += GAP;
    text += &marked(Column::Name, name_heading(sample.key_type, view.are_threads()));
    let n_rows = view.rows(sample).len();
    text + &match view.shown.len() {
        n_shown if n_shown == n_rows => format!(" ({n_rows})"),
        n_shown => format!(" ({n_shown} of {n_rows})"),
    }
}

fn line(row: &Row, sample: &Sample, width: usize) -> String {
    let mut text: String = Cell::all(&sample.facts)
        .map(|cell| format!("{:>width$}{GAP}", cell.text(row, &sample.facts.lately), width = cell.width()))
        .collect();
    text += GAP;
    let room = width.saturating_sub(human::width(&text));
    text + &keep_start(&row.name.text(sample.key_type, Some(room)), room)
}
