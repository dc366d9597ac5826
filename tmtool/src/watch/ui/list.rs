//! The rows that are shown: filtered, in their order, and the cursor among them.

use std::cmp::Ordering;

use super::column::Column;
use crate::watch::data::sample::Row;
use tm_analyzer::model::KeyType;

/// The choice of rows and their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    /// The column to sort by: the largest first, names from A on.
    pub column: Column,
    /// The other way round.
    pub is_reversed: bool,
    /// Only rows with this in their names, in upper case or lower.
    pub filter: String,
}

impl Order {
    /// The places of the rows that are shown.
    pub fn apply(&self, rows: &[Row], key_type: KeyType) -> Vec<usize> {
        let wanted = self.filter.to_lowercase();
        let needs_names = !wanted.is_empty() || self.column == Column::Name;
        let mut shown: Vec<(usize, &Row, String)> = rows
            .iter()
            .enumerate()
            .map(|(place, row)| {
                let name =
                    if needs_names { row.name.text(key_type, None).to_lowercase() } else { String::new() };
                (place, row, name)
            })
            .filter(|(.., name)| name.contains(&wanted))
            .collect();
        shown.sort_unstable_by(|(_, a, a_name), (_, b, b_name)| {
            let order = self.compare(a, b).then_with(|| a_name.cmp(b_name));
            let order = if self.is_reversed { order.reverse() } else { order };
            // Rows that are alike keep still.
            order.then_with(|| a.id.cmp(&b.id))
        });
        shown.into_iter().map(|(place, ..)| place).collect()
    }

    /// The larger one first; of those that are alike in the column, the one with more that lives.
    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        match self.column {
            Column::Name => Ordering::Equal,
            column => {
                let key =
                    |row: &Row| (column.value(row), row.figures.live.bytes, row.figures.allocated.bytes);
                key(b).cmp(&key(a))
            }
        }
    }
}

/// The cursor. It stays with its row, wherever that goes, and at its place if the row is gone. At the top it stays at the
/// top until it is moved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cursor {
    /// Its place among the shown rows.
    pub place: usize,
    /// The first row on the screen.
    pub top: usize,
    /// The row that it is at, once it was moved there.
    row: Option<u64>,
}

impl Cursor {
    /// Moves by `step` of the `n` rows.
    pub fn move_by(&mut self, step: isize, shown: &[usize], rows: &[Row]) {
        self.place = self.place.saturating_add_signed(step).min(shown.len().saturating_sub(1));
        let row = shown.get(self.place).and_then(|&place| rows.get(place));
        self.row = row.map(|row| row.id).filter(|_| self.place > 0);
    }

    /// Follows its row in new rows.
    pub fn follow(&mut self, shown: &[usize], rows: &[Row]) {
        let is_it = |&place: &usize| rows.get(place).map(|row| row.id) == self.row;
        let found = self.row.and_then(|_| shown.iter().position(is_it));
        self.place = found.unwrap_or(self.place).min(shown.len().saturating_sub(1));
    }

    /// Brings it into the `height` rows that are on the screen, which are filled if there are enough.
    pub fn show_in(&mut self, height: usize, n_shown: usize) {
        let lowest_top = self.place.saturating_sub(height.saturating_sub(1));
        self.top = self.top.clamp(lowest_top, self.place.max(lowest_top)).min(n_shown.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::fixtures::{named, rows};

    fn names(order: &Order) -> Vec<String> {
        let rows = rows();
        let shown = order.apply(&rows, KeyType::Lineno);
        shown.iter().map(|&place| rows[place].name.text(KeyType::Lineno, None)).collect()
    }

    #[test]
    fn every_column_orders_and_reverses() {
        let order = |column| Order { column, ..Order::default() };
        assert_eq!(names(&order(Column::Live)), ["src/b.c:2  second", "src/a.c:1  first", "lib.so+0x10"]);
        assert_eq!(names(&order(Column::Allocs)), ["lib.so+0x10", "src/a.c:1  first", "src/b.c:2  second"]);
        assert_eq!(names(&order(Column::Name)), ["lib.so+0x10", "src/a.c:1  first", "src/b.c:2  second"]);
        for column in Column::ALL {
            let mut reversed = names(&Order { is_reversed: true, ..order(column) });
            reversed.reverse();
            assert_eq!(reversed, names(&order(column)), "{column:?}");
        }
    }

    #[test]
    fn a_filter_knows_no_case() {
        let order = |filter: &str| Order { filter: filter.to_owned(), ..Order::default() };
        assert_eq!(names(&order("SRC")), ["src/b.c:2  second", "src/a.c:1  first"]);
        assert_eq!(names(&order("c:1")), ["src/a.c:1  first"]);
        assert!(names(&order("nothing")).is_empty());
    }

    #[test]
    fn the_cursor_stays_with_its_row() {
        let mut rows: Vec<Row> = (0..10).map(|id| named(id, "x.c", id as u32)).collect();
        let shown: Vec<usize> = (0..10).collect();
        let mut cursor = Cursor::default();
        cursor.move_by(3, &shown, &rows);
        rows.rotate_right(4);
        cursor.follow(&shown, &rows);
        assert_eq!(cursor.place, 7);
        cursor.show_in(5, 10);
        assert_eq!(cursor.top, 3);
        rows.retain(|row| row.id != 3);
        cursor.follow(&shown[..9], &rows);
        assert_eq!(cursor.place, 7);
        cursor.follow(&shown[..2], &rows);
        assert_eq!(cursor.place, 1);
        cursor.follow(&[], &[]);
        assert_eq!(cursor.place, 0);
        cursor.move_by(1, &[], &[]);
        cursor.show_in(0, 0);
        assert_eq!((cursor.place, cursor.top), (0, 0));
    }

    #[test]
    fn at_the_top_the_cursor_stays_at_the_top() {
        let mut rows: Vec<Row> = (0..4).map(|id| named(id, "x.c", id as u32)).collect();
        let shown = [0, 1, 2, 3];
        let mut cursor = Cursor::default();
        cursor.move_by(1, &shown, &rows);
        cursor.move_by(-5, &shown, &rows);
        rows.reverse();
        cursor.follow(&shown, &rows);
        assert_eq!(cursor.place, 0);
    }
}
