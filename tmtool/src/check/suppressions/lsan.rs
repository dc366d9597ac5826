//! `LeakSanitizer`'s lists, as its run-time library reads them: `leak:PATTERN`, held against each frame's function and file and
//! against its module.

use std::path::Path;

use super::{Rule, Suppression};
use crate::errors::Result;
use crate::toml_file::wrong;
use tm_analyzer::model::Traceback;

pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Suppression>> {
    let mut all = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(pattern) = line.strip_prefix("leak:") else {
            let what = match line.contains(':') {
                true => "is of another sanitizer",
                false => "is no suppression",
            };
            return Err(wrong(
                path,
                number,
                format!("'{line}' {what}; LeakSanitizer's lines are leak:PATTERN"),
            ));
        };
        if pattern.is_empty() {
            return Err(wrong(path, number, format!("'{line}' has no pattern")));
        }
        let rule = Rule::Lsan(Template(pattern.to_owned()));
        all.push(Suppression::new(path, number, line.to_owned(), rule));
    }
    Ok(all)
}

/// A pattern: a part of a name, with `*` for anything, `^` at its start, and `$` for the end.
#[derive(Clone, Debug)]
pub(super) struct Template(String);

impl Template {
    pub fn matches(&self, whole: &Traceback) -> bool {
        whole.frames().iter().any(|frame| {
            let names = [frame.function.as_deref(), Some(&*frame.filename), frame.module_path()];
            names.into_iter().flatten().any(|name| template_match(&self.0, name))
        })
    }
}

/// The sanitizers' `TemplateMatch`, step by step.
fn template_match(template: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let (mut template, mut is_start) = match template.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (template, false),
    };
    let (mut name, mut has_asterisk) = (name, false);
    while let Some(first) = template.chars().next() {
        if first == '*' {
            (is_start, has_asterisk) = (false, true);
            template = template.get(1..).unwrap_or_default();
            continue;
        }
        if first == '$' {
            return name.is_empty() || has_asterisk;
        }
        if name.is_empty() {
            return false;
        }
        let (part, rest) = template.split_at(template.find(['*', '$']).unwrap_or(template.len()));
        let Some(found) = name.find(part) else { return false };
        if is_start && found != 0 {
            return false;
        }
        name = name.get(found + part.len()..).unwrap_or_default();
        (template, is_start, has_asterisk) = (rest, false, false);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_sanitizers_do() {
        for (template, name, expected) in [
            ("bar", "foobarbaz", true),
            ("^foo", "foobar", true),
            ("^bar", "foobar", false),
            ("bar$", "foobar", true),
            ("foo$", "foobar", false),
            ("^foo$", "foo", true),
            ("^foo$", "foobar", false),
            ("f*r", "foobar", true),
            ("^f*r$", "foobar", true),
            ("^f*z$", "foobar", false),
            ("*", "anything", true),
            ("a*b*c", "xaybzc", true),
            ("a*b*c", "xacb", false),
            ("foo*$", "foobar", true),
            ("", "x", true),
            ("x", "", false),
            ("ä*ü", "xäyüz", true),
        ] {
            assert_eq!(template_match(template, name), expected, "{template} {name}");
        }
    }
}
