//! What stands in the way of names: one line for each reason, however many modules have it.

use std::path::Path;

use super::ModuleImage;
use super::attempt::{Attempt, Outcome, Source};
use super::debug_file::DebugFile;
use super::sources::Sources;
use crate::bundle::BundledProblem;
use crate::text::words::named;

/// Why some names are missing or doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The module's file is gone.
    NotHere,
    /// Another file has its name now.
    Changed,
    /// It cannot be told whether the file is the one that ran.
    Younger,
    /// The file cannot be read.
    Unreadable,
    /// Its debug information cannot be read.
    DebugUnreadable,
    /// A file with debug information is of another build.
    OtherDebug,
    /// A file that debug information refers to is gone.
    NoSupplement,
    /// Parts of the debug information are in files that are gone.
    NoParts,
    /// Debug information could not be fetched.
    NotFetched,
    /// Code that was made at run time stood where other such code did before.
    Replaced,
}

impl Reason {
    /// All, each at its number in recordings that carry names.
    const ALL: [Reason; 10] = [
        Reason::NotHere,
        Reason::Changed,
        Reason::Younger,
        Reason::Unreadable,
        Reason::DebugUnreadable,
        Reason::OtherDebug,
        Reason::NoSupplement,
        Reason::NoParts,
        Reason::Replaced,
        Reason::NotFetched,
    ];

    /// The number.
    pub(super) fn number(self) -> u64 {
        Reason::ALL.iter().position(|reason| *reason == self).unwrap_or_default() as u64
    }
}

impl Problem {
    /// What a recording says that carries names; `None` for a reason that is not known here.
    pub(super) fn of_bundle(problem: &BundledProblem<'_>) -> Option<Problem> {
        let reason = *Reason::ALL.get(usize::try_from(problem.reason).ok()?)?;
        Some(Problem { reason, file: problem.file.to_owned(), detail: problem.detail.to_owned() })
    }
}

/// Something that keeps names from being found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub reason: Reason,
    /// The file.
    pub file: String,
    /// More of it, for a line on one file alone; may be empty.
    pub detail: String,
}

/// What the places that were looked at say, for the names of `image`.
pub(super) fn of_sources(image: &ModuleImage, sources: &Sources) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |reason, file: &str, detail: &str| {
        problems.push(Problem { reason, file: file.to_owned(), detail: detail.to_owned() });
    };
    let of = |source| sources.attempts.iter().filter(move |attempt| attempt.source == source);
    let linked = of(Source::DebugLink).filter_map(|attempt| match &attempt.outcome {
        Outcome::Other(program) => Some((attempt, program)),
        _ => None,
    });
    for (attempt, program) in linked {
        add(Reason::OtherDebug, &attempt.path.display().to_string(), program);
    }
    if let (None, None, Some(first)) = (&sources.binary, &sources.debug, of(Source::File).next()) {
        match &first.outcome {
            Outcome::Missing => add(Reason::NotHere, &image.path, ""),
            Outcome::Other(difference) => add(Reason::Changed, &image.path, difference),
            Outcome::Unreadable(error) => add(Reason::Unreadable, &image.path, error),
            Outcome::Failed(_) | Outcome::Used(_) | Outcome::Stripped => {}
        }
    }
    if let Some(why) = of(Source::Debuginfod).find_map(|attempt| match &attempt.outcome {
        Outcome::Failed(why) | Outcome::Other(why) | Outcome::Unreadable(why) => Some(why),
        Outcome::Used(_) | Outcome::Missing | Outcome::Stripped => None,
    }) {
        add(Reason::NotFetched, &image.path, why);
    }
    if sources.is_younger {
        add(Reason::Younger, &image.path, "");
    }
    if let Some(first) =
        of(Source::Supplement).next().filter(|_| !of(Source::Supplement).any(Attempt::is_used))
    {
        let of = sources.debug.as_deref().map(|debug| debug.display().to_string());
        add(Reason::NoSupplement, &first.path.display().to_string(), &of.unwrap_or_default());
    }
    problems
}

