//! How a report is written: `--full`, `--json` and `--csv`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::print::show;
use crate::cli::terminal;
use crate::errors::Result;
use crate::report::parts::notice;
use crate::report::parts::style::Style;
use crate::report::{Format, Report};
use tm_analyzer::model::Origin;
use tm_analyzer::symbolize::Search;

/// How a report is written: `--full`, `--json` and `--csv`.
#[derive(clap::Args, Debug)]
pub struct FormArgs {
    /// Show names and paths whole, however long.
    #[arg(long)]
    full: bool,
    /// Write JSON, as docs/json.md describes it.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Write CSV: one line of headings, one line for each group.
    #[arg(long)]
    csv: bool,
}

impl FormArgs {
    /// Prints `report` in the form that is asked for. Source lines are those of files as they were when the youngest of
    /// what it reports on was recorded, at the places of `search`.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn show(&self, report: &dyn Report, search: &Arc<Search>) -> Result<ExitCode> {
        if self.format() == Format::Csv {
            warn_of(&report.origins());
        }
        show(report, self.format(), search, &self.style())
    }

    fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Text,
        }
    }

    fn style(&self) -> Style {
        Style { is_full: self.full, ..terminal::style() }
    }
}

/// Says on standard error what the reader of a form that has no place for it must not miss.
pub fn warn_of(origins: &[&Origin]) {
    for warning in origins.iter().flat_map(|origin| notice::warnings(origin)) {
        // Nobody is left to be told if standard error is gone.
        let _ = writeln!(io::stderr(), "tmtool: {warning}");
    }
}
