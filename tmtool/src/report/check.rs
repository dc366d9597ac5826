//! The report of `tmtool check`: each limit with what was found, and where what is beyond it was allocated.

use std::io;

use serde::Serialize;

use super::Report;
use crate::report::parts::estimate::plus_minus;
use crate::report::parts::human::{self, counted, printable, size};
use crate::report::parts::style::Style;
use crate::report::parts::{header, json, notice, table};
use tm_analyzer::model::{Amount, Frame, Origin};
use tm_analyzer::text::LineSource;
use tm_analyzer::text::function_name::short;

/// What a check has come to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The recording that was checked.
    pub origin: Origin,
    /// The budget; `None` without one.
    pub budget: Option<String>,
    /// The file that growth is counted from; `None` without one.
    pub baseline: Option<String>,
    /// All limits, in the order of the budget.
    pub limits: Vec<Checked>,
    /// What of the live blocks of the end is known not to be a leak.
    pub suppressed: Amount,
    /// What run-time libraries keep for themselves.
    pub runtime: Amount,
    /// Suppressions that no leak has, a sentence each.
    pub unused: Vec<String>,
    /// What else a reader should know, a sentence each.
    pub remarks: Vec<String>,
}

/// A limit with what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What of the run: `total`, or the name of a part.
    pub scope: String,
    /// The figure.
    pub figure: &'static str,
    /// Whether that counts bytes, and not blocks.
    #[serde(skip)]
    pub is_bytes: bool,
    /// What was found.
    pub found: u64,
    /// How far off that may be, and with it what the limit is counted from; 0 where all blocks were recorded.
    #[serde(skip_serializing_if = "is_zero")]
    pub error: u64,
    /// The most that is allowed.
    pub limit: u64,
    /// What the baseline has, if that is what the limit is counted from.
    pub baseline: Option<u64>,
    /// The growth that is allowed, as it was written.
    pub growth: Option<String>,
    /// The line of the budget; `None` of a limit of the command line.
    pub line: Option<usize>,
    /// Whether more was found than is allowed.
    pub exceeded: bool,
    /// Where most of it was allocated, if more was found than is allowed.
    pub places: Vec<Place>,
}

/// A place that allocated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file.
    pub filename: String,
    /// The line; 0 if it is not known.
    pub lineno: u32,
    /// The function, if known.
    pub function: Option<String>,
    /// How much of the figure is its.
    pub amount: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Place {
    /// `src/a.c:7  parse`
    pub fn text(&self) -> String {
        let location = Frame::new(self.filename.as_str(), self.lineno).location();
        match &self.function {
            Some(function) => format!("{location}  {}", printable(&short(function))),
            None => location,
        }
    }
}

impl Checked {
    /// `total leaked-blocks`
    pub fn name(&self) -> String {
        format!("{} {}", printable(&self.scope), self.figure)
    }

    /// What it is about, in one sentence without a full stop.
    pub fn sentence(&self) -> String {
        let than = match (&self.growth, self.baseline) {
            (Some(growth), Some(baseline)) => {
                format!(
                    "{} is allowed ({growth} of the baseline's {})",
                    self.amount(self.limit),
                    self.amount(baseline)
                )
            }
            _ => format!("{} is allowed", self.amount(self.limit)),
        };
        format!("{}: {} where {than}", self.name(), self.found_text())
    }

    /// What was found, and by how much it may be off.
    fn found_text(&self) -> String {
        let found = self.amount(self.found);
        if self.error == 0 { found } else { format!("{found} {}", plus_minus(self.error, self.found)) }
    }

    /// `amount` as people read it: exact, and of many bytes also short.
    pub fn amount(&self, amount: u64) -> String {
        if self.is_bytes { human::exact_size(amount) } else { human::count(amount) }
    }
}

impl Verdict {
    /// Whether all is within its limits.
    pub fn is_within(&self) -> bool {
        self.exceeded().next().is_none()
    }

    /// The limits that are not kept.
    pub fn exceeded(&self) -> impl Iterator<Item = &Checked> {
        self.limits.iter().filter(|checked| checked.exceeded)
    }

    fn sentence(&self) -> String {
        let by = match (&self.budget, &self.baseline) {
            (Some(budget), Some(baseline)) => {
                format!("by {} and from {}", printable(budget), printable(baseline))
            }
            (Some(budget), None) => format!("by {}", printable(budget)),
            (None, Some(baseline)) => format!("from {}", printable(baseline)),
            (None, None) => "by no budget".to_owned(),
        };
        let n = self.limits.len() as u64;
        match self.exceeded().count() as u64 {
            0 => format!(
                "Checked {by}: within {}",
                if n == 1 { "its limit".to_owned() } else { format!("all {n} limits") }
            ),
            n_exceeded => format!("Checked {by}: {n_exceeded} of {} exceeded", counted(n, "limit")),
        }
    }

    fn table(&self, style: &Style) -> String {
        let rows: Vec<(Vec<String>, &Checked)> = self
            .limits
            .iter()
            .map(|checked| {
                let result = if checked.exceeded { "OVER" } else { "ok" };
                let cells = vec![result.to_owned(), checked.found_text(), checked.amount(checked.limit)];
                (cells, checked)
            })
            .collect();
        let label = |checked: &&Checked, _: Option<usize>| {
            let growth = match (&checked.growth, checked.baseline) {
                (Some(growth), Some(baseline)) => format!("  ({growth} of {})", checked.amount(baseline)),
                _ => String::new(),
            };
            checked.name() + &growth
        };
        table::text(&["RESULT", "FOUND", "LIMIT", "WHAT"], &rows, style, label)
    }
}

