//! Frames as formats name them.

use std::borrow::Cow;

use tm_analyzer::model::Frame;
use tm_analyzer::text::{is_plain, printable, raw_text};

/// What a stack without frames is called.
pub const UNKNOWN: &str = "<unknown>";

/// `text` as valid UTF-8 without characters that steer a terminal, end a line or hide: names come from recordings.
#[must_use]
pub fn clean(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    match raw_text::to_bytes(text) {
        Cow::Borrowed(_) => printable(text),
        Cow::Owned(bytes) => printable(&String::from_utf8_lossy(&bytes)),
    }
}

/// The function of a frame; without one the file and place that it is in.
#[must_use]
pub fn function(frame: &Frame) -> String {
    clean(frame.function.as_deref().unwrap_or(&frame.filename))
}

/// The source file of a frame; without line information the program or library, whose functions so stay one.
#[must_use]
pub fn source_file(frame: &Frame) -> String {
    clean(frame.file())
}

/// What merges with others of a function in a flame graph: the function; of Python code with its file, whose functions are
/// called alike; where none is known, the program or library.
#[must_use]
pub fn flame_name(frame: &Frame) -> String {
    let file_name = |path: &str| clean(path.rsplit('/').next().unwrap_or(path));
    match &frame.function {
        Some(function) if frame.is_python() => {
            format!("{} ({})", clean(function), file_name(&frame.filename))
        }
        Some(function) => clean(function),
        None if frame.module.is_some() => format!("[{}]", file_name(frame.file())),
        None => clean(&frame.filename),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::model::ModuleFile;

    #[test]
    fn names_are_clean_and_short_where_others_share_them() {
        let mut frame = Frame::new("/src/a\u{1b}.c", 7);
        assert_eq!(
            (function(&frame), flame_name(&frame)),
            ("/src/a\\u{1b}.c".into(), "/src/a\\u{1b}.c".into())
        );
        frame.function = Some("f\n<int>".into());
        assert_eq!(flame_name(&frame), "f\\n<int>");
        frame.kind = tm_common::stack::FrameKind::Python;
        assert_eq!(flame_name(&frame), "f\\n<int> (a\\u{1b}.c)");
        let mut stripped = Frame::new("libc.so.6+0x12", 0);
        stripped.module = Some(ModuleFile::at("/lib/libc.so.6"));
        assert_eq!(
            (function(&stripped), flame_name(&stripped)),
            ("libc.so.6+0x12".into(), "[libc.so.6]".into())
        );
        assert_eq!(clean("a\u{10ffe9}b"), "a\u{fffd}b");
    }
}
