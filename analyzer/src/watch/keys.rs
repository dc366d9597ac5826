//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::column::Column;
use super::list::Cursor;
use super::sample::Sample;
use super::view::{Page, View};
use crate::model::KeyType;
use crate::replay::Account;

/// The groupings in the order of `g`, which are also `1`, `2` and so on.
const GROUPINGS: [KeyType; 6] = [
    KeyType::Lineno,
    KeyType::Function,
    KeyType::Filename,
    KeyType::Module,
    KeyType::Tag,
    KeyType::Traceback,
];

/// What a key asks of those who read the recording and own the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: at most it looks different.
    Nothing,
    /// Other groups, another pace, or a stop.
    Ask,
    /// A new sample at once.
    Refresh,
    /// The shell, until the user comes back.
    Suspend,
    /// The end.
    Quit,
}

impl View {
    /// Does what `key` says.
    pub fn press(&mut self, key: KeyEvent, sample: &Sample) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Nothing;
        }
        let action = match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Quit,
            KeyCode::Char('z') if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Suspend,
            code if self.is_typing => self.type_filter(code),
            KeyCode::Char('q') => Action::Quit,
            code => match self.page {
                Page::Sites | Page::Threads => self.press_in_table(code, sample),
                Page::Stack { .. } | Page::Help { .. } => self.press_in_text(code),
            },
        };
        self.update(sample);
        action
    }

    fn press_in_table(&mut self, code: KeyCode, sample: &Sample) -> Action {
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.step(-1, sample),
            KeyCode::Down | KeyCode::Char('j') => self.step(1, sample),
            KeyCode::PageUp => self.step(-(self.height as isize), sample),
            KeyCode::PageDown | KeyCode::Char(' ') => self.step(self.height as isize, sample),
            KeyCode::Home => self.step(isize::MIN, sample),
            KeyCode::End => self.step(isize::MAX, sample),
            KeyCode::Left | KeyCode::Char('<' | ',') => self.order.column = self.order.column.next(-1),
            KeyCode::Right | KeyCode::Char('>' | '.') => self.order.column = self.order.column.next(1),
            KeyCode::Char('r') => self.order.is_reversed = !self.order.is_reversed,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => self.step_back(),
            KeyCode::Enter => self.open_stack(sample),
            KeyCode::Char('t') => {
                self.table = if self.are_threads() { Page::Sites } else { Page::Threads };
                self.page = self.table.clone();
                self.start_table();
            }
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.page = Page::Help { top: 0 },
            code => return self.press_for_reader(code),
        }
        Action::Nothing
    }

    /// Keys that change what is read.
    fn press_for_reader(&mut self, code: KeyCode) -> Action {
        match code {
            KeyCode::Char('g') if !self.are_threads() => {
                let place = GROUPINGS.iter().position(|&it| it == self.key_type).unwrap_or(0);
                self.group_by(GROUPINGS.iter().cycle().nth(place + 1));
            }
            KeyCode::Char(digit @ '1'..='6') if !self.are_threads() => {
                self.group_by(digit.to_digit(10).and_then(|it| GROUPINGS.get(it as usize - 1)));
            }
            KeyCode::Char('m') => {
                self.account = match self.account {
                    Account::Traced => Account::Mappings,
                    Account::Mappings => Account::Traced,
                };
                self.start_table();
            }
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('+' | '=') => self.change_interval(true),
            KeyCode::Char('-' | '_') => self.change_interval(false),
            KeyCode::F(5) => return Action::Refresh,
            _ => return Action::Nothing,
        }
        Action::Ask
    }

    fn press_in_text(&mut self, code: KeyCode) -> Action {
        let height = self.height as isize;
        let step = match code {
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::PageUp => -height,
            KeyCode::PageDown | KeyCode::Char(' ') => height,
            KeyCode::Home => isize::MIN,
            KeyCode::End => isize::MAX,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('?' | 'h') => {
                self.page = self.table.clone();
                return Action::Nothing;
            }
            _ => return Action::Nothing,
        };
        if let Page::Stack { top, .. } | Page::Help { top } = &mut self.page {
            *top = top.saturating_add_signed(step);
        }
        Action::Nothing
    }

    fn type_filter(&mut self, code: KeyCode) -> Action {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.order.filter.clear();
            }
            KeyCode::Backspace => {
                // What is rubbed out wholly is left.
                self.is_typing = self.order.filter.pop().is_some();
            }
            KeyCode::Char(character) => self.order.filter.push(character),
            _ => {}
        }
        Action::Nothing
    }

    /// Takes back the filter, or leaves the threads.
    fn step_back(&mut self) {
        if !self.order.filter.is_empty() {
            self.order.filter.clear();
        } else if self.are_threads() {
            (self.table, self.page) = (Page::Sites, Page::Sites);
            self.start_table();
        }
    }

    fn step(&mut self, step: isize, sample: &Sample) {
        let rows = self.rows(sample);
        self.cursor.move_by(step, &self.shown, rows);
    }

    fn group_by(&mut self, key_type: Option<&KeyType>) {
        self.key_type = key_type.copied().unwrap_or(self.key_type);
        self.start_table();
    }

    /// The rows are of another kind.
    fn start_table(&mut self) {
        self.cursor = Cursor::default();
    }

    fn open_stack(&mut self, sample: &Sample) {
        let Some(row) = self.selected(sample) else { return };
        if let Some(stack) = row.largest.clone() {
            let title = row.name.text(sample.key_type, None);
            self.page = Page::Stack { title, stack, top: 0 };
        }
    }
}

/// The keys, for the help page: what to press, what it does.
pub const HELP: [(&str, &str); 15] = [
    ("Up Down PgUp PgDn Home End", "move the cursor (k, j and Space too)"),
    ("Enter", "the whole stack that holds most of the selected row"),
    ("Esc", "back; in the table: take the filter back"),
    ("< > or Left Right", "order by the column to the left or right"),
    ("r", "reverse the order"),
    ("/", "show only rows with a text in their names; Enter keeps it, Esc takes it back"),
    ("g", "group by the next of line, function, file, module, tag, stack"),
    ("1 2 3 4 5 6", "group by line, function, file, module, tag, stack"),
    ("t", "threads, and back"),
    ("m", "memory mappings instead of blocks, and back"),
    ("p", "pause, and go on"),
    ("+ -", "a longer or shorter interval"),
    ("F5", "look now"),
    ("? or h", "this page"),
    ("q or Ctrl-C", "quit; Ctrl-Z goes to the shell"),
];

/// The columns, for the help page.
pub const HELP_COLUMNS: [(Column, &str); 5] = [
    (Column::Live, "requested bytes that live now"),
    (Column::Blocks, "the blocks that these are"),
    (Column::Allocs, "allocations and reallocations so far, freed or not"),
    (Column::AllocsRate, "the same a second, in the last interval"),
    (Column::BytesRate, "bytes allocated a second, in the last interval"),
];