/// What is to be said of the parts of the debug information in the file at `path`.
pub(super) fn of_parts(path: &Path, debug: &DebugFile) -> Option<Problem> {
    let (n_wanted, n_gone) = debug.n_parts();
    if n_gone == 0 {
        return None;
    }
    let attempts = debug.part_attempts();
    let is_part = |attempt: &&Attempt| attempt.path.extension().is_some_and(|ending| ending != "dwp");
    let first = attempts.iter().filter(is_part).find(|attempt| !attempt.is_used());
    let first = first.map_or_else(String::new, |first| format!(", the first is {}", first.path.display()));
    let detail = format!("{n_gone} of {n_wanted}{first}");
    Some(Problem { reason: Reason::NoParts, file: path.display().to_string(), detail })
}

/// A sentence for each reason, in the order in which they came.
pub(super) fn sentences(problems: &[Problem]) -> Vec<String> {
    let mut reasons: Vec<Reason> = Vec::new();
    for problem in problems.iter().filter(|problem| !problem.file.is_empty()) {
        if !reasons.contains(&problem.reason) {
            reasons.push(problem.reason);
        }
    }
    let of = |reason| problems.iter().filter(move |problem| problem.reason == reason).collect::<Vec<_>>();
    reasons.into_iter().map(|reason| sentence(reason, &of(reason))).collect()
}

fn sentence(reason: Reason, problems: &[&Problem]) -> String {
    let names: Vec<&str> = problems.iter().map(|problem| problem.file.as_str()).collect();
    let (files, is_one) = (named(&names), problems.len() == 1);
    let detail = match problems {
        [one] if !one.detail.is_empty() => format!(" ({})", one.detail),
        // What is wrong with a server is wrong for all.
        [first, ..] if reason == Reason::NotFetched => format!(" ({})", first.detail),
        _ => String::new(),
    };
    let (are, have, they) =
        if is_one { ("is", "has", "its functions are") } else { ("are", "have", "their functions are") };
    let offsets = format!("{they} shown as offsets");
    match reason {
        Reason::NotHere => format!("{files} {are} not here: {offsets}"),
        Reason::Changed => format!("{files} {have} changed since the recording{detail}: {offsets}"),
        Reason::Younger => format!(
            "{files} {have} no build-id and {are} younger than the recording: names and lines may be another build's"
        ),
        Reason::Unreadable => format!("cannot read {files}{detail}: {offsets}"),
        Reason::DebugUnreadable => {
            format!("cannot read the debug information of {files}{detail}: {offsets}")
        }
        Reason::OtherDebug => {
            let of = if is_one { detail.trim_matches([' ', '(', ')']) } else { "what their names say" };
            format!("{files} {are} not the debug information of {of}: not used")
        }
        Reason::NoSupplement => {
            format!(
                "{files} {are} not here, which debug information refers to{detail}: some functions have no names"
            )
        }
        Reason::Replaced => format!(
            "code made at run time took the place of other such code: its functions are the latest that {files} {have}"
        ),
        Reason::NotFetched => {
            format!("the debug information of {files} was not fetched by --debuginfod{detail}")
        }
        Reason::NoParts => format!(
            "parts of the debug information of {files} are gone{detail}: inlined functions and lines are missing"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        let problem =
            |reason, file: &str| Problem { reason, file: file.to_owned(), detail: "it is x".to_owned() };
        let mut problems = vec![problem(Reason::NotHere, "/a.so"), problem(Reason::Changed, "/b.so")];
        assert_eq!(
            sentences(&problems),
            [
                "/a.so is not here: its functions are shown as offsets",
                "/b.so has changed since the recording (it is x): its functions are shown as offsets"
            ]
        );
        problems.extend(["/c", "/d", "/e", "/f"].map(|file| problem(Reason::Changed, file)));
        assert_eq!(
            sentences(&problems)[1],
            "/b.so, /c, /d and 2 more have changed since the recording: their functions are shown as offsets"
        );
        assert_eq!(sentences(&[]), [""; 0]);
    }
}
