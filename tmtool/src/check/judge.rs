//! Whether a run is within its limits.

use std::collections::BTreeMap;

use super::amount::Allowed;
use super::budget::{Budget, Scope};
use super::figure::Figure;
use super::suppressions::Suppression;
use super::tally::Tally;
use crate::errors::{Error, Result};
use crate::report::check::{Checked, Place, Verdict};
use tm_analyzer::text::words::named;

/// So many places are named of a limit that is exceeded.
const N_PLACES_MAX: usize = 10;

/// Holds `new` against `budget`, and its growth against `old`.
///
/// # Errors
/// A part is in no run, so that its limits could not fail; or the baseline does not know a figure.
pub fn judge(budget: &Budget, new: &Tally, old: Option<&Tally>) -> Result<Verdict> {
    let mut verdict = Verdict {
        origin: new.origin.clone(),
        suppressed: new.suppressed,
        runtime: new.runtime,
        remarks: remark(new, old).into_iter().collect(),
        ..Verdict::default()
    };
    for scope in &budget.scopes {
        if !scope.is_optional && new.sites_of(scope.places.as_ref()).next().is_none() {
            let what =
                format!("line {} of the budget: nothing was allocated in '{}'", scope.line, scope.name);
            let next = "mend the pattern, or say optional = true";
            return Err(Error::Message(format!("{what}, so its limits could not fail; {next}")));
        }
        check_scope(scope, new, old, &mut verdict.limits)?;
    }
    Ok(verdict)
}

/// What limits of estimates are held against.
fn remark(new: &Tally, old: Option<&Tally>) -> Option<String> {
    let is_estimate = |tally: &Tally| tally.origin.sampling.is_some();
    (is_estimate(new) || old.is_some_and(is_estimate)).then(|| {
        "Figures are estimates: a limit is exceeded by what is beyond it by more than its ±, not by what chance may have \
         added."
            .to_owned()
    })
}

fn check_scope(scope: &Scope, new: &Tally, old: Option<&Tally>, to: &mut Vec<Checked>) -> Result<()> {
    let found = new.sum(scope.places.as_ref());
    let before = old.map(|old| (old, old.sum(scope.places.as_ref())));
    for limit in &scope.limits {
        let figure = limit.figure;
        let mut error = found.error_of(figure);
        let baseline = match (limit.allowed, &before) {
            (Allowed::AtMost(_), _) => None,
            (_, Some((old, sum))) if old.known.contains(&figure) => {
                // The limit is as uncertain as what it is counted from.
                error = (error as f64).hypot(sum.error_of(figure) as f64).round() as u64;
                Some(sum.of(figure))
            }
            (_, Some((old, _))) => {
                let known: Vec<&str> = old.known.iter().map(|figure| figure.name()).collect();
                let what = format!("the baseline {} does not know '{}'", old.origin.recording, figure.name());
                return Err(Error::Message(format!("{what}; it has {}", known.join(", "))));
            }
            (_, None) => {
                let what = "the budget limits growth, and there is nothing that it grew from";
                return Err(Error::Message(format!("{what}; add --baseline OLD")));
            }
        };
        let (amount, most) = (found.of(figure), limit.allowed.limit(baseline.unwrap_or(0)));
        // An estimate that chance alone may have taken beyond a limit is no failure.
        let exceeded = amount.saturating_sub(error) > most;
        to.push(Checked {
            scope: scope.name.clone(),
            figure: figure.name(),
            is_bytes: figure.is_bytes(),
            found: amount,
            error,
            limit: most,
            baseline,
            growth: limit.allowed.text(figure),
            line: limit.line,
            exceeded,
            places: if exceeded { places(scope, new, figure) } else { Vec::new() },
        });
    }
    Ok(())
}

/// Where most of a figure was allocated.
fn places(scope: &Scope, tally: &Tally, figure: Figure) -> Vec<Place> {
    let mut amounts: BTreeMap<(&str, u32, Option<&str>), u64> = BTreeMap::new();
    for site in tally.sites_of(scope.places.as_ref()) {
        let frame = &site.blamed;
        let key = (frame.file(), frame.lineno, frame.function.as_deref());
        *amounts.entry(key).or_default() += site.figures.of(figure);
    }
    let mut places: Vec<Place> = amounts
        .into_iter()
        .filter(|(_, amount)| *amount > 0)
        .map(|((filename, lineno, function), amount)| Place {
            filename: filename.to_owned(),
            lineno,
            function: function.map(str::to_owned),
            amount,
        })
        .collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.amount));
    places.truncate(N_PLACES_MAX);
    places
}

