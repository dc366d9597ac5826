//! Whole screens, drawn on a terminal that is none.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

use super::*;
use crate::model::{KeyType, NoLines};
use crate::watch::column::Column;
use crate::watch::fixtures;
use crate::watch::keys::Action;
use crate::watch::sample::State;

fn view() -> View {
    View::new(KeyType::Lineno, Column::Live, Duration::from_secs(1))
}

fn terminal(view: &mut View, sample: &Sample, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    view.update(sample);
    fit(view, sample, Rect::new(0, 0, width, height), &mut NoLines);
    terminal.draw(|frame| draw(frame, view, sample, &mut NoLines)).unwrap();
    terminal
}

/// The lines of the screen without the spaces at their ends.
fn screen(view: &mut View, sample: &Sample, size: (u16, u16)) -> String {
    let terminal = terminal(view, sample, size);
    let buffer = terminal.backend().buffer();
    let line = |y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..size.1).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

fn press(view: &mut View, sample: &Sample, keys: &[KeyCode]) -> Vec<Action> {
    keys.iter().map(|&code| view.press(KeyEvent::from(code), sample)).collect()
}

#[test]
fn a_table_of_lines_on_a_small_terminal() {
    assert_eq!(screen(&mut view(), &fixtures::sample(), (80, 24)), "");
}
