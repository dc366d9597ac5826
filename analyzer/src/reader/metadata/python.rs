//! Python interpreters, and the code objects that they ran, with their line tables; [`crate::python`] says
//! which line an instruction is of.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::{Address, CodeIndex, Epoch, ProcessIndex};
use tm_common::metadata::{self, InterpreterState, LineTableKind, MappedRange};

use crate::reader::{Module, Recording};
use crate::text::raw_text;

/// An interpreter that was found in a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Where it runs.
    pub process: ProcessIndex,
    /// When it was found.
    pub epoch: Epoch,
    /// The first address of its module.
    pub start: Address,
    /// `PY_VERSION_HEX`; 0 if that is not known.
    pub version: u32,
    /// Whether its frames are read.
    pub state: InterpreterState,
    /// The addresses of its evaluation function.
    pub ranges: Vec<MappedRange>,
}

impl Interpreter {
    /// Whether `pc` is an address in its evaluation function.
    pub fn evaluates(&self, pc: u64) -> bool {
        self.ranges.iter().any(|range| (range.start..range.end).contains(&pc))
    }
}

/// A code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its file, as [`raw_text`] has it.
    pub file: Arc<str>,
    /// Its qualified name, likewise.
    pub name: Arc<str>,
    /// Its first line.
    pub first_line: i32,
    /// How its line table is written.
    pub line_table_kind: LineTableKind,
    line_table_len: u32,
}

/// What is known of the Python code of all processes.
#[derive(Clone, Debug, Default)]
pub struct PythonTables {
    /// The interpreters, in the order of the file.
    pub interpreters: Vec<Interpreter>,
    codes: FxHashMap<CodeIndex, Code>,
    /// The parts of line tables by where they begin.
    line_tables: FxHashMap<CodeIndex, BTreeMap<u32, Vec<u8>>>,
    files: FxHashMap<Vec<u8>, Arc<str>>,
}

impl PythonTables {
    /// The code object with this number.
    pub fn code(&self, index: CodeIndex) -> Option<&Code> {
        self.codes.get(&index)
    }

    /// The line table of a code object; `None` if parts of it are missing.
    pub fn line_table(&self, index: CodeIndex) -> Option<Vec<u8>> {
        let len = self.code(index)?.line_table_len as usize;
        let mut table = Vec::new();
        for (&offset, bytes) in self.line_tables.get(&index).into_iter().flatten() {
            // Parts that overlap say the same, or are damaged.
            let new = table.len().checked_sub(offset as usize).and_then(|known| bytes.get(known..));
            table.extend_from_slice(new.unwrap_or_default());
        }
        (table.len() == len).then_some(table)
    }

    /// Adds an interpreter, unless it is known: the latest record of one counts.
    pub(super) fn add_interpreter(&mut self, record: &metadata::Interpreter<'_>) {
        let metadata::Interpreter { process, epoch, start, version, state, .. } = *record;
        let interpreter =
            Interpreter { process, epoch, start, version, state, ranges: record.ranges().collect() };
        let same =
            |known: &&mut Interpreter| (known.process, known.epoch, known.start) == (process, epoch, start);
        match self.interpreters.iter_mut().find(same) {
            Some(known) => *known = interpreter,
            None => self.interpreters.push(interpreter),
        }
    }

    /// Adds a code object; of two with one number the first counts.
    pub(super) fn add_code(&mut self, record: &metadata::Code<'_>) {
        let file = self.files.entry(record.file.to_vec()).or_insert_with(|| text(record.file).into());
        let code = || Code {
            file: Arc::clone(file),
            name: text(record.name).into(),
            first_line: record.first_line,
            line_table_kind: record.line_table_kind,
            line_table_len: record.line_table_len,
        };
        self.codes.entry(record.code).or_insert_with(code);
    }

    /// Adds a part of a line table, whose code object may come later.
    pub(super) fn add_line_table(&mut self, code: CodeIndex, offset: u32, bytes: &[u8]) {
        let parts = self.line_tables.entry(code).or_default();
        parts.entry(offset).or_insert_with(|| bytes.to_vec());
    }
}

