//! `tmtool leaks`: what was never freed.

use std::ffi::OsString;
use std::process::ExitCode;

use super::options::GroupArgs;
use super::selection::SelectionArgs;
use super::source::Source;
use super::{print, terminal};
use crate::error::Result;
use crate::model::{Origin, Snapshot, SourceFiles};
use crate::replay::{self, Block};
use crate::report::header::Summary;
use crate::report::leaks::{self, Leaks};
use crate::report::stats::Stats;
use crate::snapshot::Namer;

const EXAMPLES: &str = "\
Examples:
  tmtool leaks tm.prog.1234.bin
  tmtool leaks tm.prog.1234.bin --key traceback --limit 3
  tmtool leaks tm.server.1234.bin@60s --min-age 10s

Blocks of the last tenth of the run stand apart, since a program that was stopped may still have used them. Memory
that is allocated once and kept on purpose is listed too: a leak has many blocks, and grows ('tmtool diff').";

/// What the younger section shows at most.
const N_YOUNG_GROUPS_MAX: usize = 5;

/// The arguments of `tmtool leaks`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording; FILE@MOMENT takes what is live at that moment, instead of at the end.
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
    args.selection.without_churn("leaks")?;
    let recorded = Source::parse(&args.file)?.recording(&args.selection)?;
    let raw = recorded.snapshot()?;
    let young_after_ns = recorded.until.ns - recorded.until.ns.saturating_sub(recorded.from.ns) / 10;
    let young_after = replay::stamp_at(&recorded.recording, young_after_ns);
    let (young, old): (Vec<Block>, Vec<Block>) =
        raw.blocks.iter().partition(|block| block.birth > young_after);

    let mut namer = Namer::new(&recorded.recording);
    let (mut old, mut young) = (namer.snapshot(&old), namer.snapshot(&young));
    let origin = Origin {
        live_bytes: raw.live_bytes,
        live_blocks: raw.live_blocks,
        ..recorded.origin(&namer, &raw.problems)
    };
    (old.origin, young.origin) = (Some(origin.clone()), Some(origin));

    let groups = |snapshot: &Snapshot| snapshot.statistics(key_type, cumulative);
    let (old_groups, young_groups) = (groups(&old)?, groups(&young)?);
    let limit = args.group.limit();
    let stats = |snapshot, statistics, limit| Stats {
        snapshot: Summary::of(snapshot),
        key_type,
        cumulative,
        statistics,
        limit,
    };
    let n_young = N_YOUNG_GROUPS_MAX.min(limit.unwrap_or(N_YOUNG_GROUPS_MAX));
    let report = Leaks {
        old: stats(&old, &old_groups, limit),
        young: stats(&young, &young_groups, Some(n_young)),
        young_after_ns,
    };
    print(&if args.group.json {
        leaks::json(&report)
    } else {
        leaks::text(&report, &terminal::style(), &mut SourceFiles::default())
    })?;
    Ok(ExitCode::SUCCESS)
}
