//! Frames by their names: regular expressions over functions, files, and programs and libraries, as pprof has them.

use std::str::FromStr;

use regex::Regex;

use super::Frame;
use crate::error::{Error, Result};

/// Regular expressions, none of which has to match from the beginning or up to the end of a name.
///
/// ```
/// use tm_analyzer::model::{Frame, FramePatterns};
///
/// let patterns: FramePatterns = "^parse|/json/".parse().unwrap();
/// assert!(patterns.matches(&Frame::new("/src/json/read.c", 7)));
/// assert!(patterns.matches(&Frame { function: Some("parse_all".into()), ..Frame::new("a.c", 1) }));
/// assert!(!patterns.matches(&Frame { function: Some("reparse".into()), ..Frame::new("a.c", 1) }));
/// ```
#[derive(Clone, Debug, Default)]
pub struct FramePatterns {
    any_of: Vec<Regex>,
}

impl FramePatterns {
    /// Matches what either does.
    #[must_use]
    pub fn or(mut self, other: FramePatterns) -> FramePatterns {
        self.any_of.extend(other.any_of);
        self
    }

    /// Whether there is none, so that no frame matches.
    pub fn is_empty(&self) -> bool {
        self.any_of.is_empty()
    }

    /// The expressions as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.any_of.iter().map(Regex::as_str)
    }

    /// Whether any of them finds something in the frame's function, its file, or the path of its program or library.
    pub fn matches(&self, frame: &Frame) -> bool {
        let names = [frame.function.as_deref(), Some(&*frame.filename), frame.module_path()];
        self.any_of.iter().any(|regex| names.iter().flatten().any(|name| regex.is_match(name)))
    }
}

impl PartialEq for FramePatterns {
    fn eq(&self, other: &FramePatterns) -> bool {
        self.texts().eq(other.texts())
    }
}

impl Eq for FramePatterns {}

impl FromStr for FramePatterns {
    type Err = Error;

    fn from_str(text: &str) -> Result<FramePatterns> {
        let wrong = |reason| Error::NotAnExpression { text: text.to_owned(), reason };
        if text.is_empty() {
            return Err(wrong("it is empty, and would match every name".to_owned()));
        }
        if let Err(error) = regex_syntax::Parser::new().parse(text) {
            return Err(wrong(what_and_where(text, &error)));
        }
        let regex = Regex::new(text).map_err(|error| wrong(error.to_string().to_lowercase()))?;
        Ok(FramePatterns { any_of: vec![regex] })
    }
}

/// What is wrong, and where: `unclosed group, at '(b'`.
fn what_and_where(text: &str, error: &regex_syntax::Error) -> String {
    let (what, start) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.offset),
        other => (other.to_string(), 0),
    };
    match text.get(start..) {
        None | Some("") => format!("{what}, at its end"),
        Some(rest) => format!("{what}, at '{rest}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModuleFile;

    #[test]
    fn function_file_and_module_are_looked_at() {
        let frame = Frame {
            function: Some("std::vector<int>::push_back".into()),
            module: Some(ModuleFile::at("/opt/app/bin/server")),
            ..Frame::new("/src/pool.cc", 12)
        };
        for (pattern, expected) in [
            ("push", true),
            ("^std::vector<.*>::push_back$", true),
            ("pool\\.cc$", true),
            ("^server", false),
            ("bin/server$", true),
            ("12", false),
            ("(?i)POOL", true),
            ("POOL", false),
        ] {
            let patterns: FramePatterns = pattern.parse().unwrap();
            assert_eq!(patterns.matches(&frame), expected, "{pattern}");
            assert!(patterns.or("/pool".parse().unwrap()).matches(&frame), "{pattern}");
        }
        assert!(!FramePatterns::default().matches(&frame));
    }

    #[test]
    fn what_is_no_expression_is_shown_where_it_goes_wrong() {
        for (text, sentence) in [
            ("a(b", "'a(b' is no regular expression: unclosed group, at '(b'"),
            ("*a", "'*a' is no regular expression: repetition operator missing expression, at '*a'"),
            (
                "ä[z-a]",
                "'ä[z-a]' is no regular expression: invalid character class range, the start must be <= the end, at 'z-a]'",
            ),
            (
                "a\\",
                "'a\\' is no regular expression: incomplete escape sequence, reached end of pattern prematurely, at '\\'",
            ),
            ("", "'' is no regular expression: it is empty, and would match every name"),
        ] {
            assert_eq!(text.parse::<FramePatterns>().unwrap_err().to_string(), sentence);
        }
        let huge = "(a{1000}){1000}".parse::<FramePatterns>().unwrap_err().to_string();
        assert!(huge.contains("size limit"), "{huge}");
    }
}
