//! Where the text of a source line comes from when a traceback is printed: Python's `linecache`, made pluggable.

/// Gives the text of source lines.
pub trait LineSource {
    /// Line `lineno` (from 1) of `filename`, or `None` if it is not at hand.
    fn line(&mut self, filename: &str, lineno: u32) -> Option<String>;
}

impl<F: FnMut(&str, u32) -> Option<String>> LineSource for F {
    fn line(&mut self, filename: &str, lineno: u32) -> Option<String> {
        self(filename, lineno)
    }
}

/// No source at all.
pub struct NoLines;

impl LineSource for NoLines {
    fn line(&mut self, _filename: &str, _lineno: u32) -> Option<String> {
        None
    }
}
