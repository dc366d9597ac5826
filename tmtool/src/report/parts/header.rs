//! The first lines of every report: which recording, which moment, how much was live, and what is not known.

use super::estimate;
use super::human::{counted, duration, percent, printable, size};
use super::notice::{self, Notice};
use super::style::Style;
use tm_analyzer::model::{Moment, Origin, Profile, Uncertainty};

/// What the header says of a profile.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    /// Where it comes from, if known.
    pub origin: Option<&'a Origin>,
    /// Bytes of its blocks.
    pub size: u64,
    /// Number of its blocks.
    pub count: u64,
    /// The most frames that its tracebacks keep.
    pub traceback_limit: u32,
    /// How far size and count are from certain.
    pub uncertainty: Uncertainty,
}

impl<'a> Summary<'a> {
    /// The summary of `profile`.
    pub fn of(profile: &'a Profile) -> Summary<'a> {
        let total = profile.total();
        Summary {
            origin: profile.origin.as_ref(),
            size: total.bytes,
            count: total.count,
            traceback_limit: profile.traceback_limit,
            uncertainty: profile.uncertainty(),
        }
    }
}

impl Summary<'_> {
    /// Whether it is of samples.
    pub fn is_estimate(&self) -> bool {
        self.uncertainty.is_estimate() || self.origin.is_some_and(|origin| origin.sampling.is_some())
    }
}

/// The lines on the snapshot itself: recording, moment, live bytes; a filtered one's share of them; what is not known.
pub fn text(summary: &Summary<'_>, style: &Style) -> String {
    without(summary, &[], style)
}

/// As [`text`], without the notices `said`, which stand elsewhere.
pub fn without(summary: &Summary<'_>, said: &[Notice], style: &Style) -> String {
    let notices = |origin: &Origin| {
        let mut notices = notice::of(origin);
        notices.retain(|notice| !said.contains(notice));
        estimate::lines(origin) + &notice::lines(&notices, style)
    };
    let blocks = counted(summary.count, "block");
    let more = estimate::behind(&summary.uncertainty, summary.size);
    let Some(origin) = summary.origin else {
        return format!("A snapshot of unknown origin: {}{more} in {blocks}\n", size(summary.size));
    };
    let mut text = first_line(origin);
    if let Some(from_ns) = origin.churn_from_ns {
        let churn = format!("{}{more} allocated and freed in {blocks}", size(summary.size));
        text += &format!("{}: {churn}\n", span(from_ns, origin));
        return text + &notices(origin);
    }
    text += &format!("{}\n", live_line(origin));
    if (summary.size, summary.count) != (origin.live_bytes, origin.live_blocks) {
        let share = percent(summary.size, origin.live_bytes);
        text += &format!("Selected: {}{more} in {blocks} ({share})\n", size(summary.size));
    }
    text + &notices(origin)
}

/// What was live at the moment, selected or not.
pub fn live_line(origin: &Origin) -> String {
    let live = format!("{} live in {}", size(origin.live_bytes), counted(origin.live_blocks, "block"));
    format!("At {}: {live}", moment(origin))
}

/// The time from `from_ns` to the moment, as the start of a sentence.
pub fn span(from_ns: u64, origin: &Origin) -> String {
    let (from, until) = (duration(from_ns), duration(origin.moment_ns));
    match (from_ns, origin.duration_ns) {
        (0, whole_ns) if origin.moment_ns == whole_ns && origin.still_running => {
            format!("In the first {until}")
        }
        (0, whole_ns) if origin.moment_ns == whole_ns => format!("In the whole run of {until}"),
        (0, whole_ns) => format!("In the first {until} of {}", duration(whole_ns)),
        (_, whole_ns) => format!("From {from} to {until} of {}", duration(whole_ns)),
    }
}

/// The recording, then `sentence` on the whole of it, then what is not known.
pub fn of_run(origin: &Origin, sentence: &str, style: &Style) -> String {
    let (first, estimate) = (first_line(origin), estimate::lines(origin));
    format!("{first}{sentence}\n{estimate}{}", notice::text(origin, style))
}

