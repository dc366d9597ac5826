//! Reports: data in, text, JSON or CSV out. Nothing here reads files, terminals or clocks.
//!
//! One file a report, each with its data and its [`Report`]; what they are put together of is in
//! [`parts`].

pub mod check;
pub mod diff;
pub mod info;
pub mod leaks;
pub mod parts;
pub mod peak;
pub mod programs;
pub mod stats;
pub mod svg;
pub mod symbols;
pub mod temporary;
pub mod timeline;
pub mod top;

#[cfg(test)]
mod fixtures;

use std::io;

use parts::style::Style;
use tm_analyzer::model::Origin;
use tm_analyzer::text::LineSource;

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs, as docs/json.md describes it.
    Json,
    /// A table.
    Csv,
}

/// A report: what a command has found out, ready to be written.
pub trait Report {
    /// Returns where the figures come from, as far as it is known.
    fn origins(&self) -> Vec<&Origin> {
        Vec::new()
    }

    /// Returns the report for people. `source` gives the source lines of tracebacks.
    fn text(&self, style: &Style, source: &mut dyn LineSource) -> String;

    /// Writes one JSON object.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    fn json(&self, out: &mut dyn io::Write) -> io::Result<()>;

    /// Writes a line of headings and one for each row.
    ///
    /// # Errors
    /// If `out` cannot be written to; `Unsupported` of a report that is no table.
    fn csv(&self, _out: &mut dyn io::Write) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Writes the report in the form `format`.
    ///
    /// # Errors
    /// If `out` cannot be written to, or there is no such form of the report.
    fn write(
        &self,
        format: Format,
        out: &mut dyn io::Write,
        style: &Style,
        source: &mut dyn LineSource,
    ) -> io::Result<()> {
        match format {
            Format::Text => out.write_all(&style.bytes(&self.text(style, source))),
            Format::Json => self.json(out),
            Format::Csv => self.csv(out),
        }
    }
}

/// The JSON of `report`, for tests.
#[cfg(test)]
fn json_of(report: &dyn Report) -> String {
    let mut out = Vec::new();
    report.json(&mut out).expect("memory can be written to");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// The CSV of `report`, for tests.
#[cfg(test)]
fn csv_of(report: &dyn Report) -> String {
    let mut out = Vec::new();
    report.csv(&mut out).expect("memory can be written to");
    String::from_utf8(out).expect("the names are UTF-8")
}
