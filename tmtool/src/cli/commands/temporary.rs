//! `tmtool temporary`: what was freed at once, and how long blocks live.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::args::file;
use crate::cli::args::report::ReportArgs;
use crate::errors::Result;
use crate::report::temporary::{Decade, Temporary};
use tm_analyzer::model::{EstimatesBy, Profile};
use tm_analyzer::replay::{self, Lifetimes, Site};
use tm_analyzer::request::Grouping;

const EXAMPLES: &str = "\
Examples:
  tmtool temporary tm.prog.1234.bin
  tmtool temporary tm.prog.1234.bin --key traceback --limit 3
  tmtool temporary tm.prog.1234.bin --size ..64 --between 10s..20s

A block is temporary if it was freed before its thread allocated the next one: it could have been on the stack, or be
used again. A reallocation ends one lifetime and begins another.";

/// Limits of lifetimes, in ns: 1 us to 10 s.
const DECADES_NS: [u64; 8] =
    [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];

/// What samples do not tell.
const NOT_KNOWN: &str = "Of samples, those alone count as temporary whose own thread wrote its totals just before it freed them: there may be more.";

/// The arguments of `tmtool temporary`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording; FILE@MOMENT counts what was allocated and freed up to the moment.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    #[command(flatten)]
    report: ReportArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    args.report.selection.without_churn("temporary")?;
    let request = args.report.request(&args.file)?;
    let (recorded, grouping) = (request.open()?, &request.grouping);
    let limits = DECADES_NS.map(|ns| replay::stamps_in(&recorded.recording, ns));
    let mut temporary = EstimatesBy::default();
    let mut decades = vec![EstimatesBy::default(); limits.len() + 1];
    let findings = recorded.run(
        |engine| Lifetimes::new(&recorded.selection, engine.process(), limits.to_vec()),
        |_, lifetimes| {
            temporary.merge(&lifetimes.temporary);
            decades.iter_mut().zip(&lifetimes.decades).for_each(|(sums, more)| sums.merge(more));
        },
    )?;
    let mut namer = recorded.namer();
    let mut named = |sums: &EstimatesBy<Site>| namer.profile(&recorded.recording, sums);
    let mut profile = named(&temporary);
    let decades = decades_by_key(&mut named, &decades, grouping)?;
    let mut origin = recorded.origin(&namer, &findings);
    origin.notes.extend(origin.sampling.map(|_| NOT_KNOWN.to_owned()));
    profile.origin = Some(origin);
    let profile = grouping.blamed(profile);
    let statistics = grouping.statistics(&profile)?;
    let stats = args.report.stats(grouping, &profile, &statistics);
    let report = Temporary { stats, decades: &decades, from_ns: recorded.from.ns };
    args.report.show(&report)
}

fn decades_by_key(
    named: &mut impl FnMut(&EstimatesBy<Site>) -> Profile,
    decades: &[EstimatesBy<Site>],
    grouping: &Grouping,
) -> Result<Vec<Decade>> {
    let limits = DECADES_NS.iter().copied().map(Some).chain([None]);
    let decade = |(sums, below_ns): (&EstimatesBy<Site>, Option<u64>)| {
        let groups = grouping.statistics(&grouping.cut(named(sums)))?;
        let total = sums.amounts.total();
        Ok(Decade { below_ns, size: total.bytes, count: total.count, most: groups.into_iter().next() })
    };
    decades.iter().zip(limits).map(decade).collect()
}
