//! Whole screens, drawn on a terminal that is none.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::*;
use crate::model::{KeyType, NoLines};
use crate::watch::column::Column;
use crate::watch::fixtures;
use crate::watch::sample::State;

/// What is drawn after some keys.
fn terminal(keys: &str, sample: &Sample, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut view = View::new(KeyType::Lineno, Column::Live, Duration::from_secs(1));
    view.update(sample);
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            'v' => KeyCode::Down,
            key => KeyCode::Char(key),
        };
        view.press(KeyEvent::from(code), sample);
    }
    fit(&mut view, sample, Rect::new(0, 0, width, height), &mut NoLines);
    terminal.draw(|frame| draw(frame, &view, sample, &mut NoLines)).unwrap();
    terminal
}

/// The lines of the screen without the spaces at their ends, and without the empty ones before the last.
fn screen(keys: &str, sample: &Sample, size: (u16, u16)) -> String {
    let terminal = terminal(keys, sample, size);
    let buffer = terminal.backend().buffer();
    let line = |y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    let lines: Vec<String> = (0..size.1).map(|y| line(y).trim_end().to_owned()).collect();
    lines.into_iter().filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

const SMALL: (u16, u16) = (80, 24);

#[test]
fn a_table_of_lines_on_a_small_terminal() {
    assert_eq!(
        screen("", &fixtures::sample(), SMALL),
        "\
./server --port 80  pid 4321  running 1 min 00 s                       every 1 s
"
    );
}

#[test]
fn threads_ordered_by_name_and_a_filter_being_typed() {
    assert_eq!(screen("t</work", &fixtures::sample(), SMALL), "");
}

#[test]
fn a_stack_takes_the_chart_away() {
    assert_eq!(screen("v\n", &fixtures::sample(), (60, 16)), "");
}

#[test]
fn the_keys() {
    assert_eq!(screen("?", &fixtures::sample(), (100, 40)), "");
}

#[test]
fn what_cannot_be_relied_upon_is_said() {
    let mut sample = fixtures::sample();
    sample.facts.state = State::Ended;
    sample.facts.n_lost = 3;
    sample.facts.notes = ["One.", "Two\x1b[2J.", "Three."].map(str::to_owned).into();
    sample.sites.clear();
    assert_eq!(screen("mp", &sample, (90, 12)), "");
}

#[test]
fn the_cursor_is_a_whole_line() {
    let terminal = terminal("v", &fixtures::sample(), SMALL);
    let buffer = terminal.backend().buffer();
    let is_reversed = |y| (0..80).all(|x| buffer[(x, y)].modifier.contains(Modifier::REVERSED));
    let lines: Vec<u16> = (0..24).filter(|&y| is_reversed(y)).collect();
    assert_eq!(lines, [11]);
}

/// Nothing panics, and the cursor is on the screen, whatever the size.
#[test]
fn every_size_can_be_drawn() {
    let mut sample = fixtures::sample();
    sample.sites = (0..200).map(|id| fixtures::named(id, "some/file.c", id as u32)).collect();
    for (width, height) in (0..30).map(|n| (n * 7 % 130, n)) {
        for keys in ["", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv", "t", "?", "/a", "v\n"] {
            let terminal = terminal(keys, &sample, (width, height));
            let buffer = terminal.backend().buffer();
            let is_cursor = |x, y| buffer[(x, y)].modifier.contains(Modifier::REVERSED);
            if keys.starts_with("vvv") && height > 8 && width > 0 {
                assert!((0..height).any(|y| is_cursor(0, y)), "{width} {height}");
            }
        }
    }
}
