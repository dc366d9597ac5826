//! What is said above the table, the same on a screen and as plain text.

use crate::report::parts::human::{count, counted, keep_end, long_duration, printable, size};
use crate::watch::data::sample::{Facts, State};

/// The room for the first words of [`amounts`].
pub const WORD_WIDTH: usize = 8;

/// How a process is; a time follows.
pub fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Idle => "not recording",
        State::Ended => "ended after",
    }
}

/// The recording in at most `width` characters: `server.bin, 12.0 MiB; nothing lost; 2 threads`.
pub fn recording(facts: &Facts, width: Option<usize>) -> String {
    let lost = match facts.n_lost {
        0 => "nothing lost".to_owned(),
        n => format!("{} lost", counted(n, "event")),
    };
    let threads = counted(facts.n_threads, "thread");
    let rest = format!(", {}; {lost}; {threads}", size(facts.recording_bytes));
    let name = printable(&facts.recording);
    width.map_or(name.clone(), |width| keep_end(&name, width.saturating_sub(rest.len()))) + &rest
}

/// What lives and what happens: a word, and the rest of its line.
pub fn amounts(facts: &Facts) -> [(&'static str, String); 3] {
    let live = format!("{} in {}", size(facts.live.bytes), counted(facts.live.count, "block"));
    let peak = format!("{} in {}", size(facts.peak.bytes), count(facts.peak.count));
    let live = format!("{live}; peak {peak}, at {}", long_duration(facts.peak_ns));
    let mapped = format!("{} in {}", size(facts.mapped.bytes), counted(facts.mapped.count, "range"));
    let peak = format!("{} in {}", size(facts.mapped_peak.bytes), count(facts.mapped_peak.count));
    let mapped = format!("{mapped}; peak {peak}");
    let lately = &facts.lately;
    let (events, bytes) = (lately.a_second(lately.n_events), lately.a_second(lately.n_bytes));
    let so_far = if lately.is_first { ", on average so far" } else { "" };
    let rate = format!("{} events/s, {}/s allocated{so_far}", count(events), size(bytes));
    [("Live", live), ("Mapped", mapped), ("Rate", rate)]
}