/// The suppressions that no leak has, a sentence each.
pub fn unused(suppressions: &[Suppression]) -> Vec<String> {
    let unused = suppressions.iter().filter(|one| one.blocks == 0);
    unused
        .map(|one| {
            let Suppression { text, file, line, .. } = one;
            let why = one.cannot_match().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{text} ({file}:{line}){why}")
        })
        .collect()
}

/// What a budget can be checked of at all.
///
/// # Errors
/// It has no limit.
pub fn can_fail(budget: &Budget, name: &str) -> Result<()> {
    if budget.limits().next().is_none() {
        let what = format!("{name} has no limit, so nothing could be beyond one");
        let next = format!("write one of {} under [total]", named(&Figure::ALL.map(Figure::name)));
        return Err(Error::Message(format!("{what}; {next}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::figure::Figures;
    use crate::check::tally::Site;
    use tm_analyzer::model::{Frame, Origin};

    fn tally(sites: &[(&str, u64, u64)]) -> Tally {
        let site = |&(function, leaked, allocated): &(&str, u64, u64)| {
            let blamed = Frame { function: Some(function.into()), ..Frame::new("src/a.c", 7) };
            let figures =
                Figures::default().with(Figure::LeakedBlocks, leaked).with(Figure::Allocations, allocated);
            Site { figures, blamed: blamed.into(), label: None }
        };
        let mut tally = Tally::new(Figure::ALL.to_vec(), Origin::default());
        sites.iter().map(site).for_each(|site| tally.add(site));
        tally
    }

    fn budget(text: &str) -> Budget {
        Budget::parse(Path::new("b.toml"), text).unwrap()
    }

    #[test]
    fn a_leak_of_one_block_is_over_a_limit_of_none() {
        let budget = budget("[total]\nleaked-blocks = 0\n[[part]]\nfunction = \"g\"\nallocations = 5\n");
        let clean = judge(&budget, &tally(&[("f", 0, 9), ("g", 0, 5)]), None).unwrap();
        assert!(clean.is_within() && clean.limits.len() == 2);
        let verdict = judge(&budget, &tally(&[("f", 1, 9), ("g", 0, 6)]), None).unwrap();
        let over: Vec<String> = verdict.exceeded().map(Checked::sentence).collect();
        assert_eq!(
            over,
            ["total leaked-blocks: 1 where 0 is allowed", "function g allocations: 6 where 5 is allowed"]
        );
        assert_eq!(verdict.limits[0].places[0].text(), "src/a.c:7  f");
        let mut injected = tally(&[("g", 0, 5)]);
        injected.inject_leak(1);
        assert!(!judge(&budget, &injected, None).unwrap().is_within());
    }

    #[test]
    fn growth_is_counted_from_the_baseline() {
        let budget = budget("[growth]\nallocations = \"10%\"\n");
        let grown = |n| judge(&budget, &tally(&[("f", 0, n)]), Some(&tally(&[("f", 0, 100)]))).unwrap();
        assert!(grown(110).is_within() && !grown(111).is_within());
        let sentence = grown(111).limits[0].sentence();
        assert_eq!(sentence, "total allocations: 111 where 110 is allowed (+10% of the baseline's 100)");
        let without = judge(&budget, &tally(&[]), None).unwrap_err().to_string();
        assert!(without.ends_with("; add --baseline OLD"), "{without}");
    }

    #[test]
    fn a_limit_that_cannot_fail_is_an_error() {
        let text = "[[part]]\nfunction = \"gone\"\nleaked-blocks = 0\n";
        let error = judge(&budget(text), &tally(&[("f", 0, 1)]), None).unwrap_err().to_string();
        assert!(
            error.contains("nothing was allocated in 'function gone', so its limits could not fail"),
            "{error}"
        );
        let optional = text.to_owned() + "optional = true\n";
        assert!(judge(&budget(&optional), &tally(&[("f", 0, 1)]), None).unwrap().is_within());
        assert!(can_fail(&budget("[total]\n"), "b.toml").is_err());
    }
}
