//! A budget, `tm-budget.toml`: limits for the whole run and for parts of it, growth that is allowed, and known leaks.

use std::path::{Path, PathBuf};

use toml_edit::{Item, TableLike};

use super::amount::{self, Allowed};
use super::figure::Figure;
use super::places::{self, Places};
use super::suppressions::{Suppression, own};
use crate::errors::Result;
use crate::toml_file::{self, Source};

/// The file that is read if none is named.
pub const USUAL: &str = "tm-budget.toml";

/// What a run is allowed.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// The whole run first, then its parts.
    pub scopes: Vec<Scope>,
    /// Leaks that are known.
    pub suppressions: Vec<Suppression>,
    /// More files of these.
    pub suppression_files: Vec<PathBuf>,
}

/// The whole run or a part of it.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What it is called.
    pub name: String,
    /// The part; `None` for all.
    pub places: Option<Places>,
    /// Whether a run may have nothing of it.
    pub is_optional: bool,
    /// Its line.
    pub line: usize,
    /// What it is allowed.
    pub limits: Vec<Limit>,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The figure that is limited.
    pub figure: Figure,
    /// How much.
    pub allowed: Allowed,
    /// Its line in the budget; `None` of one that is of the command line.
    pub line: Option<usize>,
}

impl Scope {
    /// The whole run without any limit.
    pub fn whole() -> Scope {
        let (places, limits) = (None, Vec::new());
        Scope { name: "total".to_owned(), places, is_optional: true, line: 1, limits }
    }
}

impl Budget {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is no budget: the line is named.
    pub fn load(path: &Path) -> Result<Budget> {
        Budget::parse(path, &read(path)?)
    }

    /// Reads `text`, which stands in the file at `path`.
    ///
    /// # Errors
    /// It is no budget.
    pub fn parse(path: &Path, text: &str) -> Result<Budget> {
        let document = toml_file::parse(path, text)?;
        let source = Source { path, text };
        let root: &dyn TableLike = document.as_table();
        source.check_keys(root, &["total", "part", "growth", "suppress", "suppressions"])?;
        let mut whole = Scope::whole();
        if let Some(total) = source.table(root, "total")? {
            source.check_keys(total, &Figure::ALL.map(Figure::name))?;
            limits(source, total, false, &mut whole.limits)?;
        }
        if let Some(growth) = source.table(root, "growth")? {
            source.check_keys(growth, &Figure::ALL.map(Figure::name))?;
            limits(source, growth, true, &mut whole.limits)?;
        }
        let mut budget = Budget { scopes: vec![whole], ..Budget::default() };
        for table in source.tables(root, "part")? {
            budget.scopes.push(part(source, table)?);
        }
        budget.suppressions = own::read(source, root)?;
        budget.suppression_files = files(source, root)?;
        Ok(budget)
    }

    /// Whether any limit is one of growth.
    pub fn has_growth(&self) -> bool {
        self.limits().any(|limit| !matches!(limit.allowed, Allowed::AtMost(_)))
    }

    /// All limits.
    pub fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.scopes.iter().flat_map(|scope| &scope.limits)
    }
}

/// The text of the file at `path`.
///
/// # Errors
/// It cannot be read, or cannot be a text that somebody wrote.
pub fn read(path: &Path) -> Result<String> {
    toml_file::read(path, "a budget or a list of suppressions")
}

fn part(source: Source<'_>, table: &dyn TableLike) -> Result<Scope> {
    let known: Vec<&str> = places::KEYS
        .into_iter()
        .chain(["optional", "name", "growth"])
        .chain(Figure::ALL.map(Figure::name))
        .collect();
    source.check_keys(table, &known)?;
    let first = table.iter().next().and_then(|(name, _)| table.key(name)).and_then(toml_edit::Key::span);
    let Some(places) = Places::read(source, table)? else {
        let what = "this part says nothing of where; write function, file, module or label";
        return Err(source.wrong(first, what));
    };
    let mut limits_of = Vec::new();
    limits(source, table, false, &mut limits_of)?;
    if let Some(growth) = source.table(table, "growth")? {
        source.check_keys(growth, &Figure::ALL.map(Figure::name))?;
        limits(source, growth, true, &mut limits_of)?;
    }
    if limits_of.is_empty() {
        let what = format!("'{}' has no limit, so it can never fail; write leaked-blocks = 0", places.text);
        return Err(source.wrong(first, what));
    }
    Ok(Scope {
        name: source.string(table, "name")?.unwrap_or_else(|| places.text.clone()),
        is_optional: source.boolean(table, "optional")?,
        line: source.line(first),
        places: Some(places),
        limits: limits_of,
    })
}