/// A text of Python's. A lone surrogate from U+DC80 on stands for a byte of a file name that is no UTF-8 (PEP 383).
fn text(bytes: &[u8]) -> String {
    if !bytes.contains(&0xed) {
        return raw_text::of_bytes(bytes);
    }
    let (mut raw, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((&first, after)) = rest.split_first() {
        rest = match rest {
            // U+DC80 to U+DCFF: 11101101 101100bb 10bbbbbb
            [0xed, second @ 0xb2..=0xb3, third @ 0x80..=0xbf, after @ ..] => {
                raw.push((second & 3) << 6 | (third & 0x3f));
                after
            }
            _ => {
                raw.push(first);
                after
            }
        };
    }
    raw_text::of_bytes(&raw)
}

impl Recording {
    /// The interpreter that is `module`, as the process of `epoch` has found it, itself or before it was forked.
    pub fn interpreter_of(&self, epoch: Epoch, module: &Module) -> Option<&Interpreter> {
        if self.python.interpreters.is_empty() {
            return None;
        }
        let first = self.process_of_epoch(epoch);
        let mut line = std::iter::successors(first, |&process| self.process(process)?.parent);
        let is_it = |interpreter: &&Interpreter, process| {
            // Another file may have been at this place before, or since.
            let while_loaded = interpreter.process != module.process
                || module.epoch <= interpreter.epoch
                    && module.gone.is_none_or(|gone| interpreter.epoch < gone);
            interpreter.process == process && interpreter.start == module.start && while_loaded
        };
        line.find_map(|process| self.python.interpreters.iter().rev().find(|one| is_it(one, process)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_keep_their_bytes() {
        assert_eq!(text("/a/\u{e4}.py".as_bytes()), "/a/\u{e4}.py");
        // Python's "caf\udce9.py".encode("utf-8", "surrogatepass")
        assert_eq!(&*raw_text::to_bytes(&text(b"caf\xed\xb3\xa9.py")), b"caf\xe9.py");
        // A surrogate that stands for no byte stays what it is, and so does a Hangul syllable.
        assert_eq!(&*raw_text::to_bytes(&text(b"x\xed\xa0\x80")), b"x\xed\xa0\x80");
        assert_eq!(text("\u{d7a3}".as_bytes()), "\u{d7a3}");
    }

    fn tables(len: u32, parts: &[(u32, &str)]) -> PythonTables {
        let mut tables = PythonTables::default();
        for &(offset, bytes) in parts {
            tables.add_line_table(CodeIndex(1), offset, bytes.as_bytes());
        }
        let code = metadata::Code {
            process: ProcessIndex(0),
            code: CodeIndex(1),
            first_line: 3,
            line_table_kind: LineTableKind::Locations,
            line_table_len: len,
            file: b"a.py",
            name: b"f",
        };
        tables.add_code(&code);
        tables.add_code(&metadata::Code { file: b"another.py", ..code });
        tables
    }

    #[test]
    fn line_tables_are_whole_or_none() {
        let whole = "abcdef";
        for parts in
            [&[(0, whole)][..], &[(3, "def"), (0, "abc")], &[(0, "abcd"), (2, "cdef"), (0, "xxxxxx")]]
        {
            let tables = tables(6, parts);
            assert_eq!(tables.line_table(CodeIndex(1)).as_deref(), Some(whole.as_bytes()), "{parts:?}");
            assert_eq!(tables.code(CodeIndex(1)).map(|code| &*code.file), Some("a.py"));
        }
        for parts in [&[][..], &[(0, "abc")], &[(1, "bcdef")], &[(0, "ab"), (3, "def")], &[(0, "abcdefg")]] {
            assert_eq!(tables(6, parts).line_table(CodeIndex(1)), None, "{parts:?}");
        }
        assert_eq!(tables(u32::MAX, &[(u32::MAX, "abc")]).line_table(CodeIndex(1)), None);
        assert_eq!(tables(0, &[]).line_table(CodeIndex(1)).as_deref(), Some(&[][..]));
        assert_eq!(tables(0, &[]).line_table(CodeIndex(2)), None);
    }
}
