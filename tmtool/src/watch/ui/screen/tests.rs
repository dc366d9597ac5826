//! Whole screens, drawn on a terminal that is none.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::*;
use crate::watch::data::sample::State;
use crate::watch::fixtures;
use crate::watch::ui::column::Column;
use tm_analyzer::model::KeyType;
use tm_analyzer::text::NoLines;

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

/// The lines of the screen that are not empty, without the spaces at their ends.
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
server.bin, 12.0 MiB; nothing lost; 2 threads
Live    12.5 MiB in 4,335 blocks; peak 13.4 MiB in 5,000, at 12.30 s
Mapped  30.0 MiB in 41 ranges; peak 32.0 MiB in 44
Rate    61,234 events/s, 2211 KiB/s allocated
11.4 MiB |                                                        ▁▁▂▂▃▃▄▄▅▅▆▆▇█
  ← 60 s |                                         ▁▁▂▂▃▃▄▄▅▅▆▆▇████████████████
         |                          ▁▁▂▂▃▃▄▄▅▅▆▆▇███████████████████████████████
       0 |           ▁▁▂▂▃▃▄▄▅▅▆▆▇██████████████████████████████████████████████
    ▼LIVE   BLOCKS  ALLOCS  ALLOCS/S   BYTES/S  LINE (3)
 12.4 MiB    3,334   3,334       333  1270 KiB  src/b.c:2  second
 60.5 KiB    1,000  10,000     1,000  62.5 KiB  src/a.c:1  first
   1024 B        1    300k    30,000   879 KiB  lib.so+0x10
? help  q quit  Enter stack  < > order  r reverse  g group  / filter  t threads
"
    );
}

#[test]
fn threads_ordered_by_name_and_a_filter_being_typed() {
    assert_eq!(
        screen("t</work", &fixtures::sample(), SMALL),
        "\
./server --port 80  pid 4321  running 1 min 00 s                       every 1 s
server.bin, 12.0 MiB; nothing lost; 2 threads
Live    12.5 MiB in 4,335 blocks; peak 13.4 MiB in 5,000, at 12.30 s
Mapped  30.0 MiB in 41 ranges; peak 32.0 MiB in 44
Rate    61,234 events/s, 2211 KiB/s allocated
11.4 MiB |                                                        ▁▁▂▂▃▃▄▄▅▅▆▆▇█
  ← 60 s |                                         ▁▁▂▂▃▃▄▄▅▅▆▆▇████████████████
         |                          ▁▁▂▂▃▃▄▄▅▅▆▆▇███████████████████████████████
       0 |           ▁▁▂▂▃▃▄▄▅▅▆▆▇██████████████████████████████████████████████
     LIVE   BLOCKS  ALLOCS  ALLOCS/S   BYTES/S  ▼THREAD (1 of 2)
   1024 B        1    300k    30,000   879 KiB  4330 worker
/work_
"
    );
}

#[test]
fn a_stack_takes_the_chart_away() {
    assert_eq!(
        screen("v\n", &fixtures::sample(), (60, 16)),
        "\
./server --port 80  pid 4321  running 1 min 00 s   every 1 s
server.bin, 12.0 MiB; nothing lost; 2 threads
Live    12.5 MiB in 4,335 blocks; peak 13.4 MiB in 5,000, at
Mapped  30.0 MiB in 41 ranges; peak 32.0 MiB in 44
Rate    61,234 events/s, 2211 KiB/s allocated
src/a.c:1  first
60.5 KiB in 1,000 blocks, 10,000 allocations so far: the lar
  File \"src/main.c\", line 9, in main
  File \"src/a.c\", line 1, in first
q quit  Esc back  Up Down PgUp PgDn scroll
"
    );
}

#[test]
fn the_keys() {
    assert_eq!(
        screen("?", &fixtures::sample(), (100, 40)),
        "\
./server --port 80  pid 4321  running 1 min 00 s                                           every 1 s
server.bin, 12.0 MiB; nothing lost; 2 threads
Live    12.5 MiB in 4,335 blocks; peak 13.4 MiB in 5,000, at 12.30 s
Mapped  30.0 MiB in 41 ranges; peak 32.0 MiB in 44
Rate    61,234 events/s, 2211 KiB/s allocated
Keys
Up Down PgUp PgDn Home End    move the cursor (k, j and Space too)
Enter                         the stack that holds most of the selected row
Esc                           back; in the table: all rows again
< > or Left Right             order by the column to the left or right
r                             reverse the order
/                             only rows with a text in their names
1 2 3 4 5 6                   by line, function, file, module, tag, stack
g                             by the next of these
t                             threads, and back
m                             memory mappings instead of blocks, and back
p                             pause, and go on
+ -                           a longer or shorter interval
F5                            look now
? or h                        this page
q or Ctrl-C                   quit; Ctrl-Z goes to the shell
LIVE                          requested bytes that live now
BLOCKS                        the blocks that these are
ALLOCS                        allocations and reallocations so far, freed or not
ALLOCS/S                      the same a second, in the last interval
BYTES/S                       bytes allocated a second, in the last interval
q quit  Esc back  Up Down PgUp PgDn scroll
"
    );
}

#[test]
fn what_cannot_be_relied_upon_is_said() {
    let mut sample = fixtures::sample();
    sample.facts.state = State::Ended;
    sample.facts.n_lost = 3;
    sample.facts.notes = ["One.", "Two\x1b[2J.", "Three."].map(str::to_owned).into();
    sample.sites.clear();
    assert_eq!(
        screen("mp", &sample, (90, 12)),
        "\
./server --port 80  pid 4321  ended after 1 min 00 s                                paused
server.bin, 12.0 MiB; 3 events lost; 2 threads
Live    12.5 MiB in 4,335 blocks; peak 13.4 MiB in 5,000, at 12.30 s
Mapped  30.0 MiB in 41 ranges; peak 32.0 MiB in 44
Rate    61,234 events/s, 2211 KiB/s allocated
One.
Two\\u{1b}[2J.
    ▼LIVE   BLOCKS  ALLOCS  ALLOCS/S   BYTES/S  LINE (0)
[mappings]  ? help  q quit  Enter stack  < > order  r reverse  g group  / filter  t thread
"
    );
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
