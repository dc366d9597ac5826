//! The screen: what the user has chosen to see of a sample. Data in, cells out.
//!
//! ```text
//!  header   five lines: the program, the recording, what lives
//!  chart    the live bytes of the last minutes
//!  page     the table, a stack or the keys
//!  footer   one line: what to press
//! ```

mod chart;
mod footer;
mod header;
mod table;
mod text;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::view::{Page, View};
use crate::watch::data::sample::Sample;
use tm_analyzer::text::LineSource;

/// A screen with fewer lines has no chart, since the table needs them.
const HEIGHT_WITH_CHART: u16 = 20;
/// The part of the screen that a chart takes.
const CHART_PART: u16 = 5;
const CHART_HEIGHT_MAX: u16 = 10;

/// Where everything is on the screen.
#[derive(Clone, Copy, Debug)]
struct Areas {
    header: Rect,
    chart: Rect,
    page: Rect,
    footer: Rect,
}

impl Areas {
    fn of(screen: Rect, view: &View, sample: &Sample) -> Areas {
        let is_table = matches!(view.page, Page::Sites | Page::Threads);
        let mut left = screen;
        let mut take = |height: u16| {
            let taken = Rect { height: height.min(left.height), ..left };
            left = Rect { y: left.y + taken.height, height: left.height - taken.height, ..left };
            taken
        };
        let header = take(header::height(&sample.facts).min(screen.height.saturating_sub(2)));
        let has_chart = is_table && screen.height >= HEIGHT_WITH_CHART;
        let chart = take(if has_chart { (screen.height / CHART_PART).min(CHART_HEIGHT_MAX) } else { 0 });
        let footer = Rect { y: screen.bottom().saturating_sub(1), height: screen.height.min(1), ..screen };
        let page = Rect { height: left.height.saturating_sub(1), ..left };
        Areas { header, chart, page, footer }
    }
}

/// Tells `view` how much of it there is room for.
pub fn fit(view: &mut View, sample: &Sample, screen: Rect, source: &mut dyn LineSource) {
    let page = Areas::of(screen, view, sample).page;
    // The first line is a heading.
    let height = usize::from(page.height.saturating_sub(1));
    view.set_height(height);
    let n_lines = text::lines(view, sample, page.width, source).len();
    if let Page::Stack { top, .. } | Page::Help { top } = &mut view.page {
        *top = (*top).min(n_lines.saturating_sub(height));
    }
}

/// Draws all of it. `source` gives the source lines of stacks.
pub fn draw(frame: &mut Frame<'_>, view: &View, sample: &Sample, source: &mut dyn LineSource) {
    let areas = Areas::of(frame.area(), view, sample);
    let buffer = frame.buffer_mut();
    header::draw(buffer, areas.header, view, &sample.facts);
    chart::draw(buffer, areas.chart, &sample.history);
    match view.page {
        Page::Sites | Page::Threads => table::draw(buffer, areas.page, view, sample),
        Page::Stack { .. } | Page::Help { .. } => {
            text::draw(buffer, areas.page, view, &text::lines(view, sample, areas.page.width, source));
        }
    }
    footer::draw(buffer, areas.footer, view);
}

#[cfg(test)]
mod tests;
