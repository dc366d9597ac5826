//! Pages of text: the stack of a row, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::report::parts::human::{counted, size};
use crate::report::parts::{stacks, style};
use crate::watch::data::sample::{LargestStack, Sample};
use crate::watch::ui::keys::{HELP, HELP_COLUMNS};
use crate::watch::ui::view::{Page, View};
use tm_analyzer::text::LineSource;

const KEYS_WIDTH: usize = 28;

/// All lines of the page, without its heading; none of a table.
pub fn lines(view: &View, sample: &Sample, width: u16, source: &mut dyn LineSource) -> Vec<String> {
    match &view.page {
        Page::Sites | Page::Threads => Vec::new(),
        Page::Stack { stack, .. } => stack_lines(stack, sample.traceback_limit, width.into(), source),
        Page::Help { .. } => help_lines(sample),
    }
}

/// Draws those that there is room for.
pub fn draw(buffer: &mut Buffer, area: Rect, view: &View, lines: &[String]) {
    let (heading, top) = match &view.page {
        Page::Stack { title, top, .. } => (title.as_str(), *top),
        Page::Help { top } => ("Keys", *top),
        Page::Sites | Page::Threads => return,
    };
    buffer.set_stringn(area.x, area.y, heading, area.width.into(), Modifier::BOLD);
    for (line, y) in lines.iter().skip(top).zip(area.y + 1..area.bottom()) {
        buffer.set_stringn(area.x, y, line, area.width.into(), Style::new());
    }
}

fn stack_lines(
    stack: &LargestStack,
    traceback_limit: u32,
    width: usize,
    source: &mut dyn LineSource,
) -> Vec<String> {
    let LargestStack { traceback, figures, n_stacks } = stack;
    let amount = format!("{} in {}", size(figures.live.bytes), counted(figures.live.count, "block"));
    let allocated = counted(figures.allocated.count, "allocation");
    let which = match n_stacks {
        1 => "the only stack".to_owned(),
        n => format!("the largest of {}", counted(*n, "stack")),
    };
    let mut lines = vec![format!("{amount}, {allocated} so far: {which}")];
    let style = style::Style { width: Some(width), ..style::Style::default() };
    let text = stacks::text(traceback, traceback_limit, &style, source);
    lines.extend(text.lines().map(str::to_owned));
    lines
}

fn help_lines(sample: &Sample) -> Vec<String> {
    let mut lines: Vec<String> =
        HELP.iter().map(|(keys, what)| format!("{keys:<KEYS_WIDTH$}  {what}")).collect();
    lines.push(String::new());
    lines.extend(
        HELP_COLUMNS.iter().map(|(column, what)| format!("{:<KEYS_WIDTH$}  {what}", column.heading())),
    );
    if !sample.facts.notes.is_empty() {
        lines.push(String::new());
        lines.extend(sample.facts.notes.iter().map(|note| crate::report::parts::human::printable(note)));
    }
    lines
}