impl Report for Verdict {
    fn origins(&self) -> Vec<&Origin> {
        vec![&self.origin]
    }

    fn text(&self, style: &Style, _source: &mut dyn LineSource) -> String {
        let mut text = header::of_run(&self.origin, &self.sentence(), style);
        for remark in &self.remarks {
            text += &format!("{}\n", printable(remark));
        }
        text += &format!("\n{}", self.table(style));
        for checked in self.exceeded() {
            text += &format!("\nOver: {}\n", checked.sentence());
            let amounts: Vec<String> = checked.places.iter().map(|it| checked.amount(it.amount)).collect();
            let width = amounts.iter().map(String::len).max().unwrap_or(0);
            for (place, amount) in checked.places.iter().zip(&amounts) {
                text += &format!("  {amount:>width$}  {}\n", place.text());
            }
        }
        let blocks =
            |amount: &Amount| format!("{} in {}", size(amount.bytes), counted(amount.count, "block"));
        let (suppressed, runtime) = (&self.suppressed, &self.runtime);
        if suppressed.count + runtime.count > 0 || !self.unused.is_empty() {
            text.push('\n');
        }
        if suppressed.count > 0 {
            text += &format!("Live at the end and suppressed: {}\n", blocks(suppressed));
        }
        if runtime.count > 0 {
            text += &format!("Kept by run-time libraries for themselves: {}\n", blocks(runtime));
        }
        for unused in &self.unused {
            text += &format!("Unused suppression: {}\n", printable(unused));
        }
        text
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let object = VerdictObject {
            report: "check",
            version: json::VERSION,
            origin: &self.origin,
            notices: notice::of(&self.origin),
            within: self.is_within(),
            budget: self.budget.as_deref(),
            baseline: self.baseline.as_deref(),
            limits: &self.limits,
            suppressed: self.suppressed.into(),
            runtime: self.runtime.into(),
            unused_suppressions: &self.unused,
            remarks: &self.remarks,
        };
        json::write(&object, out)
    }
}

#[derive(Serialize)]
struct VerdictObject<'a> {
    report: &'static str,
    version: u32,
    origin: &'a Origin,
    notices: Vec<notice::Notice>,
    within: bool,
    budget: Option<&'a str>,
    baseline: Option<&'a str>,
    limits: &'a [Checked],
    suppressed: AmountObject,
    runtime: AmountObject,
    unused_suppressions: &'a [String],
    remarks: &'a [String],
}

#[derive(Serialize)]
struct AmountObject {
    size: u64,
    count: u64,
}

impl From<Amount> for AmountObject {
    fn from(amount: Amount) -> AmountObject {
        AmountObject { size: amount.bytes, count: amount.count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::origin;

    /// A verdict of two limits, the second of which is exceeded.
    fn verdict() -> Verdict {
        let place = Place {
            filename: "src/log.c".to_owned(),
            lineno: 7,
            function: Some("log_line(int)".to_owned()),
            amount: 1,
        };
        let peak = Checked {
            scope: "total".to_owned(),
            figure: "peak",
            is_bytes: true,
            found: 12_900_000,
            limit: 13_000_000,
            baseline: Some(12_800_000),
            growth: Some("+200,000 B".to_owned()),
            line: Some(2),
            ..Checked::default()
        };
        let leaked = Checked {
            scope: "total".to_owned(),
            figure: "leaked-blocks",
            found: 1,
            limit: 0,
            line: Some(3),
            exceeded: true,
            places: vec![place],
            ..Checked::default()
        };
        Verdict {
            origin: origin(),
            budget: Some("tm-budget.toml".to_owned()),
            limits: vec![peak, leaked],
            runtime: Amount { bytes: 72_704, count: 1 },
            unused: vec!["leak:old (lsan.supp:3)".to_owned()],
            ..Verdict::default()
        }
    }

    #[test]
    fn people_read_what_is_over_and_where_it_comes_from() {
        assert_eq!(
            verdict().text(&Style::default(), &mut tm_analyzer::text::NoLines),
            "tm.app.4321.bin: app --fast, pid 4321 on host\n\
             Checked by tm-budget.toml: 1 of 2 limits exceeded\n\
             \n\
             RESULT                    FOUND                    LIMIT  WHAT\n    \
             ok  12,900,000 B (12.3 MiB)  13,000,000 B (12.4 MiB)  total peak  (+200,000 B of 12,800,000 B (12.2 MiB))\n  \
             OVER                        1                        0  total leaked-blocks\n\
             \n\
             Over: total leaked-blocks: 1 where 0 is allowed\n  \
             1  src/log.c:7  log_line(int)\n\
             \n\
             Kept by run-time libraries for themselves: 71.0 KiB in 1 block\n\
             Unused suppression: leak:old (lsan.supp:3)\n"
        );
    }

    #[test]
    fn a_run_within_its_limits_says_so() {
        let mut verdict = verdict();
        verdict.limits.truncate(1);
        assert!(verdict.is_within());
        let text = verdict.text(&Style::default(), &mut tm_analyzer::text::NoLines);
        assert!(text.contains("Checked by tm-budget.toml: within its limit\n"), "{text}");
    }
}
