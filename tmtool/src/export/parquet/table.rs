//! One Parquet file that is being written, row by row. Rows are kept until there are enough for a row group: as many as are
//! good for readers, and as few as are good for our memory. Row groups are encoded beside: that takes longer than finding rows.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rustc_hash::FxHashMap;

use super::encoder::{Encoder, Group, ROWS_MAX};
use crate::export::frames::clean;

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers of which few are equal.
    Integer,
    /// Numbers of which many are equal.
    Number,
    /// A time, in microseconds since 1970.
    Time,
    /// A text.
    Text,
    /// Yes or no.
    Flag,
}

/// A column: its name, what is in it, and whether it may be empty.
pub type Column = (&'static str, Kind, bool);

/// A column that may be empty.
pub const OPTIONAL: bool = true;
/// A column that has a value in each row.
pub const REQUIRED: bool = false;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// None.
    Null,
    /// A number, a time, or a flag, which is 0 or 1.
    Integer(i64),
    /// A text, by its number ([`Table::text`]).
    Text(u32),
}

/// `number` as a column has it: the largest that there is a column for, where it is larger.
pub fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        Cell::Integer(integer(number))
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Cell {
        Cell::Integer(number.into())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

impl Cell {
    /// The number that is kept of it.
    #[inline]
    fn value(self) -> Option<i64> {
        match self {
            Cell::Null => None,
            Cell::Integer(number) => Some(number),
            Cell::Text(number) => Some(number.into()),
        }
    }
}

/// A column of some rows.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// All have this.
    Same(Cell),
    /// Each has a number of its own.
    Each(&'a [i64]),
}

/// The place where rows are encoded: a thread, so that rows are found meanwhile, or the calling one where there can be none.
enum Writing<W: Write + Send> {
    Here(Box<Encoder<W>>),
    Elsewhere { groups: SyncSender<Group>, thread: JoinHandle<io::Result<Encoder<W>>> },
    Ended,
}

/// A file that is being written, and the rows that are not written yet.
pub struct Table<W: Write + Send> {
    writing: Writing<W>,
    columns: &'static [Column],
    /// The cells of the first columns, which rows have in common.
    first: Vec<Cell>,
    /// How many rows have not got them yet.
    n_without_first: usize,
    group: Group,
    n_rows: usize,
    text_numbers: FxHashMap<Box<str>, u32>,
}

impl<W: Write + Send + 'static> Table<W> {
    /// Begins a file with `columns`, and `metadata` for readers that ask what it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W, columns: &'static [Column], metadata: &[(&str, String)]) -> io::Result<Table<W>> {
        Ok(Table {
            writing: Writing::Here(Box::new(Encoder::new(out, columns, metadata)?)),
            columns,
            first: Vec::new(),
            n_without_first: 0,
            group: Group::of(columns),
            n_rows: 0,
            text_numbers: FxHashMap::default(),
        })
    }

    /// A text, which is kept once.
    pub fn text(&mut self, text: &str) -> Cell {
        if let Some(&known) = self.text_numbers.get(text) {
            return Cell::Text(known);
        }
        let number = self.text_numbers.len() as u32;
        self.group.texts.push(clean(text).into_bytes().into());
        self.text_numbers.insert(text.into(), number);
        Cell::Text(number)
    }

    /// From here on rows have these cells in the first columns.
    pub fn begin_rows(&mut self, first: &[Cell]) {
        self.write_first();
        self.first = first.to_vec();
    }

    fn write_first(&mut self) {
        let n = std::mem::take(&mut self.n_without_first);
        for ((cells, (.., is_optional)), cell) in
            self.group.cells.iter_mut().zip(self.columns).zip(&self.first)
        {
            cells.push_same(cell.value(), n, *is_optional);
        }
    }

    /// Adds a row: a cell for each column but the first ones, which have theirs.
    ///
    /// # Errors
    /// The file cannot be written.
    #[inline]
    pub fn push(&mut self, row: &[Cell]) -> io::Result<()> {
        let n_first = self.first.len();
        debug_assert_eq!(n_first + row.len(), self.columns.len());
        let cells = self.group.cells.get_mut(n_first..).unwrap_or_default();
        let columns = self.columns.get(n_first..).unwrap_or_default();
        for ((cells, (.., is_optional)), cell) in cells.iter_mut().zip(columns).zip(row) {
            cells.push(cell.value(), *is_optional);
        }
        self.n_without_first += 1;
        self.n_rows += 1;
        if self.n_rows == ROWS_MAX { self.flush() } else { Ok(()) }
    }

    /// Adds `n_rows` rows at once: the values of each column but the first ones.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push_all(&mut self, n_rows: usize, columns: &[Values<'_>]) -> io::Result<()> {
        let n_first = self.first.len();
        debug_assert_eq!(n_first + columns.len(), self.columns.len());
        let mut done = 0;
        while done < n_rows {
            let n = (n_rows - done).min(ROWS_MAX - self.n_rows);
            let own = self.group.cells.iter_mut().zip(self.columns).skip(n_first);
            for ((cells, (.., is_optional)), values) in own.zip(columns) {
                match *values {
                    Values::Same(cell) => cells.push_same(cell.value(), n, *is_optional),
                    Values::Each(all) => {
                        cells.push_each(all.get(done..done + n).unwrap_or_default(), *is_optional);
                    }
                }
            }
            self.n_without_first += n;
            (done, self.n_rows) = (done + n, self.n_rows + n);
            if self.n_rows == ROWS_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.n_rows > 0 {
            self.flush()?;
        }
        let encoder = match self.writing {
            Writing::Here(encoder) => *encoder,
            Writing::Elsewhere { groups, thread } => ended(groups, thread)?,
            Writing::Ended => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        encoder.finish()
    }

    /// Hands the rows on to be encoded.
    fn flush(&mut self) -> io::Result<()> {
        self.write_first();
        self.n_rows = 0;
        let next = Group::after(&self.group);
        let group = std::mem::replace(&mut self.group, next);
        self.writing = match std::mem::replace(&mut self.writing, Writing::Ended) {
            // A file of one row group takes no thread.
            Writing::Here(encoder) if encoder.is_empty() => {
                let mut encoder = encoder;
                encoder.write(group)?;
                Writing::Here(encoder)
            }
            Writing::Here(encoder) => Writing::elsewhere(*encoder, group)?,
            Writing::Elsewhere { groups, thread } => match groups.send(group) {
                Ok(()) => Writing::Elsewhere { groups, thread },
                Err(_) => {
                    ended(groups, thread)?;
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            },
            Writing::Ended => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        Ok(())
    }
}

impl<W: Write + Send + 'static> Writing<W> {
    /// Lets `encoder` write in a thread, first of all `group`; where none can be made, here.
    fn elsewhere(mut encoder: Encoder<W>, group: Group) -> io::Result<Writing<W>> {
        let (groups, next) = sync_channel::<Group>(1);
        let (give, take) = sync_channel::<Encoder<W>>(1);
        let run = move || {
            let mut encoder = take.recv().map_err(io::Error::other)?;
            while let Ok(group) = next.recv() {
                encoder.write(group)?;
            }
            Ok(encoder)
        };
        let Ok(thread) = thread::Builder::new().spawn(run) else {
            encoder.write(group)?;
            return Ok(Writing::Here(Box::new(encoder)));
        };
        // Both wait in the channels until the thread takes them.
        let is_given = give.send(encoder).is_ok() && groups.send(group).is_ok();
        debug_assert!(is_given, "the thread has just begun");
        Ok(Writing::Elsewhere { groups, thread })
    }
}

/// What the thread leaves, when it has written all; or why it has ended.
fn ended<W: Write + Send>(
    groups: SyncSender<Group>,
    thread: JoinHandle<io::Result<Encoder<W>>>,
) -> io::Result<Encoder<W>> {
    drop(groups);
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that encodes has ended")))
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    /// The same rows one by one and all at once, in runs that end within row groups, at their ends and beyond.
    #[test]
    fn rows_in_bulk_are_those_one_by_one() {
        const COLUMNS: &[Column] = &[
            ("run", Kind::Number, REQUIRED),
            ("tag", Kind::Text, OPTIONAL),
            ("place", Kind::Integer, REQUIRED),
            ("start", Kind::Time, OPTIONAL),
            ("is_odd", Kind::Flag, REQUIRED),
        ];
        let folder = tempfile::tempdir().unwrap();
        let paths = ["one", "all"].map(|name| folder.path().join(name));
        let mut tables = paths.each_ref().map(|path| {
            let file = std::fs::File::create(path).unwrap();
            let mut table = Table::new(file, COLUMNS, &[]).unwrap();
            let tag = table.text("a");
            (table, tag)
        });
        let (mut n_before, mut run) = (0, 0);
        for n_rows in [1, 5, ROWS_MAX - 6, 3, 2 * ROWS_MAX, ROWS_MAX / 2, ROWS_MAX / 2 - 3, 7] {
            run += u32::from(n_rows < 10);
            let places: Vec<i64> = (n_before..n_before + n_rows as i64).collect();
            let odd: Vec<i64> = places.iter().map(|place| place % 2).collect();
            for (number, (table, tag)) in tables.iter_mut().enumerate() {
                let tag = if run % 2 == 0 { Cell::Null } else { *tag };
                if number == 1 {
                    table.begin_rows(&[run.into()]);
                    let columns = [&places, &places, &odd].map(|values| Values::Each(values));
                    table.push_all(n_rows, &[&[Values::Same(tag)], &columns[..]].concat()).unwrap();
                    continue;
                }
                for &place in &places {
                    let number = Cell::Integer(place);
                    table.push(&[run.into(), tag, number, number, u32::from(place % 2 == 1).into()]).unwrap();
                }
            }
            n_before += n_rows as i64;
        }
        tables.into_iter().for_each(|(table, _)| drop(table.finish().unwrap()));
        let [one, all] = paths.map(|path| std::fs::read(path).unwrap());
        assert!(one.len() > ROWS_MAX && one == all, "{} and {} bytes", one.len(), all.len());
    }

    #[test]
    fn rows_come_back_over_several_groups() {
        const COLUMNS: &[Column] = &[
            ("number", Kind::Integer, REQUIRED),
            ("name", Kind::Text, OPTIONAL),
            ("start", Kind::Time, OPTIONAL),
            ("is_odd", Kind::Flag, REQUIRED),
            ("kind", Kind::Text, REQUIRED),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let file = std::fs::File::create(&path).unwrap();
        let mut table = Table::new(file, COLUMNS, &[("tm.run", "7".to_owned())]).unwrap();
        let (name, kind) = (table.text("a\n\"b'"), table.text("x"));
        let n_rows = 2 * ROWS_MAX as u64 + 3;
        for row in 0..n_rows {
            let name = if row % 3 == 0 { Cell::Null } else { name };
            let start = (row % 2 == 0).then_some(row);
            table.push(&[row.into(), name, start.into(), u32::from(row % 2 == 1).into(), kind]).unwrap();
        }
        table.finish().unwrap();
        let reader = SerializedFileReader::try_from(path.as_path()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 3);
        let mut n_read = 0;
        for (row, number) in reader.get_row_iter(None).unwrap().zip(0u64..) {
            let row = row.unwrap().to_string();
            let name = if number % 3 == 0 { "null" } else { "\"a\\n\"b'\"" };
            assert!(row.contains(&format!("number: {number}, name: {name}")), "{row}");
            assert!(row.contains(&format!("is_odd: {}, kind: \"x\"", number % 2 == 1)), "{row}");
            n_read += 1;
        }
        assert_eq!(n_read, n_rows);
    }
}
