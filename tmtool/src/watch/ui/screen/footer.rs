//! The last line: what to press, or what is being typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::report::parts::human::printable;
use crate::watch::ui::view::{Page, View};
use tm_analyzer::replay::MemoryKind;

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, view: &View) {
    if area.height == 0 {
        return;
    }
    let style = Style::new().add_modifier(Modifier::DIM);
    if view.is_typing {
        let text = format!("/{}_", printable(&view.order.filter));
        buffer.set_stringn(area.x, area.y, text, area.width.into(), Modifier::BOLD);
        return;
    }
    let keys = match view.page {
        Page::Sites => "? help  q quit  Enter stack  < > order  r reverse  g group  / filter  t threads",
        Page::Threads => "? help  q quit  < > order  r reverse  / filter  t sites  p pause",
        Page::Stack { .. } | Page::Help { .. } => "q quit  Esc back  Up Down PgUp PgDn scroll",
    };
    let mut text = String::new();
    if view.memory_kind == MemoryKind::Mappings {
        text += "[mappings]  ";
    }
    if !view.order.filter.is_empty() {
        text += &format!("[/{}]  ", printable(&view.order.filter));
    }
    let (x, _) = buffer.set_stringn(area.x, area.y, text, area.width.into(), Modifier::BOLD);
    buffer.set_stringn(x, area.y, keys, area.right().saturating_sub(x).into(), style);
}
