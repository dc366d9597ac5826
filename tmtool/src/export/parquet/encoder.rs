//! Row groups of a Parquet file, as their rows are kept, and their encoding.

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

use super::table::{Column, Kind};

/// The rows of a row group.
pub const ROWS_MAX: usize = 1 << 18;
/// Texts are handed to the encoder this many at a time.
const TEXTS_AT_A_TIME: usize = 1 << 12;

/// A column of a full row group, of one value.
struct Encoded {
    value: Option<i64>,
    bytes: Bytes,
    metadata: ColumnChunkMetaData,
}

/// The cells of a column of one row group.
#[derive(Default)]
pub struct Cells {
    /// The value of all so far, while they have one.
    only: Option<Option<i64>>,
    n_rows: usize,
    /// The values that there are, and for each row of a column that may be empty whether there is one; neither while `only` says all.
    values: Vec<i64>,
    levels: Vec<i16>,
}

impl Cells {
    /// Adds the value of the next row.
    #[inline]
    pub fn push(&mut self, value: Option<i64>, is_optional: bool) {
        match self.only {
            None if self.n_rows > 0 => self.push_spelled_out(value, is_optional),
            None => self.only = Some(value),
            Some(only) if only == value => {}
            Some(_) => {
                self.spell_out(is_optional);
                self.push_spelled_out(value, is_optional);
            }
        }
        self.n_rows += 1;
    }

    #[inline]
    fn push_spelled_out(&mut self, value: Option<i64>, is_optional: bool) {
        if let Some(value) = value {
            self.values.push(value);
        }
        if is_optional {
            self.levels.push(value.is_some().into());
        }
    }

    /// Adds the same value for the next `n` rows.
    pub fn push_same(&mut self, value: Option<i64>, n: usize, is_optional: bool) {
        if self.n_rows == 0 {
            self.only = Some(value);
        } else if self.only != Some(value) {
            self.spell_out(is_optional);
            self.spell_out_same(value, n, is_optional);
        }
        self.n_rows += n;
    }

    /// Adds the values of the next rows.
    pub fn push_each(&mut self, values: &[i64], is_optional: bool) {
        let is_of_one_value = self.n_rows == 0 || self.only.is_some();
        if let Some((&first, others)) = values.split_first().filter(|_| is_of_one_value)
            && others.iter().all(|&value| value == first)
        {
            return self.push_same(Some(first), values.len(), is_optional);
        }
        self.spell_out(is_optional);
        self.values.extend_from_slice(values);
        self.n_rows += values.len();
        if is_optional {
            self.levels.resize(self.n_rows, 1);
        }
    }

    /// Writes all rows down that have one value.
    fn spell_out(&mut self, is_optional: bool) {
        let Some(only) = self.only.take() else { return };
        self.spell_out_same(only, self.n_rows, is_optional);
    }

    /// Writes the same value down for `n` more rows.
    fn spell_out_same(&mut self, value: Option<i64>, n: usize, is_optional: bool) {
        if let Some(value) = value {
            self.values.resize(self.values.len() + n, value);
        }
        if is_optional {
            self.levels.resize(self.levels.len() + n, value.is_some().into());
        }
    }
}

/// The rows of a row group, and the texts that are new in it.
pub struct Group {
    /// The columns.
    pub cells: Vec<Cells>,
    /// The texts, by their numbers after those of earlier ones.
    pub texts: Vec<ByteArray>,
}

/// The file and its columns. It writes row groups, each at once.
pub struct Encoder<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: &'static [Column],
    /// What columns of one value come to in a full row group, which is mostly the same one again.
    encoded: Vec<Option<Encoded>>,
    texts: Vec<ByteArray>,
}

impl Group {
    /// One without rows.
    pub fn of(columns: &[Column]) -> Group {
        Group { cells: columns.iter().map(|_| Cells::default()).collect(), texts: Vec::new() }
    }

    /// One without rows that has room for as many as `full` has.
    pub fn after(full: &Group) -> Group {
        let room = |cells: &Cells| Cells {
            values: Vec::with_capacity(cells.values.len()),
            levels: Vec::with_capacity(cells.levels.len()),
            ..Cells::default()
        };
        Group { cells: full.cells.iter().map(room).collect(), texts: Vec::new() }
    }
}

impl<W: Write + Send> Encoder<W> {
    /// Begins a file with `columns`, and `metadata` for readers that ask what it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W, columns: &'static [Column], metadata: &[(&str, String)]) -> io::Result<Encoder<W>> {
        let schema = Arc::new(parse_message_type(&schema(columns)).map_err(failed)?);
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties(columns, metadata)))
            .map_err(failed)?;
        let encoded = columns.iter().map(|_| None).collect();
        Ok(Encoder { writer, columns, encoded, texts: Vec::new() })
    }

    /// Whether there is no row group yet.
    pub fn is_empty(&self) -> bool {
        self.writer.flushed_row_groups().is_empty()
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.writer.into_inner().map_err(failed)
    }

    /// Writes a row group.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, group: Group) -> io::Result<()> {
        self.texts.extend(group.texts);
        let properties = Arc::clone(self.writer.properties());
        let mut row_group = self.writer.next_row_group().map_err(failed)?;
        for ((column, mut cells), encoded) in self.columns.iter().zip(group.cells).zip(&mut self.encoded) {
            let (is_full, only) = (cells.n_rows == ROWS_MAX, cells.only);
            if let Some(value) = only.filter(|_| is_full)
                && let Some(known) = encoded.as_ref().filter(|known| known.value == value)
            {
                known.append_to(&mut row_group).map_err(failed)?;
                continue;
            }
            let (_, _, is_optional) = *column;
            cells.spell_out(is_optional);
            match only.filter(|_| is_full) {
                Some(value) => {
                    let one = encode(column, &properties, value, &cells, &self.texts)?;
                    one.append_to(&mut row_group).map_err(failed)?;
                    *encoded = Some(one);
                }
                None => write_column(&mut row_group, column, &cells, &self.texts).map_err(failed)?,
            }
        }
        row_group.close().map_err(failed)?;
        Ok(())
    }
}

/// Encodes a column by itself.
fn encode(
    column: &Column,
    properties: &WriterPropertiesPtr,
    value: Option<i64>,
    cells: &Cells,
    texts: &[ByteArray],
) -> io::Result<Encoded> {
    let schema = Arc::new(parse_message_type(&schema(std::slice::from_ref(column))).map_err(failed)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::clone(properties)).map_err(failed)?;
    let mut group = writer.next_row_group().map_err(failed)?;
    write_column(&mut group, column, cells, texts).map_err(failed)?;
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
    Cells { values, levels, .. }: &Cells,
    texts: &[ByteArray],
) -> Result<(), ParquetError> {
    let levels = is_optional.then_some(levels.as_slice());
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
