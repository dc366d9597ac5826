//! `tmtool leaks`: what was never freed.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::errors::Result;
use tm_common::ids::Stamp;

use crate::cli::args::file;
use crate::cli::args::report::ReportArgs;
use crate::report::leaks::Leaks;
use crate::report::stats::Stats;
use tm_analyzer::analysis::RuntimeLibraries;
use tm_analyzer::model::{EstimatesBy, Origin, Profile};
use tm_analyzer::replay::{self, ByBirth, Site};
use tm_analyzer::request::Recorded;

const EXAMPLES: &str = "\
Examples:
  tmtool leaks tm.prog.1234.bin
  tmtool leaks tm.prog.1234.bin --key traceback --limit 3
  tmtool leaks tm.server.1234.bin@60s --min-age 10s

Blocks of the last tenth of the run stand apart, since a program that was stopped may still have used them. Memory
that is allocated once and kept on purpose is listed too: a leak has many blocks, and grows ('tmtool diff'). What the \
run-time libraries of C, C++ and Rust keep for themselves is one line at the end; --runtime shows it whole.";

/// What the younger section shows at most.
const N_YOUNG_GROUPS_MAX: usize = 5;

/// The arguments of `tmtool leaks`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording; FILE@MOMENT takes what is live at that moment, instead of at the end.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// Show what run-time libraries keep for themselves, too: their pools, buffers of standard streams, locales, the
    /// loader's lists.
    #[arg(long)]
    runtime: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    args.report.selection.without_churn("leaks")?;
    let request = args.report.request(&args.file)?;
    let (recorded, grouping) = (request.open()?, &request.grouping);
    let young_after_ns = young_after_ns(&recorded);
    let young_after = replay::stamp_at(&recorded.recording, young_after_ns);
    let raw = recorded.live(ByBirth::new(young_after))?;
    let ByBirth { old, young, .. } = raw.blocks;

    let mut namer = recorded.namer_at(recorded.end().stamp);
    // All stacks first: what the header says of them is then of all, and not of the old or the young.
    let mut all = old.clone();
    all.merge(&young);
    namer.profile(&recorded.recording, &all);
    let mut libraries = RuntimeLibraries::known();
    let mut named = |sums: &EstimatesBy<Site>| {
        let (others, own) = libraries.split(namer.profile(&recorded.recording, sums));
        [others, own].map(|profile| grouping.cut(profile))
    };
    let ([mut old, mut runtime], [mut young, young_runtime]) = (named(&old), named(&young));
    runtime.rows.extend(young_runtime.rows);
    let mut origin = Origin {
        live_bytes: raw.live.bytes,
        live_blocks: raw.live.count,
        ..recorded.origin(&namer, &raw.findings)
    };
    // What libraries keep for themselves is nothing to be mended at a line.
    let mut leaked = old.clone();
    leaked.rows.extend(young.rows.iter().cloned());
    origin.notes.extend(leaked.without_lines());
    for profile in [&mut old, &mut young, &mut runtime] {
        profile.origin = Some(origin.clone());
    }

    let groups = |profile: &Profile| grouping.statistics(profile);
    let (old_groups, young_groups, runtime_groups) = (groups(&old)?, groups(&young)?, groups(&runtime)?);
    let n_young = N_YOUNG_GROUPS_MAX.min(args.report.group.limit().unwrap_or(N_YOUNG_GROUPS_MAX));
    let report = Leaks {
        old: args.report.stats(grouping, &old, &old_groups),
        young: Stats { limit: Some(n_young), ..args.report.stats(grouping, &young, &young_groups) },
        runtime: Stats { limit: None, ..args.report.stats(grouping, &runtime, &runtime_groups) },
        shows_runtime: args.runtime,
        young_after_ns,
    };
    args.report.show(&report)
}

/// The last tenth of the time, but no block counts as old that `--min-age` leaves out.
fn young_after_ns(recorded: &Recorded) -> u64 {
    let (recording, begin, end) = (&recorded.recording, recorded.begin(), recorded.end());
    let tenth = end.ns.saturating_sub(begin.ns) / 10;
    let min_age = *recorded.selection.ages.start();
    let end_stamp = end.stamp.min(replay::stamp_at(recording, end.ns));
    let newest = Stamp(end_stamp.0.saturating_sub(min_age));
    end.ns.saturating_sub(tenth).min(recording.ns(newest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::replay::ResolvedMoment;
    use tm_analyzer::request::Request;
    use tm_testing::RecordingBuilder;

    #[test]
    fn no_block_is_old_that_is_not_asked_for() {
        let builder = RecordingBuilder::with_process();
        let file = builder.file();
        let mut recorded = Request::of(file.path()).open().unwrap();
        recorded.until = ResolvedMoment { stamp: Stamp(400), ns: 400 };
        for (min_age, expected) in [(0, 360), (40, 360), (50, 350), (400, 0), (500, 0)] {
            recorded.selection.ages = min_age..=u64::MAX;
            assert_eq!(young_after_ns(&recorded), expected, "{min_age}");
        }
    }
}
