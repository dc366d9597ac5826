//! `--bless`: the budget of a run that is as it should be. Comments, order, parts and allowed growth stay; limits become what
//! was found.

use std::path::Path;

use toml_edit::{DocumentMut, Item, TableLike, value};

use super::budget::Budget;
use super::figure::{Figure, Figures};
use super::tally::Tally;
use crate::errors::{Error, Result};

const NEW: &str = "\
# What tmtool check allows. 'tmtool check FILE --bless' writes the figures of a run that is as it should be.
# Bytes, or \"24 MB\", \"1.5 MiB\". leaked: live at the end, without what run-time libraries keep and [[suppress]] knows.
[total]
";

/// The text of a budget that allows what `tally` did and, of all but leaks, `headroom` per cent more: `old` with other
/// figures, or a new one.
///
/// # Errors
/// `old` is no budget.
pub fn bless(path: &Path, old: Option<&str>, tally: &Tally, headroom: f64) -> Result<String> {
    let Some(old) = old else {
        let sum = tally.sum(None);
        let line = |figure: &Figure| format!("{} = {}\n", figure.name(), raised(*figure, &sum, headroom));
        return Ok(NEW.to_owned() + &Figure::ALL.iter().map(line).collect::<String>());
    };
    let budget = Budget::parse(path, old)?;
    let mut document: DocumentMut = old
        .parse()
        .map_err(|error| Error::Message(format!("{} cannot be changed: {error}", path.display())))?;
    let mut scopes = budget.scopes.iter();
    if let Some((whole, total)) =
        scopes.next().zip(document.get_mut("total").and_then(Item::as_table_like_mut))
    {
        set(total, &tally.sum(whole.places.as_ref()), headroom);
    }
    let mut sums = scopes.map(|scope| tally.sum(scope.places.as_ref()));
    match document.get_mut("part") {
        Some(Item::ArrayOfTables(parts)) => {
            parts.iter_mut().zip(sums).for_each(|(part, sum)| set(part, &sum, headroom));
        }
        Some(Item::Value(toml_edit::Value::Array(parts))) => {
            let tables = parts.iter_mut().filter_map(toml_edit::Value::as_inline_table_mut);
            tables.zip(&mut sums).for_each(|(part, sum)| set(part, &sum, headroom));
        }
        _ => {}
    }
    Ok(document.to_string())
}

fn raised(figure: Figure, sum: &Figures, headroom: f64) -> u64 {
    let found = sum.of(figure);
    if figure.is_of_leaks() {
        found
    } else {
        found.saturating_add((found as f64 * headroom / 100.0).ceil() as u64)
    }
}

fn set(table: &mut dyn TableLike, sum: &Figures, headroom: f64) {
    for figure in Figure::ALL {
        let Some(Item::Value(old)) = table.get_mut(figure.name()) else { continue };
        let new = i64::try_from(raised(figure, sum, headroom)).unwrap_or(i64::MAX);
        let decor = old.decor().clone();
        if let Item::Value(mut changed) = value(new) {
            // What stands around it are comments.
            *changed.decor_mut() = decor;
            *old = changed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tally::Site;
    use tm_analyzer::model::{Frame, Origin};

    fn tally() -> Tally {
        let site = |function: &str, peak| {
            let blamed = Frame { function: Some(function.into()), ..Frame::new("a.c", 1) };
            let figures = Figures::default().with(Figure::Peak, peak).with(Figure::Leaked, 1);
            Site { figures, blamed: blamed.into(), label: None }
        };
        let mut tally = Tally::new(Figure::ALL.to_vec(), Origin::default());
        [site("f", 100), site("g", 20)].into_iter().for_each(|site| tally.add(site));
        tally
    }

    #[test]
    fn a_new_budget_has_all_figures_and_is_one() {
        let text = bless(Path::new("b"), None, &tally(), 10.0).unwrap();
        assert!(text.contains("\npeak = 132\n") && text.contains("\nleaked = 2\n"), "{text}");
        assert_eq!(Budget::parse(Path::new("b"), &text).unwrap().limits().count(), 8);
    }

    #[test]
    fn an_old_one_keeps_its_comments_and_all_that_is_no_limit() {
        let old = "# ours\n[total]\npeak = \"24 MB\" # at most\n\n[growth]\npeak = \"5%\"\n\n[[part]]\nfunction = 'g' # why\npeak = 7\n";
        let new = bless(Path::new("b"), Some(old), &tally(), 0.0).unwrap();
        assert_eq!(new, old.replace("\"24 MB\"", "120").replace("peak = 7", "peak = 20"));
        assert!(bless(Path::new("b"), Some("[total]\npaek = 1\n"), &tally(), 0.0).is_err());
    }
}
