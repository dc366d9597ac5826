//! `tmtool top`: who allocated most over the whole run.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::ValueEnum;

use super::options::GroupArgs;
use super::selection::SelectionArgs;
use super::source::Source;
use crate::error::Result;
use crate::replay::Allocations;
use crate::report::csv;
use crate::report::header::Summary;
use crate::report::top::{self, Top};

const EXAMPLES: &str = "\
Examples:
  tmtool top tm.prog.1234.bin
  tmtool top tm.prog.1234.bin --sort count --key traceback --limit 3
  tmtool top tm.prog.1234.bin --between 10s..20s --thread worker

Every allocation counts, freed or not; a reallocation counts as one of its new size. What was freed within a time \
alone is shown by 'tmtool stats --between T1..T2 --churn'.";

/// The arguments of `tmtool top`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording; FILE@MOMENT counts up to the moment.
    file: OsString,
    /// What the first groups have most of.
    #[arg(long, value_enum, default_value_t = Sort::Size)]
    sort: Sort,
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Bytes.
    Size,
    /// Allocations.
    Count,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (key_type, cumulative) = (args.group.key_type(), args.group.cumulative()?);
    args.selection.without_ages("top")?;
    args.selection.without_churn("top")?;
    let recorded = Source::parse(&args.file)?.recording(&args.selection)?;
    let selection = &recorded.selection;
    let tally = recorded.tally(|| Allocations::new(selection), |allocations| allocations.sums)?;
    let tally = args.group.blame.apply_to_tally(tally);
    let mut statistics = tally.statistics(key_type, cumulative)?;
    if args.sort == Sort::Count {
        statistics.sort_by_key(|stat| std::cmp::Reverse(stat.count));
    }
    let stats = args.group.stats(Summary::of_tally(&tally), &statistics)?;
    let report = Top { stats, from_ns: recorded.from.ns };
    args.group.form.print(
        &[&report.stats.snapshot],
        |style, source| top::text(&report, style, source),
        || top::json(&report),
        || csv::stats(&report.stats),
    )
}
