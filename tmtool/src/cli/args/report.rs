//! The options of a report, and what they ask for: the one step from words to a request.

use std::ffi::OsStr;
use std::process::ExitCode;

use super::form::FormArgs;
use super::group::GroupArgs;
use super::selection::SelectionArgs;
use super::stacks;
use crate::cli::progress;
use crate::errors::{Error, Result};
use crate::report::Report;
use crate::report::parts::header::Summary;
use crate::report::stats::Stats;
use tm_analyzer::model::{Moment, Profile, Statistic};
use tm_analyzer::request::{Grouping, Request, Time};

/// What to group by, which blocks, and how to write it.
#[derive(clap::Args, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    pub(in crate::cli) group: GroupArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    pub(in crate::cli) selection: SelectionArgs,
}

impl ReportArgs {
    /// What is asked of `file`, a name or `FILE@MOMENT`; of a folder's programs, of the one that is meant.
    ///
    /// # Errors
    /// The options contradict each other, or there is no such program.
    pub fn request(&self, file: &OsStr) -> Result<Request> {
        self.request_at(file, None)
    }

    /// As [`ReportArgs::request`]; `at` is the moment of an option.
    ///
    /// # Errors
    /// As there.
    pub fn request_at(&self, file: &OsStr, at: Option<&Moment>) -> Result<Request> {
        self.selection.request(file, at, self.group.grouping()?)
    }

    /// What is asked of all programs of the folder `of`, and of all their processes unless one is named.
    ///
    /// # Errors
    /// The options contradict each other.
    pub fn request_of_all(&self, of: Request) -> Result<Request> {
        if of.time != Time::Usual || self.selection.between.is_some() {
            let message =
                "a moment counts from the start of each program, so those of all have none in common";
            return Err(Error::Usage(format!("{message}; leave it out, or name one with --program")));
        }
        let (grouping, during) = (self.group.grouping()?, progress::during as _);
        let mut request = self.selection.clone().of_all_processes().select(of, None)?;
        request.notes.extend(stacks::hidden(&grouping.hide));
        Ok(Request { grouping, during, ..request })
    }

    /// The report of the groups `statistics` of `profile`.
    pub fn stats<'a>(
        &self,
        grouping: &Grouping,
        profile: &'a Profile,
        statistics: &'a [Statistic],
    ) -> Stats<'a> {
        let Grouping { key_type, cumulative, .. } = *grouping;
        Stats { snapshot: Summary::of(profile), key_type, cumulative, statistics, limit: self.group.limit() }
    }

    /// Prints `report` in the form that is asked for.
    ///
    /// # Errors
    /// If standard output cannot be written, or the places where files are looked for make no sense.
    pub fn show(&self, report: &dyn Report) -> Result<ExitCode> {
        self.form.show(report, &self.selection.search()?)
    }
}
