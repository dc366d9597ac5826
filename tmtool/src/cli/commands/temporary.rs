//! `tmtool temporary`: what was freed at once, and how long blocks live.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::args::group::GroupArgs;
use crate::cli::selection::SelectionArgs;
use crate::cli::source::Source;
use crate::errors::Result;
use crate::report::parts::header::Summary;
use crate::report::temporary::{Decade, Temporary};
use tm_analyzer::model::{Cumulative, KeyType, Profile, SumsBy};
use tm_analyzer::replay::{self, Lifetimes, Site};
use tm_analyzer::snapshot::Namer;

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

/// The arguments of `tmtool temporary`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording; FILE@MOMENT counts what was allocated and freed up to the moment.
    file: OsString,
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (key_type, cumulative) = (args.group.key_type(), args.group.cumulative()?);
    args.selection.without_churn("temporary")?;
    let recorded = Source::parse(&args.file)?.recording(&args.selection)?;
    let limits = DECADES_NS.map(|ns| replay::stamps_in(&recorded.recording, ns));
    let mut temporary = SumsBy::default();
    let mut decades = vec![SumsBy::default(); limits.len() + 1];
    let problems = recorded.run(
        |engine| Lifetimes::new(&recorded.selection, engine.process(), limits.to_vec()),
        |_, lifetimes| {
            temporary.merge(&lifetimes.temporary);
            decades.iter_mut().zip(&lifetimes.decades).for_each(|(sums, more)| sums.merge(more));
        },
    )?;
    let mut namer = Namer::new();
    let mut named = |sums: &SumsBy<Site>| args.group.blame.apply(namer.profile(&recorded.recording, sums));
    let mut profile = named(&temporary);
    let decades = decades_by_key(&mut named, &decades, key_type, cumulative)?;
    profile.origin = Some(recorded.origin(&namer, &problems));
    let statistics = profile.statistics(key_type, cumulative)?;
    let stats = args.group.stats(Summary::of(&profile), &statistics)?;
    let report = Temporary { stats, decades: &decades, from_ns: recorded.from.ns };
    args.group.form.show(&report)
}

fn decades_by_key(
    named: &mut impl FnMut(&SumsBy<Site>) -> Profile,
    decades: &[SumsBy<Site>],
    key_type: KeyType,
    cumulative: Cumulative,
) -> Result<Vec<Decade>> {
    let limits = DECADES_NS.iter().copied().map(Some).chain([None]);
    let decade = |(sums, below_ns): (&SumsBy<Site>, Option<u64>)| {
        let groups = named(sums).statistics(key_type, cumulative)?;
        let total = sums.total();
        Ok(Decade { below_ns, size: total.bytes, count: total.count, most: groups.into_iter().next() })
    };
    decades.iter().zip(limits).map(decade).collect()
}
