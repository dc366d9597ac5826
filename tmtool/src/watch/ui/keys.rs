//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::column::Column;
use super::list::Cursor;
use super::view::{Page, View};
use crate::watch::data::sample::Sample;
use tm_analyzer::model::KeyType;
use tm_analyzer::replay::MemoryKind;

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
        if key.modifiers.contains(KeyModifiers::ALT) {
            // What a terminal sends for it is what it sends for Esc and the key, pressed quickly.
            self.press(KeyEvent::from(KeyCode::Esc), sample);
            return self.press(KeyEvent { modifiers: key.modifiers - KeyModifiers::ALT, ..key }, sample);
        }
        let action = match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Quit,
            KeyCode::Char('z') if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Suspend,
            KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Nothing,
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
                self.memory_kind = match self.memory_kind {
                    MemoryKind::Traced => MemoryKind::Mappings,
                    MemoryKind::Mappings => MemoryKind::Traced,
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
    ("Enter", "the stack that holds most of the selected row"),
    ("Esc", "back; in the table: all rows again"),
    ("< > or Left Right", "order by the column to the left or right"),
    ("r", "reverse the order"),
    ("/", "only rows with a text in their names"),
    ("1 2 3 4 5 6", "by line, function, file, module, tag, stack"),
    ("g", "by the next of these"),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::watch::fixtures;

    /// A view of the made-up sample after some keys, and what the last one asked for.
    fn after(keys: &[KeyCode]) -> (View, Action) {
        let sample = fixtures::sample();
        let mut view = View::new(KeyType::Lineno, Column::Live, Duration::from_secs(1));
        view.update(&sample);
        view.set_height(2);
        let actions: Vec<Action> =
            keys.iter().map(|&code| view.press(KeyEvent::from(code), &sample)).collect();
        (view, actions.last().copied().unwrap_or(Action::Nothing))
    }

    fn characters(text: &str) -> Vec<KeyCode> {
        text.chars().map(KeyCode::Char).collect()
    }

    fn selected(view: &View) -> u64 {
        view.selected(&fixtures::sample()).map_or(0, |row| row.id)
    }

    #[test]
    fn the_cursor_moves_and_stops_at_the_ends() {
        let place = |keys: &[KeyCode]| after(keys).0.cursor.place;
        assert_eq!(place(&[KeyCode::Down, KeyCode::Char('j'), KeyCode::Up]), 1);
        assert_eq!(place(&[KeyCode::PageDown, KeyCode::Char(' '), KeyCode::Down]), 2);
        assert_eq!(place(&[KeyCode::End, KeyCode::PageUp, KeyCode::Char('k')]), 0);
        assert_eq!(place(&[KeyCode::End, KeyCode::Home]), 0);
    }

    #[test]
    fn the_cursor_stays_with_its_row_when_the_order_changes() {
        let (view, _) = after(&[KeyCode::Down, KeyCode::Char('r')]);
        assert_eq!((selected(&view), view.cursor.place), (1, 1));
        let (view, _) = after(&[KeyCode::Down, KeyCode::End, KeyCode::Char('r')]);
        assert_eq!((selected(&view), view.cursor.place), (2, 0));
    }

    #[test]
    fn columns_are_chosen_to_the_left_and_right() {
        let column = |keys: &str| after(&characters(keys)).0.order.column;
        assert_eq!(column(">"), Column::Blocks);
        assert_eq!(column(".>,"), Column::Blocks);
        assert_eq!(column("<<"), Column::BytesRate);
        assert_eq!(after(&[KeyCode::Right, KeyCode::Left, KeyCode::Left]).0.order.column, Column::Name);
    }

    #[test]
    fn groupings_go_around_or_are_chosen_by_number() {
        for (keys, expected) in [
            ("g", KeyType::Function),
            ("5", KeyType::Tag),
            ("gggggg", KeyType::Lineno),
            ("36", KeyType::Traceback),
        ] {
            let (view, action) = after(&characters(keys));
            assert_eq!((view.key_type, action), (expected, Action::Ask), "{keys}");
        }
        // Threads are not grouped.
        assert_eq!(after(&characters("tg")).1, Action::Nothing);
    }

    #[test]
    fn a_filter_is_typed_kept_and_taken_back() {
        let (view, _) = after(&characters("/B.Cq"));
        assert!(view.is_typing && view.order.filter == "B.Cq" && view.shown.is_empty());
        let mut keys = characters("/B.Cq");
        keys.extend([KeyCode::Backspace, KeyCode::Enter]);
        let (view, _) = after(&keys);
        assert!(!view.is_typing && view.shown.len() == 1 && selected(&view) == 3);
        keys.push(KeyCode::Esc);
        let (view, _) = after(&keys);
        assert!(view.order.filter.is_empty() && view.shown.len() == 3);
        let (view, _) = after(&[KeyCode::Char('/'), KeyCode::Char('x'), KeyCode::Esc]);
        assert!(!view.is_typing && view.order.filter.is_empty());
        assert!(
            !after(&[KeyCode::Char('/'), KeyCode::Char('x'), KeyCode::Backspace, KeyCode::Backspace])
                .0
                .is_typing
        );
    }

    #[test]
    fn enter_shows_a_stack_and_esc_leads_back() {
        let (view, _) = after(&[KeyCode::Down, KeyCode::Enter]);
        let Page::Stack { title, stack, .. } = &view.page else { panic!("{:?}", view.page) };
        assert_eq!((title.as_str(), stack.n_stacks), ("src/a.c:1  first", 3));
        assert_eq!(after(&[KeyCode::Down, KeyCode::Enter, KeyCode::Esc]).0.page, Page::Sites);
        // Threads have no stack.
        assert_eq!(after(&[KeyCode::Char('t'), KeyCode::Enter]).0.page, Page::Threads);
        assert_eq!(after(&characters("t?")).0.page, Page::Help { top: 0 });
        assert_eq!(after(&characters("t??")).0.page, Page::Threads);
        assert_eq!(after(&characters("tt")).0.page, Page::Sites);
        assert_eq!(after(&[KeyCode::Char('t'), KeyCode::Esc]).0.page, Page::Sites);
    }

    #[test]
    fn the_reader_is_asked_for_what_it_has_to_know() {
        let (view, action) = after(&characters("p"));
        assert_eq!((view.is_paused, action), (true, Action::Ask));
        let (view, action) = after(&characters("++-"));
        assert_eq!((view.interval, action), (Duration::from_secs(2), Action::Ask));
        assert_eq!(after(&characters("m")).0.memory_kind, MemoryKind::Mappings);
        assert_eq!(after(&[KeyCode::F(5)]).1, Action::Refresh);
        assert_eq!(after(&characters("x")).1, Action::Nothing);
    }

    #[test]
    fn esc_is_not_lost_when_another_key_follows_at_once() {
        let sample = fixtures::sample();
        let (mut view, _) = after(&characters("t/x"));
        view.press(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::ALT), &sample);
        assert!(!view.is_typing && view.order.filter.is_empty() && view.order.is_reversed);
        view.press(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL), &sample);
        assert!(view.order.is_reversed);
    }

    #[test]
    fn one_can_leave_from_everywhere() {
        let sample = fixtures::sample();
        let control = |code| KeyEvent::new(KeyCode::Char(code), KeyModifiers::CONTROL);
        for keys in ["", "/", "?", "t"] {
            let (mut view, _) = after(&characters(keys));
            assert_eq!(view.press(control('c'), &sample), Action::Quit, "{keys}");
            assert_eq!(view.press(control('z'), &sample), Action::Suspend, "{keys}");
            if keys != "/" {
                assert_eq!(after(&characters(&format!("{keys}q"))).1, Action::Quit, "{keys}");
            }
        }
    }
}
