//! One Parquet file that is being written, row by row. Rows are kept until there are enough for a row group: as many as are
//! good for readers, and as few as are good for our memory.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter};
use parquet::data_type::{BoolType, ByteArray, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use rustc_hash::FxHashMap;

use crate::export::frames::clean;

/// The rows of a row group.
const ROWS_MAX: usize = 1 << 18;
/// Texts are handed to the encoder this many at a time.
const TEXTS_AT_A_TIME: usize = 1 << 12;

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
    /// A number or a time.
    Integer(i64),
    /// A text, by its number ([`Table::text`]).
    Text(u32),
    /// Yes or no.
    Flag(bool),
}

impl From<u64> for Cell {
    /// Numbers past the largest that there is a column for are that.
    fn from(number: u64) -> Cell {
        Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX))
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

/// A column of a full row group, of one value.
struct Encoded {
    value: Option<i64>,
    bytes: Bytes,
    metadata: ColumnChunkMetaData,
}

/// The file, its columns and the rows that are not written yet.
pub struct Table<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: &'static [Column],
    /// The values that there are, by column; and for each row whether there is one, of columns that may be empty.
    cells: Vec<(Vec<i64>, Vec<i16>)>,
    n_rows: usize,
    /// What columns of one value come to in a full row group, which is mostly the same one again.
    encoded: Vec<Option<Encoded>>,
    texts: Vec<ByteArray>,
    text_numbers: FxHashMap<Box<str>, u32>,
}

impl<W: Write + Send> Table<W> {
    /// Begins a file with `columns`, and `metadata` for readers that ask what it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W, columns: &'static [Column], metadata: &[(&str, String)]) -> io::Result<Table<W>> {
        let schema = Arc::new(parse_message_type(&schema(columns)).map_err(failed)?);
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties(columns, metadata)))
            .map_err(failed)?;
        let cells = columns.iter().map(|_| Default::default()).collect();
        let encoded = columns.iter().map(|_| None).collect();
        let (texts, text_numbers) = (Vec::new(), FxHashMap::default());
        Ok(Table { writer, columns, cells, n_rows: 0, encoded, texts, text_numbers })
    }

    /// A text, which is kept once.
    pub fn text(&mut self, text: &str) -> Cell {
        if let Some(&known) = self.text_numbers.get(text) {
            return Cell::Text(known);
        }
        let number = self.texts.len() as u32;
        self.texts.push(clean(text).into_bytes().into());
        self.text_numbers.insert(text.into(), number);
        Cell::Text(number)
    }

    /// Adds a row: a cell for each column.
    ///
    /// # Errors
    /// The file cannot be written.
    #[inline]
    pub fn push(&mut self, row: &[Cell]) -> io::Result<()> {
        debug_assert_eq!(row.len(), self.columns.len());
        for ((values, levels), cell) in self.cells.iter_mut().zip(row) {
            let value = match *cell {
                Cell::Null => None,
                Cell::Integer(number) => Some(number),
                Cell::Text(number) => Some(number.into()),
                Cell::Flag(is_so) => Some(is_so.into()),
            };
            levels.push(value.is_some().into());
            values.extend(value);
        }
        self.n_rows += 1;
        if self.n_rows == ROWS_MAX { self.flush() } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.writer.into_inner().map_err(failed)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.n_rows == 0 {
            return Ok(());
        }
        let properties = Arc::clone(self.writer.properties());
        let is_full = self.n_rows == ROWS_MAX;
        let mut group = self.writer.next_row_group().map_err(failed)?;
        let columns = self.columns.iter().zip(&mut self.cells).zip(&mut self.encoded);
        for ((column, (values, levels)), encoded) in columns {
            match one_value(values, levels).filter(|_| is_full) {
                Some(value) => {
                    let known = encoded.take().filter(|known| known.value == value);
                    let one = match known {
                        Some(known) => known,
                        None => encode(column, &properties, value, (values, levels), &self.texts)?,
                    };
                    one.append_to(&mut group).map_err(failed)?;
                    *encoded = Some(one);
                }
                None => write_column(&mut group, column, values, levels, &self.texts).map_err(failed)?,
            }
            values.clear();
            levels.clear();
        }
        group.close().map_err(failed)?;
        self.n_rows = 0;
        Ok(())
    }
}

