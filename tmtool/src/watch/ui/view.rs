//! What the user has chosen to see. Keys change it (`super::keys`), `super::screen` draws it; it does nothing itself.

use std::time::Duration;

use super::column::Column;
use super::list::{Cursor, Order};
use crate::watch::data::sample::{LargestStack, Row, Sample};
use tm_analyzer::model::KeyType;
use tm_analyzer::replay::MemoryKind;

/// The intervals that can be chosen, in milliseconds.
pub const INTERVALS_MS: [u64; 8] = [200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// The page that is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Page {
    /// Sites.
    #[default]
    Sites,
    /// Threads.
    Threads,
    /// The stack of a row of sites, from a line of it on.
    Stack {
        /// The row's name.
        title: String,
        /// What it was when it was asked for.
        stack: LargestStack,
        /// The first line that is shown.
        top: usize,
    },
    /// The keys.
    Help {
        /// The first line that is shown.
        top: usize,
    },
}

/// What is shown, and how.
#[derive(Clone, Debug)]
pub struct View {
    /// The page.
    pub page: Page,
    /// The page that Esc leads back to from one that has no table.
    pub table: Page,
    /// What sites are grouped by.
    pub key_type: KeyType,
    /// The memory to show.
    pub memory_kind: MemoryKind,
    /// The rows of the table.
    pub order: Order,
    /// The cursor in it.
    pub cursor: Cursor,
    /// Whether keys go to the filter.
    pub is_typing: bool,
    /// Whether the moment stands still.
    pub is_paused: bool,
    /// How long it is from one sample to the next.
    pub interval: Duration,
    /// Rows of the table on the screen.
    pub height: usize,
    /// The places of the rows that are shown.
    pub shown: Vec<usize>,
}

impl View {
    /// A table of sites by `key_type`, ordered by `column`.
    pub fn new(key_type: KeyType, column: Column, interval: Duration) -> View {
        View {
            page: Page::Sites,
            table: Page::Sites,
            key_type,
            memory_kind: MemoryKind::Traced,
            order: Order { column, ..Order::default() },
            cursor: Cursor::default(),
            is_typing: false,
            is_paused: false,
            interval,
            height: 1,
            shown: Vec::new(),
        }
    }

    /// Whether the table is that of threads.
    pub fn are_threads(&self) -> bool {
        self.table == Page::Threads
    }

    /// The rows of the table, shown or not.
    pub fn rows<'a>(&self, sample: &'a Sample) -> &'a [Row] {
        if self.are_threads() { &sample.threads } else { &sample.sites }
    }

    /// The row that the cursor is at.
    pub fn selected<'a>(&self, sample: &'a Sample) -> Option<&'a Row> {
        self.rows(sample).get(*self.shown.get(self.cursor.place)?)
    }

    /// Takes over a new sample, or what has been chosen anew.
    pub fn update(&mut self, sample: &Sample) {
        let rows = self.rows(sample);
        self.shown = self.order.apply(rows, sample.key_type);
        self.cursor.follow(&self.shown, rows);
        self.cursor.show_in(self.height, self.shown.len());
    }

    /// Sets how many rows the table has on the screen.
    pub fn set_height(&mut self, height: usize) {
        self.height = height.max(1);
        self.cursor.show_in(self.height, self.shown.len());
    }

    /// The next longer or shorter interval.
    pub fn change_interval(&mut self, is_longer: bool) {
        let now = self.interval.as_millis() as u64;
        let next = if is_longer {
            INTERVALS_MS.iter().find(|&&it| it > now)
        } else {
            INTERVALS_MS.iter().rev().find(|&&it| it < now)
        };
        self.interval = next.map_or(self.interval, |&ms| Duration::from_millis(ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_ends() {
        let mut view = View::new(KeyType::Lineno, Column::Live, Duration::from_millis(1_500));
        view.change_interval(true);
        assert_eq!(view.interval, Duration::from_secs(2));
        for _ in 0..20 {
            view.change_interval(false);
        }
        assert_eq!(view.interval, Duration::from_millis(200));
        for _ in 0..20 {
            view.change_interval(true);
        }
        assert_eq!(view.interval, Duration::from_secs(60));
    }
}