fn limits(source: Source<'_>, table: &dyn TableLike, is_growth: bool, to: &mut Vec<Limit>) -> Result<()> {
    for figure in Figure::ALL {
        let Some(item) = table.get(figure.name()) else { continue };
        let text = match item {
            Item::Value(toml_edit::Value::Integer(number)) => number.value().to_string(),
            Item::Value(toml_edit::Value::String(text)) => text.value().clone(),
            other => other.to_string().trim().to_owned(),
        };
        let allowed = match is_growth {
            true => amount::growth(&text, figure),
            false => amount::parse(&text, figure).map(Allowed::AtMost),
        };
        let allowed =
            allowed.map_err(|what| source.wrong(item.span(), format!("{}: {what}", figure.name())))?;
        to.push(Limit { figure, allowed, line: Some(source.line(item.span())) });
    }
    Ok(())
}

/// The files of suppressions that are named, from the budget's folder on.
fn files(source: Source<'_>, root: &dyn TableLike) -> Result<Vec<PathBuf>> {
    let Some(item) = root.get("suppressions") else { return Ok(Vec::new()) };
    let wrong = || source.wrong(item.span(), "'suppressions' is no list of files; write [\"lsan.supp\"]");
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let values = item.as_array().ok_or_else(wrong)?;
    values.iter().map(|value| value.as_str().map(|name| folder.join(name)).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Budget> {
        Budget::parse(Path::new("b.toml"), text)
    }

    #[test]
    fn a_budget_has_limits_for_the_whole_and_for_parts() {
        let text = "suppressions = [\"lsan.supp\"]\n[total]\npeak = \"24 MB\"\nleaked-blocks = 0\n\
                    [growth]\nallocated = \"5%\"\n[[part]]\nfunction = \"parse_*\"\npeak = 10\n\
                    growth = { end = \"1 KiB\" }\n";
        let budget = parse(text).unwrap();
        let limits: Vec<_> = budget.limits().map(|limit| (limit.figure, limit.allowed, limit.line)).collect();
        assert_eq!(
            limits,
            [
                (Figure::Peak, Allowed::AtMost(24_000_000), Some(3)),
                (Figure::LeakedBlocks, Allowed::AtMost(0), Some(4)),
                (Figure::Allocated, Allowed::Percent(5.0), Some(6)),
                (Figure::Peak, Allowed::AtMost(10), Some(9)),
                (Figure::End, Allowed::More(1_024), Some(10)),
            ]
        );
        assert_eq!((budget.scopes[1].name.as_str(), budget.scopes[1].line), ("function parse_*", 8));
        assert_eq!(budget.suppression_files, [Path::new("lsan.supp")]);
        assert!(budget.has_growth() && !parse("[total]\npeak = 1").unwrap().has_growth());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, sentence) in [
            ("[total]\npaek = 1", "b.toml:2: there is no key 'paek' here; did you mean 'peak'?"),
            ("[totl]\npeak = 1", "b.toml:1: there is no key 'totl' here; did you mean 'total'?"),
            (
                "[total]\nzzzzzzzzzzzz = 1",
                "b.toml:2: there is no key 'zzzzzzzzzzzz' here; there are peak, peak-blocks, end, end-blocks, leaked, \
                 leaked-blocks, allocations, allocated",
            ),
            (
                "\n[total]\npeak = \"24 XB\"",
                "b.toml:3: peak: '24 XB' is no size; write 24000000, \"24 MB\" or \"1.5 MiB\"",
            ),
            (
                "[total]\nleaked-blocks = -1",
                "b.toml:2: leaked-blocks: '-1' is no number of blocks; write 1000",
            ),
            (
                "[[part]]\npeak = 1",
                "b.toml:2: this part says nothing of where; write function, file, module or label",
            ),
            (
                "[[part]]\nfunction = \"f\"",
                "b.toml:2: 'function f' has no limit, so it can never fail; write leaked-blocks = 0",
            ),
            ("[[part]]\nfunction = 1", "b.toml:2: 'function' is no text; write function = \"...\""),
            ("total = 1", "b.toml:1: 'total' is no table; write [total]"),
            ("[part]\npeak = 1", "b.toml:1: 'part' is no list of tables; write [[part]]"),
            ("[growth]\npeak = \"-1%\"", "b.toml:2: peak: '-1%' is no part of what there was; write \"5%\""),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), sentence);
        }
        let error = parse("[total]\npeak = \n").unwrap_err().to_string();
        assert!(error.starts_with("b.toml:2: this is no TOML: ") && !error.contains('\n'), "{error}");
    }
}