/// The value that is in each row, or in none; `None` if rows differ.
fn one_value(values: &[i64], levels: &[i16]) -> Option<Option<i64>> {
    let Some(&first) = values.first() else { return Some(None) };
    let is_one = values.len() == levels.len() && values.iter().all(|&value| value == first);
    is_one.then_some(Some(first))
}

/// Encodes a column by itself.
fn encode(
    column: &Column,
    properties: &WriterPropertiesPtr,
    value: Option<i64>,
    (values, levels): (&[i64], &[i16]),
    texts: &[ByteArray],
) -> io::Result<Encoded> {
    let schema = Arc::new(parse_message_type(&schema(std::slice::from_ref(column))).map_err(failed)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::clone(properties)).map_err(failed)?;
    let mut group = writer.next_row_group().map_err(failed)?;
    write_column(&mut group, column, values, levels, texts).map_err(failed)?;
    let metadata = group.close().map_err(failed)?.column(0).clone();
    let bytes = writer.into_inner().map_err(failed)?.into();
    Ok(Encoded { value, bytes, metadata })
}

impl Encoded {
    fn append_to<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let close = ColumnCloseResult {
            bytes_written: self.metadata.compressed_size() as u64,
            rows_written: ROWS_MAX as u64,
            metadata: self.metadata.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&self.bytes, close)
    }
}

fn write_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    &(_, kind, is_optional): &Column,
    values: &[i64],
    levels: &[i16],
    texts: &[ByteArray],
) -> Result<(), ParquetError> {
    let levels = is_optional.then_some(levels);
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    match kind {
        Kind::Integer | Kind::Number | Kind::Time => {
            column.typed::<Int64Type>().write_batch(values, levels, None)?;
        }
        Kind::Flag => {
            let flags: Vec<bool> = values.iter().map(|&value| value != 0).collect();
            column.typed::<BoolType>().write_batch(&flags, levels, None)?;
        }
        Kind::Text => write_texts(column.untyped(), values, levels, texts)?,
    }
    column.close()
}

fn write_texts(
    column: &mut ColumnWriter<'_>,
    numbers: &[i64],
    levels: Option<&[i16]>,
    texts: &[ByteArray],
) -> Result<(), ParquetError> {
    let ColumnWriter::ByteArrayColumnWriter(column) = column else {
        return Err(ParquetError::General("a column of texts has no texts".to_owned()));
    };
    let text = |number: &i64| texts.get(*number as usize).cloned().unwrap_or_default();
    let mut numbers = numbers.iter();
    match levels {
        None => {
            while numbers.len() > 0 {
                let some: Vec<ByteArray> = numbers.by_ref().take(TEXTS_AT_A_TIME).map(text).collect();
                column.write_batch(&some, None, None)?;
            }
        }
        Some(levels) => {
            for levels in levels.chunks(TEXTS_AT_A_TIME) {
                let n_values = levels.iter().filter(|&&level| level == 1).count();
                let some: Vec<ByteArray> = numbers.by_ref().take(n_values).map(text).collect();
                column.write_batch(&some, Some(levels), None)?;
            }
        }
    }
    Ok(())
}

/// The columns in Parquet's own language.
fn schema(columns: &[Column]) -> String {
    let column = |&(name, kind, is_optional): &Column| {
        let repetition = if is_optional { "OPTIONAL" } else { "REQUIRED" };
        let (physical, logical) = match kind {
            Kind::Integer | Kind::Number => ("INT64", ""),
            Kind::Time => ("INT64", "(TIMESTAMP(MICROS,true))"),
            Kind::Text => ("BINARY", "(UTF8)"),
            Kind::Flag => ("BOOLEAN", ""),
        };
        format!("{repetition} {physical} {name} {logical};")
    };
    format!("message tm {{ {} }}", columns.iter().map(column).collect::<String>())
}

fn properties(columns: &[Column], metadata: &[(&str, String)]) -> WriterProperties {
    let entries = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
    let builder = WriterProperties::builder()
        .set_created_by(format!("tmtool {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(entries.collect()));
    let integers = columns.iter().filter(|(_, kind, _)| *kind == Kind::Integer);
    let builder = integers.fold(builder, |builder, &(name, ..)| {
        let path = ColumnPath::from(name);
        builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
    });
    builder.build()
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

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
            table.push(&[row.into(), name, start.into(), Cell::Flag(row % 2 == 1), kind]).unwrap();
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
