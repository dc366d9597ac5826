//! One frame of a stack: a file and a line, and what is known beyond tracemalloc's pair.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use tm_common::stack::FrameKind;

use crate::model::ModuleFile;
use crate::model::repr::repr_str;
use crate::text::printable;

/// A frame of a traceback.
///
/// Equality, hash and order are those of the pair (`filename`, `lineno`), as in tracemalloc: two frames of different
/// functions on one line are equal. The text is `filename:lineno`, the `Debug` text is Python's `repr`.
///
/// ```
/// use tm_analyzer::model::Frame;
///
/// let frame = Frame::new("a.py", 2);
/// assert_eq!(frame.to_string(), "a.py:2");
/// assert_eq!(format!("{frame:?}"), "<Frame filename='a.py' lineno=2>");
/// assert!(frame < Frame::new("a.py", 10));
/// ```
#[derive(Clone)]
pub struct Frame {
    /// The source file; without line information a text like `libc.so.6+0x1234`.
    pub filename: Arc<str>,
    /// The line, from 1; 0 if it is not known.
    pub lineno: u32,
    /// The demangled function, if known.
    pub function: Option<Arc<str>>,
    /// The program or library that the code is in, if known.
    pub module: Option<Arc<ModuleFile>>,
    /// How its address was found.
    pub kind: FrameKind,
    /// The address in the module's own addresses, as the kind says: a return address is that after the call. Inlined
    /// functions have that of the function that they are in.
    pub address: Option<u64>,
}

impl Frame {
    /// A frame of which only file and line are known.
    pub fn new(filename: impl Into<Arc<str>>, lineno: u32) -> Frame {
        Frame {
            filename: filename.into(),
            lineno,
            function: None,
            module: None,
            kind: FrameKind::Return,
            address: None,
        }
    }

    /// The file name of a frame without line information: the module's file and an offset in it, `libc.so.6+0x1234`.
    pub fn name_in_module(module: &str, offset: u64) -> String {
        format!("{}{OFFSET_MARK}{offset:x}", module_name(module))
    }

    /// Returns the path of the module, if known.
    pub fn module_path(&self) -> Option<&str> {
        self.module.as_ref().map(|module| &*module.path)
    }

    /// Whether it was guessed, by a frame pointer, and may not have been there.
    pub fn is_guessed(&self) -> bool {
        self.kind == FrameKind::Guessed
    }

    /// Whether it is of Python code.
    pub fn is_python(&self) -> bool {
        self.kind == FrameKind::Python
    }

    /// Whether it is of a Python interpreter's own code.
    pub fn is_interpreter(&self) -> bool {
        self.module.as_ref().is_some_and(|module| module.is_interpreter)
    }

    /// What key `filename` groups by: the source file. Without line information it is the file of the module, so that
    /// the addresses of a library without debug information are one group and not hundreds.
    ///
    /// ```
    /// use tm_analyzer::model::{Frame, ModuleFile};
    ///
    /// let mut frame = Frame::new("libc.so.6+0x1234", 0);
    /// assert_eq!(frame.file(), "libc.so.6+0x1234");
    /// frame.module = Some(ModuleFile::at("/usr/lib/libc.so.6"));
    /// assert_eq!(frame.file(), "libc.so.6");
    /// ```
    pub fn file(&self) -> &str {
        let name = self.module_path().map(module_name).filter(|_| self.lineno == 0);
        let offset = name.and_then(|name| self.filename.strip_prefix(name));
        match (name, offset) {
            (Some(name), Some(offset)) if offset.starts_with(OFFSET_MARK) => name,
            _ => &self.filename,
        }
    }

    /// `file:line`, or the file alone where there is no line; printable.
    pub fn location(&self) -> String {
        let filename = printable(&self.filename);
        if self.lineno == 0 { filename } else { format!("{filename}:{}", self.lineno) }
    }

    /// tracemalloc's frame of a block without a stack: `<unknown>:0`.
    pub fn unknown() -> Frame {
        Frame::new("<unknown>", 0)
    }

    /// The one frame of a stack whose frames are all hidden.
    pub fn hidden() -> Frame {
        Frame::new("<hidden>", 0)
    }
}

/// Between a module's name and an offset.
const OFFSET_MARK: &str = "+0x";

/// The last part of a module's path; of a name that is no path (`[vdso]`), all of it.
fn module_name(path: &str) -> &str {
    match path.rsplit('/').next() {
        Some(name) if !name.is_empty() => name,
        _ => "[unknown]",
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Frame) -> bool {
        self.lineno == other.lineno && self.filename == other.filename
    }
}

impl Eq for Frame {}

impl Hash for Frame {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.filename.hash(state);
        self.lineno.hash(state);
    }
}

impl PartialOrd for Frame {
    fn partial_cmp(&self, other: &Frame) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Frame {
    fn cmp(&self, other: &Frame) -> Ordering {
        // UTF-8 sorts as Python sorts code points.
        self.filename.cmp(&other.filename).then(self.lineno.cmp(&other.lineno))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.filename, self.lineno)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Frame filename={} lineno={}>", repr_str(&self.filename), self.lineno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_no_part_of_equality() {
        let mut frame = Frame::new("a.c", 1);
        frame.function = Some("f".into());
        assert_eq!(frame, Frame::new("a.c", 1));
        assert_ne!(frame, Frame::new("a.c", 2));
    }

    #[test]
    fn a_frame_without_a_line_is_in_the_file_of_its_module() {
        let frame = |filename: &str, lineno, module: &str| Frame {
            module: Some(ModuleFile::at(module)),
            ..Frame::new(filename, lineno)
        };
        let made = frame(&Frame::name_in_module("/lib/a.so", 255), 0, "/lib/a.so");
        assert_eq!((&*made.filename, made.file()), ("a.so+0xff", "a.so"));
        assert_eq!(frame("/src/a.c", 0, "/lib/a.so").file(), "/src/a.c");
        assert_eq!(frame("a.so+0xff", 3, "/lib/a.so").file(), "a.so+0xff");
        assert_eq!(frame("[unknown]+0x1", 0, "/").file(), "[unknown]");
    }

    #[test]
    fn order_is_file_then_line_as_a_number() {
        let mut frames = [Frame::new("b", 1), Frame::new("a", 10), Frame::new("a", 9), Frame::unknown()];
        frames.sort();
        assert_eq!(frames.map(|frame| frame.to_string()), ["<unknown>:0", "a:9", "a:10", "b:1"]);
    }
}