/// The line that names the recording and its program; of a process that still runs, as of when it was read.
fn first_line(origin: &Origin) -> String {
    let (recording, program) = (printable(&origin.recording), printable(&program(origin)));
    let line = format!("{recording}: {program}, pid {} on {}", origin.pid, printable(&origin.host));
    if origin.still_running {
        format!("{line}, still running: as of {}\n", duration(origin.duration_ns))
    } else {
        line + "\n"
    }
}

/// The command line where it is known, else the program; short, since it is there to be recognized.
fn program(origin: &Origin) -> String {
    let full =
        if origin.command_line.is_empty() { origin.program.clone() } else { origin.command_line.join(" ") };
    super::human::keep_start(&full, 60)
}

fn moment(origin: &Origin) -> String {
    let time = format!("{} of {}", duration(origin.moment_ns), duration(origin.duration_ns));
    match origin.moment.parse() {
        Ok(Moment::TimeNs(_)) => time,
        _ => format!("{}, {time}", printable(&origin.moment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::origin;

    fn summary(origin: &Origin, size: u64, count: u64) -> Summary<'_> {
        Summary { origin: Some(origin), size, count, traceback_limit: 16, uncertainty: Uncertainty::EXACT }
    }

    #[test]
    fn a_whole_snapshot_takes_two_lines() {
        let origin = origin();
        let summary = summary(&origin, 12_900_000, 45_678);
        assert_eq!(
            text(&summary, &Style::default()),
            "tm.app.4321.bin: app --fast, pid 4321 on host\n\
             At peak, 3.21 s of 12.50 s: 12.3 MiB live in 45,678 blocks\n"
        );
    }

    #[test]
    fn what_is_filtered_lost_or_unknown_is_said() {
        let mut origin = origin();
        origin.moment = "3.21 s".to_owned();
        origin.lost_events = 1_234;
        origin.unknown_frees = 1;
        origin.notes = vec!["The recording ends in the middle of a segment.".to_owned()];
        let summary = summary(&origin, 1_290_000, 5);
        assert_eq!(
            text(&summary, &Style::default()),
            "tm.app.4321.bin: app --fast, pid 4321 on host\n\
             At 3.21 s of 12.50 s: 12.3 MiB live in 45,678 blocks\n\
             Selected: 1260 KiB in 5 blocks (10.0%)\n\
             Warning: 1,234 events were lost; totals may be off by their sizes.\n\
             Warning: 1 free of memory whose allocation was not seen; that memory is not in the figures.\n\
             Note: The recording ends in the middle of a segment.\n"
        );
    }

    #[test]
    fn a_process_that_still_runs_is_as_of_a_moment() {
        let origin = Origin { still_running: true, ..origin() };
        let summary = summary(&origin, 12_900_000, 45_678);
        let first = "tm.app.4321.bin: app --fast, pid 4321 on host, still running: as of 12.50 s\n";
        assert_eq!(
            text(&summary, &Style::default()),
            format!("{first}At peak, 3.21 s of 12.50 s: 12.3 MiB live in 45,678 blocks\n")
        );
        assert_eq!(of_run(&origin, "A sentence.", &Style::default()), format!("{first}A sentence.\n"));
        let whole = Origin { moment_ns: origin.duration_ns, ..origin };
        assert_eq!(span(0, &whole), "In the first 12.50 s");
    }

    #[test]
    fn churn_is_of_a_time_and_not_of_a_moment() {
        let origin = Origin { churn_from_ns: Some(1_500_000_000), ..origin() };
        let summary = summary(&origin, 2_000, 5);
        assert_eq!(
            text(&summary, &Style::default()),
            "tm.app.4321.bin: app --fast, pid 4321 on host\n\
             From 1.50 s to 3.21 s of 12.50 s: 2000 B allocated and freed in 5 blocks\n"
        );
    }

    #[test]
    fn a_hand_made_snapshot_says_so() {
        let summary =
            Summary { origin: None, size: 10, count: 1, traceback_limit: 1, uncertainty: Uncertainty::EXACT };
        assert_eq!(text(&summary, &Style::default()), "A snapshot of unknown origin: 10 B in 1 block\n");
    }
}
