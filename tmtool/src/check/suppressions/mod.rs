//! Leaks that are known: lists of them in three formats, told apart by content.

mod lsan;
pub mod own;
mod valgrind;

use std::path::Path;

use super::budget;
use super::places::Places;
use crate::errors::Result;
use crate::toml_file::wrong;
use tm_analyzer::model::{Frame, Traceback};

/// A kind of leak that is known.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// What it says, as the user wrote it.
    pub text: String,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
    /// Bytes that it has kept from being leaks.
    pub bytes: u64,
    /// Blocks that it has.
    pub blocks: u64,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Own(Places),
    Lsan(lsan::Template),
    Valgrind(valgrind::Callers),
}

impl Suppression {
    fn new(path: &Path, line: usize, text: String, rule: Rule) -> Suppression {
        Suppression { text, file: path.display().to_string(), line, bytes: 0, blocks: 0, rule }
    }

    /// Whether blocks of the stack `whole`, which are blamed on `blamed`, under `label` are known.
    pub fn matches(&self, whole: &Traceback, blamed: &Frame, label: Option<&str>) -> bool {
        match &self.rule {
            Rule::Own(places) => places.match_block(whole.frames(), blamed, label),
            Rule::Lsan(template) => template.matches(whole),
            Rule::Valgrind(callers) => callers.matches(whole),
        }
    }

    /// Why it can match nothing, where that is known.
    pub fn cannot_match(&self) -> Option<&'static str> {
        match &self.rule {
            Rule::Valgrind(callers) => callers.cannot_match(),
            Rule::Own(_) | Rule::Lsan(_) => None,
        }
    }
}

/// Reads the list at `path`: own (TOML), of `LeakSanitizer` (`leak:PATTERN`), or of valgrind (`{ ... }`).
///
/// # Errors
/// It cannot be read, or is none of them: the line is named.
pub fn load(path: &Path) -> Result<Vec<Suppression>> {
    parse(path, &budget::read(path)?)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Suppression>> {
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let Some((first, number)) = text.lines().map(str::trim).zip(1..).find(|(line, _)| is_said(line)) else {
        return Ok(Vec::new());
    };
    if first == "{" {
        return valgrind::parse(path, text);
    }
    if first.starts_with('[') || first.starts_with("suppress") {
        return own::parse(path, text);
    }
    if first.contains(':') {
        return lsan::parse(path, text);
    }
    let known =
        "write leak:PATTERN as for LeakSanitizer, { ... } as for valgrind, or [[suppress]] as in a budget";
    Err(wrong(path, number, format!("'{first}' begins no list of suppressions; {known}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::model::ModuleFile;

    /// A stack of functions, the innermost first, in `/src/NAME.c` of `/usr/lib/libx.so.1`.
    pub(super) fn stack(functions: &[&str]) -> Traceback {
        let frame = |function: &&str| Frame {
            function: Some((*function).into()),
            module: Some(ModuleFile::at("/usr/lib/libx.so.1")),
            ..Frame::new("/src/a.c", 7)
        };
        Traceback::new(functions.iter().map(frame).collect(), None)
    }

    fn list(text: &str) -> Vec<Suppression> {
        parse(Path::new("s.supp"), text).unwrap()
    }

    fn matching(text: &str, functions: &[&str]) -> Vec<bool> {
        let whole = stack(functions);
        let blamed = whole.most_recent().unwrap();
        list(text).iter().map(|one| one.matches(&whole, blamed, None)).collect()
    }

    #[test]
    fn the_three_formats_are_told_apart() {
        assert_eq!(matching("# known\nleak:parse\nleak:^main\n", &["parse_all", "main"]), [true, true]);
        assert_eq!(
            matching("{\n  x\n  Memcheck:Leak\n  fun:malloc\n  fun:parse_*\n}\n", &["parse_all", "main"]),
            [true]
        );
        let own = "[[suppress]]\nfunction = \"parse_*\"\n[[suppress]]\nfunction = \"main\"\n\
                   [[suppress]]\nfunction = \"main\"\nanywhere = true\nreason = \"kept\"\n";
        assert_eq!(matching(own, &["parse_all", "main"]), [true, false, true]);
        assert!(list("\n# nothing\n").is_empty());
    }

    #[test]
    fn damaged_lists_are_refused_with_their_line() {
        for (text, sentence) in [
            (
                "\nhello\n",
                "s.supp:2: 'hello' begins no list of suppressions; write leak:PATTERN as for LeakSanitizer, \
              { ... } as for valgrind, or [[suppress]] as in a budget",
            ),
            (
                "leak:a\nrace:b\n",
                "s.supp:2: 'race:b' is of another sanitizer; LeakSanitizer's lines are leak:PATTERN",
            ),
            ("leak:a\nleak:\n", "s.supp:2: 'leak:' has no pattern"),
            (
                "{\n x\n Memcheck:Leak\n fun:f\n",
                "s.supp:1: this entry has no end; write } in a line of its own",
            ),
            (
                "{\n x\n Memcheck:Leak\n what:f\n}\n",
                "s.supp:4: 'what:f' is no caller; write fun:, obj:, src: or ...",
            ),
            ("{\n x\n}\n", "s.supp:1: this entry does not say of which tool it is, as Memcheck:Leak"),
            ("{\n x\n Memcheck:Leak\n}\n", "s.supp:1: this entry has no caller, and would match every leak"),
            (
                "[[suppress]]\nreason = \"x\"\n",
                "s.supp:2: this suppression says nothing of where; write function, file, module or label",
            ),
            (
                "[[suppress]]\nfunktion = \"x\"\n",
                "s.supp:2: there is no key 'funktion' here; did you mean 'function'?",
            ),
        ] {
            assert_eq!(parse(Path::new("s.supp"), text).unwrap_err().to_string(), sentence, "{text}");
        }
    }
}
